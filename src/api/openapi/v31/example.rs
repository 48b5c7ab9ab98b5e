//! Values that can be sent as they are.
//!
//! A type may be made of others, twice of each, and so on: `t(n) AS (a t(n-1), b t(n-1))`. Its
//! whole value is of 2ⁿ numbers, so an example is a part of it. The attributes that are left out
//! are null.

use super::printed::Printed;
use super::scope::{Kind, Scope};
use crate::json::write_json_string;
use crate::openapi::json::{Object, write_object};

/// How deep an example is nested.
const DEPTH_MAX: usize = 8;

/// How many bytes the nested values of an example have, all together.
const BYTES_MAX: usize = 4096;

/// How long a text may be that must have just this length.
const LENGTH_MAX: usize = 256;

/// Writes an object whose members are examples, as far as there are any.
pub(super) fn example_object<'t>(
    scope: &Scope<'_>,
    members: impl IntoIterator<Item = (&'t str, &'t str)>,
) -> Vec<u8> {
    let mut room = Room { left: BYTES_MAX };
    let mut out = Vec::new();
    write_object(&mut out, |object| {
        for (name, data_type) in members {
            if let Some(value) = room.value(scope, data_type, 0) {
                object.written(name, &value);
            }
        }
    });
    out
}

/// What is left of [`BYTES_MAX`].
struct Room {
    left: usize,
}

impl Room {
    /// A value of the type, as JSON, if one is known and there is room for it.
    fn value(&mut self, scope: &Scope<'_>, data_type: &str, depth: usize) -> Option<Vec<u8>> {
        if depth > DEPTH_MAX {
            return None;
        }
        let value = match scope.kind_below_domains(data_type) {
            Kind::Array(element) => {
                let element = self.value(scope, element, depth + 1)?;
                return Some([b"[", &*element, b"]"].concat());
            }
            Kind::Composite(row) => {
                let mut json = Vec::new();
                let attributes = row.attributes.iter().flatten();
                let attributes = attributes.map(|part| (part.name, part.data_type));
                write_object(&mut json, |object| {
                    self.write_attributes(object, scope, attributes, depth);
                });
                return Some(json);
            }
            Kind::Enum(row) => {
                let mut json = Vec::new();
                write_json_string(&mut json, row.labels.as_ref()?.first()?);
                json
            }
            Kind::Builtin(builtin, printed) if !builtin.name.is_empty() => {
                builtin_example(builtin.example, &printed)?
            }
            Kind::Builtin(..) | Kind::Domain(_) | Kind::Row(_) | Kind::AnyJson => return None,
        };
        // What is not nested is always told: its size grows as the table does.
        (depth == 0 || self.take(value.len()).is_some()).then_some(value)
    }

    /// Writes the attributes for which there is room.
    fn write_attributes<'t>(
        &mut self,
        object: &mut Object<'_>,
        scope: &Scope<'_>,
        attributes: impl Iterator<Item = (&'t str, &'t str)>,
        depth: usize,
    ) {
        for (name, data_type) in attributes {
            // With quotes, colon and comma; what has no value in the end costs as much, so that no
            // more than some hundred attributes are looked at.
            if self.take(name.len() + 4).is_none() {
                return;
            }
            if let Some(value) = self.value(scope, data_type, depth + 1) {
                object.written(name, &value);
            }
        }
    }

    fn take(&mut self, bytes: usize) -> Option<()> {
        self.left = self.left.checked_sub(bytes)?;
        Some(())
    }
}

/// The example, as far as there is room for it.
fn builtin_example(example: &str, printed: &Printed<'_>) -> Option<Vec<u8>> {
    let fitting = match (&*printed.name, printed.max_length(), printed.modifier) {
        ("bit", Some(length), _) if length > LENGTH_MAX => return None,
        ("bit", Some(length), _) => format!("\"{}\"", "1".repeat(length)),
        (_, Some(length), _) => {
            let text = example.trim_matches('"');
            format!("\"{}\"", &text[..length.min(text.len())])
        }
        ("numeric", None, Some(modifier)) if has_no_whole_digit(modifier) => "0".to_owned(),
        _ => example.to_owned(),
    };
    Some(fitting.into_bytes())
}

/// Whether all digits are behind the point: `4,4`.
fn has_no_whole_digit(modifier: &str) -> bool {
    let Some((precision, scale)) = modifier.split_once(',') else {
        return false;
    };
    match (precision.parse::<i32>(), scale.parse::<i32>()) {
        (Ok(precision), Ok(scale)) => scale >= precision,
        _ => false,
    }
}
