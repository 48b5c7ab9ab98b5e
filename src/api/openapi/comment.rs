//! Comments in the database, as the two texts that OpenAPI has: a short one, which is the first
//! line, and a long one.

/// A comment, split after its first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Comment<'a> {
    /// The first line.
    pub(super) summary: &'a str,
    /// What follows, without the empty lines before it.
    pub(super) description: &'a str,
}

impl<'a> Comment<'a> {
    /// Splits a comment.
    pub(super) fn split(text: &'a str) -> Comment<'a> {
        let (summary, description) = text.split_once('\n').unwrap_or((text, ""));
        Comment {
            summary,
            description: description.trim_start_matches('\n'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, summary: &str, description: &str) {
        let comment = Comment::split(text);
        assert_eq!(
            (comment.summary, comment.description),
            (summary, description)
        );
    }

    #[test]
    fn the_first_line_is_the_summary() {
        check("", "", "");
        check("one line", "one line", "");
        check("title\ntext", "title", "text");
        check("title\n\n\ntext\n\nmore\n", "title", "text\n\nmore\n");
        check("\ntext", "", "text");
        check("title\n", "title", "");
    }
}
