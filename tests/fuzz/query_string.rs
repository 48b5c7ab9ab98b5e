//! Query strings: `select`, filters, orders, logic, limits.
//!
//! Properties: nothing panics; how the characters are written changes nothing, so that a query
//! string of which all are escaped asks for the same, or is refused in the same words; and so does
//! the canonical form, as far as it is the same list of parameters. What is no UTF-8 asks for
//! nothing.

use corerest_api::internals::ParsedQuery;
use std::collections::BTreeSet;

/// Query strings to start from.
pub(crate) const QUERY_STRING_SEEDS: &[&[u8]] = &[
    b"select=id,label:name,height::text,facts->soil->>ph&id=eq.1&name=not.like.a*&limit=3&offset=2",
    b"select=\"quo\\\"te\"::int,*,a.max()::text,count()&\"quo\\\"te\"=eq.a&order=\"q\".desc",
    b"select=facts->a->0->>'b',p:pests!inner(name,x!fk!left(*)),...beds(n)&facts->a->>b=gt.1",
    b"order=name,height.desc,id.asc.nullsfirst,facts->soil->>ph.desc.nullslast,plants(name).asc",
    b"or=(id.eq.1,and(id.gt.2,name.eq.\"a,b\"),not.or(height.is.null,height.lt.3))&and=(a.is.true)",
    b"id=in.(1,2)&name=in.(\"a,b\",c)&height=isdistinct.3&id=is.not_null&id=not.is.unknown",
    b"name=like(any).{B*,Y*}&name=ilike(all).{*e*}&tags=cs.{a}&tags=ov.[1,2)&h=sl.(1,2)&\
      x=adj.(1,2)",
    b"words=fts.beech&words=plfts(english).a%20b&words=not.phfts.c&name=match.^B&name=imatch.x",
    b"pests.name=eq.a&pests.order=name.desc&pests.limit=2&a.b.offset=1&p.or=(a.eq.1)&p.n\
      ot.and=(b.lt.2)",
    b"columns=id,\"a b\"&on_conflict=id,code&a=1&b=x+y%20%c3%a9;c=%zz&d&&=e",
    b"?limit=-1&offset=99999999999999999999999999&limit=a&a.b->>c=eq.d&not.or=(a.not.eq.\
      1,b->c.in.(1))",
];

/// A query string, and before it whether a parameter without an operator is an argument.
pub fn query_string(data: &[u8]) {
    let [choice, query @ ..] = data else {
        return;
    };
    let Ok(query) = std::str::from_utf8(query) else {
        return;
    };
    let may_have_arguments = choice % 2 == 1;
    let parsed = ParsedQuery::parse(query, may_have_arguments);
    let escaped = ParsedQuery::parse(&escaped(query), may_have_arguments);
    if !is_text(query) {
        assert!(parsed.is_err() && escaped.is_err(), "it is no UTF-8");
        return;
    }
    assert_eq!(escaped, parsed);
    if let Ok(parsed) = parsed {
        check_canonical(query, &parsed, may_have_arguments);
    }
}

/// Sorting is allowed to change which of several parameters comes first, and those of one name
/// become one, and all have values; so only a query string that has none of it is to mean the same.
fn check_canonical(query: &str, parsed: &ParsedQuery, may_have_arguments: bool) {
    let canonical = parsed.canonical();
    let again = ParsedQuery::parse(canonical, may_have_arguments);
    let names = names(query);
    let is_sorted = names.is_sorted();
    let is_set = names.iter().collect::<BTreeSet<_>>().len() == names.len();
    let have_values = pairs(query).iter().all(|(_, value)| value.is_some());
    if is_sorted && is_set && have_values {
        assert_eq!(again.as_ref(), Ok(parsed), "{canonical}");
    }
}

/// The parameters, taken apart by another reading of the standard.
fn pairs(query: &str) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let query = query.strip_prefix('?').unwrap_or(query);
    let mut pieces: Vec<&str> = query.split(['&', ';']).collect();
    if pieces.last() == Some(&"") {
        pieces.pop();
    }
    let pair = |piece: &str| match piece.find('=') {
        Some(at) => (decoded(&piece[..at]), Some(decoded(&piece[at + 1..]))),
        None => (decoded(piece), None),
    };
    pieces.into_iter().map(pair).collect()
}

fn is_text(query: &str) -> bool {
    let is_utf8 = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
    let pairs = pairs(query);
    let mut pairs = pairs.iter();
    pairs.all(|(name, value)| is_utf8(name) && value.as_deref().is_none_or(is_utf8))
}

fn names(query: &str) -> Vec<Vec<u8>> {
    pairs(query).into_iter().map(|(name, _)| name).collect()
}

fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let code = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    out
}

fn escaped(query: &str) -> String {
    let mut out = String::new();
    let mut escape = |bytes: &[u8], before: &str| {
        out.push_str(before);
        bytes
            .iter()
            .for_each(|byte| out.push_str(&format!("%{byte:02x}")));
    };
    for (index, (name, value)) in pairs(query).iter().enumerate() {
        escape(name, if index > 0 { "&" } else { "" });
        if let Some(value) = value {
            escape(value, "=");
        }
    }
    // A separator at the end ends the last one, which may be empty.
    out.push('&');
    match pairs(query).is_empty() {
        true => String::new(),
        false => out,
    }
}

#[cfg(test)]
mod tests {
    use super::{QUERY_STRING_SEEDS, query_string};

    #[test]
    fn how_characters_are_written_changes_nothing() {
        crate::smoke(query_string, QUERY_STRING_SEEDS, 20_000);
    }
}
