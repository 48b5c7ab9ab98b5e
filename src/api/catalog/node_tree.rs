//! Reads from the stored definition of a view which table column each of its columns shows.
//!
//! PostgreSQL keeps a view's query as a `pg_node_tree`, whose text is what its source calls
//! `outfuncs.c`; of it, this is the part that matters:
//!
//! ```text
//! list  = "(" node* ")"                    node = "{" TYPE (" :" field " " value)* "}"
//! value = node | list | word               word = (char | "\" any)+
//! ```
//!
//! Braces, parentheses and blanks inside of words are escaped, so the nesting is certain whatever
//! the names. A tree that is not as described gives the columns found so far: views of a future
//! PostgreSQL would lose relationships, and not the whole catalog.

use super::section::{Position, RelationOid};

/// A column of a view that shows a column of another relation unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// The place in the view.
    pub(super) position: Position,
    /// The table or view that the column comes from.
    pub(super) origin: RelationOid,
    /// The place there.
    pub(super) origin_position: Position,
}

/// How deep the fields of the query are nested: in the list of queries, in the query.
const QUERY_DEPTH: usize = 2;
/// How deep the fields of a column of the target list are.
const TARGET_DEPTH: usize = QUERY_DEPTH + 2;

/// The columns that the first query of the tree shows from other relations.
pub(super) fn shown_columns(tree: &str) -> Vec<Shown> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut is_target_list = false;
    let mut target = Target::default();
    for token in Tokens::new(tree) {
        match token {
            Token::Open => {
                depth += 1;
                if is_target_list && depth == TARGET_DEPTH {
                    target = Target::default();
                } else if is_target_list && depth == TARGET_DEPTH + 1 {
                    target.key = None;
                }
            }
            Token::Close => {
                if is_target_list && depth == TARGET_DEPTH {
                    found.extend(target.shown());
                }
                // The end of the target list: what follows it is not wanted.
                if depth == 0 || is_target_list && depth <= QUERY_DEPTH + 1 {
                    break;
                }
                depth -= 1;
            }
            Token::Word(word) => {
                if depth == QUERY_DEPTH {
                    is_target_list = word == ":targetList";
                } else if is_target_list && depth == TARGET_DEPTH {
                    target.word(word);
                }
            }
        }
    }
    found
}

/// What is known so far of a column of the target list.
#[derive(Default)]
struct Target<'a> {
    /// The field whose value comes next.
    key: Option<&'a str>,
    /// The type of the node has been read.
    is_named: bool,
    number: Option<i32>,
    origin: Option<u32>,
    origin_number: Option<i32>,
}

impl<'a> Target<'a> {
    /// Takes the type of the node, a field's name, or its value, which may look like a name.
    fn word(&mut self, word: &'a str) {
        if !self.is_named {
            self.is_named = true;
        } else if let Some(key) = self.key.take() {
            match key {
                ":resno" => self.number = word.parse().ok(),
                ":resorigtbl" => self.origin = word.parse().ok(),
                ":resorigcol" => self.origin_number = word.parse().ok(),
                _ => {}
            }
        } else {
            self.key = Some(word);
        }
    }

    /// The column, unless it is computed: then its origin is 0.
    fn shown(&self) -> Option<Shown> {
        let origin = self.origin.filter(|&oid| oid != 0)?;
        Some(Shown {
            position: Position(self.number?),
            origin: RelationOid(origin),
            origin_position: Position(self.origin_number?),
        })
    }
}

enum Token<'a> {
    Open,
    Close,
    Word(&'a str),
}

/// Cuts the text into tokens.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Tokens<'a> {
        Tokens { text, at: 0 }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let bytes = self.text.as_bytes();
        let blanks = bytes[self.at..].iter().take_while(|b| is_blank(**b));
        self.at += blanks.count();
        let start = self.at;
        match bytes.get(start)? {
            b'{' | b'(' => {
                self.at += 1;
                Some(Token::Open)
            }
            b'}' | b')' => {
                self.at += 1;
                Some(Token::Close)
            }
            _ => {
                self.at = word_end(bytes, start);
                // A cut inside of a character is not possible: all that ends a word is ASCII.
                Some(Token::Word(&self.text[start..self.at]))
            }
        }
    }
}

