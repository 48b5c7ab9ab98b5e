//! Writing nested JSON straight into the document: objects and arrays that set their own commas.
//!
//! Members are written in the order in which they are given. Nothing is built in memory but the
//! document itself, which for a large schema has megabytes.

use crate::json::write_json_string;
use std::collections::HashSet;

/// An object that is being written.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

/// An array that is being written.
pub(super) struct Array<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

/// Appends an object to `out`.
pub(super) fn write_object(out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
    out.push(b'{');
    write(&mut Object {
        out,
        is_empty: true,
    });
    out.push(b'}');
}

impl Object<'_> {
    /// A member that is a string.
    pub(super) fn string(&mut self, name: &str, text: &str) {
        self.begin(name);
        write_json_string(self.out, text);
    }

    /// A member that is a string; left out if there is none.
    pub(super) fn optional_string(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.string(name, text);
        }
    }

    /// A member that is a truth value.
    pub(super) fn boolean(&mut self, name: &str, value: bool) {
        self.written(name, if value { b"true" } else { b"false" });
    }

    /// A member whose value is JSON that is written already.
    pub(super) fn written(&mut self, name: &str, json: &[u8]) {
        self.begin(name);
        self.out.extend_from_slice(json);
    }

    /// A member that is an object, even if nothing is in it.
    pub(super) fn object(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.begin(name);
        write_object(self.out, write);
    }

    /// A member that is an array, even if nothing is in it.
    pub(super) fn array(&mut self, name: &str, write: impl FnOnce(&mut Array<'_>)) {
        self.begin(name);
        self.out.push(b'[');
        write(&mut Array {
            out: self.out,
            is_empty: true,
        });
        self.out.push(b']');
    }

    /// A member that is an object; left out if nothing is in it.
    pub(super) fn filled_object(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.unless_empty(|parent| parent.object(name, write));
    }

    /// A member that is an array; left out if nothing is in it.
    pub(super) fn filled_array(&mut self, name: &str, write: impl FnOnce(&mut Array<'_>)) {
        self.unless_empty(|parent| parent.array(name, write));
    }

    /// A member that is an array of strings; left out if there are none.
    pub(super) fn strings<'s>(&mut self, name: &str, texts: impl IntoIterator<Item = &'s str>) {
        self.filled_array(name, |array| {
            texts.into_iter().for_each(|text| array.string(text));
        });
    }

    /// A member that is a number.
    pub(super) fn number(&mut self, name: &str, number: impl std::fmt::Display) {
        self.written(name, number.to_string().as_bytes());
    }

    /// Members that are objects. Of several with the same name the last one counts, for names are
    /// made of names in the database, and may meet: `a.b` is a table, or the column of one.
    pub(super) fn distinct_objects<T>(
        &mut self,
        members: &[(String, T)],
        write: impl Fn(&mut Object<'_>, &T),
    ) {
        let mut names = HashSet::with_capacity(members.len());
        let from_last = members.iter().rev();
        let is_last: Vec<bool> = from_last.map(|(name, _)| names.insert(name)).collect();
        for ((name, value), is_last) in members.iter().zip(is_last.iter().rev()) {
            if *is_last {
                self.object(name, |object| write(object, value));
            }
        }
    }

    fn begin(&mut self, name: &str) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        write_json_string(self.out, name);
        self.out.push(b':');
    }

    /// Takes a member back if its value turns out to be `[]` or `{}`.
    fn unless_empty(&mut self, write: impl FnOnce(&mut Self)) {
        let (start, was_empty) = (self.out.len(), self.is_empty);
        write(self);
        if self.out.ends_with(b":[]") || self.out.ends_with(b":{}") {
            self.out.truncate(start);
            self.is_empty = was_empty;
        }
    }
}

impl Array<'_> {
    /// An element that is a string.
    pub(super) fn string(&mut self, text: &str) {
        self.begin();
        write_json_string(self.out, text);
    }

    /// An element that is an object.
    pub(super) fn object(&mut self, write: impl FnOnce(&mut Object<'_>)) {
        self.begin();
        write_object(self.out, write);
    }

    fn begin(&mut self) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(write: impl FnOnce(&mut Object<'_>), expected: &str) {
        let mut out = Vec::new();
        write_object(&mut out, write);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn members_come_in_their_order() {
        check(|_| {}, "{}");
        check(
            |object| {
                object.string("b", "x\"");
                object.optional_string("none", None);
                object.boolean("a", true);
                object.object("c", |_| {});
                object.array("d", |array| {
                    array.string("1");
                    array.object(|object| object.written("e", b"2"));
                });
                object.strings("f", ["g", "h"]);
            },
            r#"{"b":"x\"","a":true,"c":{},"d":["1",{"e":2}],"f":["g","h"]}"#,
        );
    }

    #[test]
    fn what_is_empty_is_left_out() {
        check(
            |object| {
                object.strings("a", []);
                object.filled_object("b", |_| {});
                object.string("c", "[]");
                object.filled_object("d", |object| object.array("e", |_| {}));
                object.filled_array("f", |_| {});
                object.filled_array("g", |array| array.string(":[]"));
            },
            r#"{"c":"[]","d":{"e":[]},"g":[":[]"]}"#,
        );
    }

    #[test]
    fn the_last_of_equal_names_counts() {
        let members = [("a", "1"), ("b", "2"), ("a", "3")].map(|(n, v)| (n.to_owned(), v));
        check(
            |object| object.distinct_objects(&members, |object, v| object.string("v", v)),
            r#"{"b":{"v":"2"},"a":{"v":"3"}}"#,
        );
    }
}
