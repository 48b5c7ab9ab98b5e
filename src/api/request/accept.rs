//! The `Accept` header.
//!
//! Media types in the order of the client's preference: by quality, then by how specific they
//! are, which is the number of their parameters less the number of their stars; then as written.
//!
//! Source: RFC 9110, section 12.5.1, as the WAI library reads it, which PostgREST uses.

use super::media_type::MediaType;

/// Reads the header. An empty one accepts nothing.
pub(crate) fn parse_accept(value: &[u8]) -> Vec<MediaType> {
    if value.is_empty() {
        return Vec::new();
    }
    let mut entries: Vec<Entry> = value
        .split(|&byte| byte == b',')
        .map(Entry::parse)
        .collect();
    // The sort is stable.
    entries.sort_by(|a, b| {
        b.quality
            .total_cmp(&a.quality)
            .then_with(|| b.specificity.cmp(&a.specificity))
    });
    entries
        .into_iter()
        .map(|entry| MediaType::parse(&entry.text))
        .collect()
}

/// Whether the header says of a media type, by its name, that it will not have it. PostgREST does
/// not ask, and so nobody does but for what PostgREST does not have.
///
/// Source: RFC 9110, section 12.4.2.
pub(crate) fn is_refused(value: &[u8], name: &str) -> bool {
    let entries = value.split(|&byte| byte == b',').map(Entry::parse);
    entries.filter(|entry| entry.quality <= 0.0).any(|entry| {
        let named = entry.text.split(|&byte| byte == b';').next();
        named.is_some_and(|named| named.eq_ignore_ascii_case(name.as_bytes()))
    })
}

struct Entry {
    text: Vec<u8>,
    quality: f64,
    specificity: isize,
}

impl Entry {
    /// Parity: blanks are dropped wherever they are, and what follows `;q=` is not part of the
    /// media type.
    fn parse(entry: &[u8]) -> Entry {
        let mut text: Vec<u8> = entry.iter().copied().filter(|&byte| byte != b' ').collect();
        let at = text.windows(3).position(|window| window == b";q=");
        let quality = at.map_or(1.0, |at| parse_quality(&text[at + 3..]));
        text.truncate(at.unwrap_or(text.len()));
        let count = |wanted: u8| {
            text.iter()
                .filter(|&&byte| byte == wanted)
                .count()
                .cast_signed()
        };
        let specificity = count(b';') - count(b'*');
        Entry {
            text,
            quality,
            specificity,
        }
    }
}

/// The number at the start of the text, or 1 if there is none.
fn parse_quality(text: &[u8]) -> f64 {
    let digits = |from: usize| {
        from + text[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let sign = usize::from(text.first() == Some(&b'-'));
    let mut end = digits(sign);
    if end == sign {
        return 1.0;
    }
    if text.get(end) == Some(&b'.') && digits(end + 1) > end + 1 {
        end = digits(end + 1);
    }
    // The bytes up to here are ASCII digits, a sign and a point.
    std::str::from_utf8(&text[..end])
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &str, expected: &[&str]) {
        let media_types: Vec<String> = parse_accept(accept.as_bytes())
            .iter()
            .map(MediaType::to_string)
            .collect();
        assert_eq!(media_types, expected, "{accept}");
    }

    #[test]
    fn quality_decides_first() {
        check(
            "text/csv;q=0.5, application/json",
            &["application/json", "text/csv"],
        );
        check(
            "text/csv;q=0.8,text/xml ; q=0.9,text/plain;q=1",
            &["text/plain", "text/xml", "text/csv"],
        );
        check("a/b;q=0,c/d;q=-1", &["a/b", "c/d"]);
        check("a/b;q=0.1;level=1", &["a/b"]);
    }

    #[test]
    fn specificity_decides_next_and_then_the_order() {
        check("*/*, text/csv", &["text/csv", "*/*"]);
        check(
            "text/*, */*, text/csv, a/b",
            &["text/csv", "a/b", "text/*", "*/*"],
        );
        check(
            "application/json, application/vnd.pgrst.object;nulls=stripped",
            &[
                "application/vnd.pgrst.object+json;nulls=stripped",
                "application/json",
            ],
        );
    }

    #[test]
    fn what_is_no_quality_counts_as_one() {
        check(
            "a/b;q=0.9,c/d;q=.1,e/f;q=x,g/h;q=",
            &["c/d", "e/f", "g/h", "a/b"],
        );
        check("a/b;q=0.5x,c/d;q=0.6.7", &["c/d", "a/b"]);
        check("a/b;q=0.,c/d;q=1e", &["c/d", "a/b"]);
    }

    #[test]
    fn an_empty_header_accepts_nothing() {
        check("", &[]);
        check(" ", &[""]);
        check("text/csv,", &["text/csv", ""]);
    }
}