/// Where the word that starts here ends.
fn word_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' | b'}' | b'(' | b')' => break,
            b'\\' => at += 2,
            byte if is_blank(byte) => break,
            _ => at += 1,
        }
    }
    at.min(bytes.len())
}

/// Only these three are escaped in words; PostgreSQL reads other control characters as letters.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(tree: &str, expected: &[[u32; 3]]) {
        let found: Vec<[u32; 3]> = shown_columns(tree)
            .iter()
            .map(|shown| {
                let number = |position: Position| u32::try_from(position.0).unwrap();
                let origin = shown.origin.0;
                [
                    number(shown.position),
                    origin,
                    number(shown.origin_position),
                ]
            })
            .collect();
        assert_eq!(found, expected, "{tree}");
    }

    fn entry(number: u32, name: &str, origin: u32, column: u32) -> String {
        format!(
            "{{TARGETENTRY :expr {{VAR :varno 3 :varattno 2}} :resno {number} :resname {name} \
             :ressortgroupref 0 :resorigtbl {origin} :resorigcol {column} :resjunk false}}"
        )
    }

    fn query(rest: &str, targets: &[String]) -> String {
        let targets = targets.join(" ");
        format!("({{QUERY :commandType 1 {rest} :targetList ({targets}) :override 0}})")
    }

    #[test]
    fn columns_are_read_with_their_origin() {
        let targets = [entry(1, "id", 77, 4), entry(2, "name", 78, 1)];
        check(&query(":cteList <>", &targets), &[[1, 77, 4], [2, 78, 1]]);
        let computed = [entry(1, "sum", 0, 0), entry(2, "id", 77, 4)];
        check(&query(":cteList <>", &computed), &[[2, 77, 4]]);
        check(":targetList", &[]);
        check("({QUERY :targetList <> :override 0})", &[]);
        check("({QUERY :targetList () :override 0})", &[]);
    }

    #[test]
    fn lists_of_subqueries_are_not_those_of_the_view() {
        let inner = query(":cteList <>", &[entry(1, "id", 11, 1)]);
        let table = format!(
            ":rtable ({{RANGETBLENTRY :subquery {} :lateral false}})",
            &inner
        );
        let expression = entry(1, "id", 77, 1).replace("{VAR", &format!("{{SUBLINK {inner}"));
        let tree = query(&table, &[expression, entry(2, "x", 77, 2)]);
        check(&tree, &[[1, 77, 1], [2, 77, 2]]);
        // What follows the list does not count.
        let having = format!(
            ":havingQual {} :sortClause <>",
            query("", &[entry(9, "x", 9, 9)])
        );
        check(
            &tree.replace(":override 0", &having),
            &[[1, 77, 1], [2, 77, 2]],
        );
    }

    #[test]
    fn names_are_only_names() {
        for name in [
            ":resno",
            ":resorigtbl",
            ":targetList",
            r"\ :resno\ 9",
            r"\}\)\ :targetList\ \(\{TARGETENTRY",
            r"\\",
            r"\\\{",
            "<>",
            r#""""#,
            "größe",
            r"\日本",
            "a\rb",
        ] {
            let targets = [entry(1, name, 77, 4), entry(2, "x", 78, 1)];
            check(&query(":cteList <>", &targets), &[[1, 77, 4], [2, 78, 1]]);
        }
    }

    #[test]
    fn a_tree_cut_off_anywhere_gives_a_part() {
        let targets = [entry(1, r"\日本", 77, 4), entry(2, r"\\", 78, 1)];
        let whole = query(":cteList (1 2)", &targets);
        let mut most = 0;
        for (end, _) in whole.char_indices() {
            let found = shown_columns(&whole[..end]).len();
            assert!(found >= most, "cut at {end}");
            most = found;
        }
        assert_eq!(most, 2);
        check("", &[]);
        check("}}}))", &[]);
        check("\\", &[]);
    }
}
