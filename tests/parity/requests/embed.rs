//! Relations within relations: each foreign key from both its ends, by all names that it has.

use super::{Kind, Request, Subject};
use crate::catalog::{Catalog, ForeignKey, Relation};
use crate::values::name;

/// Everything that one relation can embed.
pub(super) fn of_relation(
    subject: &Subject<'_>,
    catalog: &Catalog,
    schema: &str,
    out: &mut Vec<Request>,
) {
    let own = (
        subject.relation.schema.clone(),
        subject.relation.name.clone(),
    );
    for key in &catalog.keys {
        for (here, there) in [(&key.from, &key.to), (&key.to, &key.from)] {
            if *here != own || there.0 != schema {
                continue;
            }
            if let Some(other) = catalog.relation(there) {
                of_key(subject, key, other, out);
                two_levels(subject, key, other, catalog, out);
            }
        }
    }
    many_to_many(subject, catalog, &own, out);
    // What leads nowhere, or to itself, is refused in words that should be the same.
    let self_named = name(&subject.relation.name);
    out.push(subject.get(Kind::Embed, &format!("select=*,{self_named}(*)")));
}

fn of_key(subject: &Subject<'_>, key: &ForeignKey, other: &Relation, out: &mut Vec<Request>) {
    let to = name(&other.name);
    let mut hints = vec![to.clone(), format!("{to}!{}", name(&key.name))];
    if let [column] = &key.columns[..] {
        hints.push(format!("{to}!{}", name(column)));
        hints.push(name(column));
    }
    hints.push(name(&key.name));
    let columns: Vec<String> = other.columns.iter().map(|it| name(&it.name)).collect();
    let first = columns.first().cloned().unwrap_or_else(|| "*".to_owned());
    for hint in hints {
        for select in [
            format!("*,{hint}(*)"),
            format!("*,{hint}!inner({first})"),
            format!("x:{hint}({first})"),
            format!("...{hint}(y:{first})"),
        ] {
            out.push(subject.get(Kind::Embed, &format!("select={select}")));
        }
    }
    // By an alias, so that what follows reaches it whatever it is called.
    let exact = format!("*,e:{to}!{}({})", name(&key.name), columns.join(","));
    let order = other.order();
    for rest in [
        format!("e.{first}=not.is.null"),
        "e=is.null".to_owned(),
        "e=not.is.null".to_owned(),
        "or=(e.is.null,e.not.is.null)".to_owned(),
        order.first().map_or_else(String::new, |by| {
            format!("e.order={}.desc&e.limit=1", name(by))
        }),
        "e.limit=0".to_owned(),
    ] {
        out.push(subject.get(Kind::Embed, &format!("select={exact}&{rest}")));
    }
    out.push(subject.get(
        Kind::Embed,
        &format!("select=*,{to}!{}(count)", name(&key.name)),
    ));
    let csv = subject.get(Kind::Embed, &format!("select={exact}"));
    out.push(csv.header("Accept", "text/csv"));
    twice(subject, &format!("{to}!{}", name(&key.name)), &first, out);
    if let Some(by) = order.first() {
        let page = subject.page_after(&format!("e({})", name(by)));
        let target = format!("{}?select={exact}&{page}", subject.path);
        out.push(Request::get(Kind::Embed, target));
    }
}

/// One relation two times: which of both is meant by a filter, and which comes first.
fn twice(subject: &Subject<'_>, hint: &str, column: &str, out: &mut Vec<Request>) {
    let aliased = format!("a:{hint}({column}),b:{hint}(*)");
    for query in [
        format!("select={aliased}"),
        format!("select={aliased}&b.{column}=not.is.null"),
        format!("select={aliased}&b.{column}=is.null&a.limit=1"),
        format!("select={hint}({column}),{hint}(*)"),
        format!("select={hint}({column}),b:{hint}(*)&b.{column}=is.null"),
        format!("select=...{hint}(c:{column}),...{hint}(d:{column})"),
    ] {
        let request = subject.get(Kind::Embed, &query);
        out.push(request.clone().header("Accept", "text/csv"));
        out.push(request);
    }
    let grouped = format!("{}?select={hint}({column}),count()", subject.path);
    out.push(Request::get(Kind::Embed, grouped));
}

fn two_levels(
    subject: &Subject<'_>,
    key: &ForeignKey,
    other: &Relation,
    catalog: &Catalog,
    out: &mut Vec<Request>,
) {
    let there = (other.schema.clone(), other.name.clone());
    let next = catalog
        .keys
        .iter()
        .filter(|it| it.from == there || it.to == there);
    for second in next.take(3) {
        let third = if second.from == there {
            &second.to
        } else {
            &second.from
        };
        let second_hint = format!("{}!{}", name(&third.1), name(&second.name));
        let first_hint = format!("{}!{}", name(&other.name), name(&key.name));
        for select in [
            format!("*,{first_hint}(*,{second_hint}(*))"),
            format!("*,{first_hint}!inner(x:{second_hint}!inner(*))"),
        ] {
            out.push(subject.get(Kind::Embed, &format!("select={select}")));
        }
    }
}

/// Through whatever has a key to this relation, and another one.
fn many_to_many(
    subject: &Subject<'_>,
    catalog: &Catalog,
    own: &(String, String),
    out: &mut Vec<Request>,
) {
    for near in catalog.keys.iter().filter(|key| key.to == *own) {
        let far = catalog.keys.iter().filter(|key| key.from == near.from);
        for far in far.filter(|key| key.name != near.name) {
            let (to, through) = (name(&far.to.1), name(&near.from.1));
            for select in [
                format!("*,{to}(*)"),
                format!("*,{to}!{through}(*)"),
                format!("*,{to}!{through}!inner(*)"),
                format!("*,...{to}!{through}(*)"),
            ] {
                out.push(subject.get(Kind::Embed, &format!("select={select}")));
            }
        }
    }
}
