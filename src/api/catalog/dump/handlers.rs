//! Media type handlers and domain representations of the dump. What PostgREST handles by itself is
//! no handler of ours, but stands among them here, as it does there.

use super::name::Name;
use crate::catalog::{Catalog, MediaHandler};
use corerest_sql::{CatalogSql, QualifiedName};
use serde::Serialize;

/// What is handled: rows of something as a media type; and by what, as which media type.
pub(super) type Pair<'a> = (
    (Target<'a>, MediaTypeDump<'a>),
    (Handler<'a>, MediaTypeDump<'a>),
);

/// A pair of types, and the function that makes the one of the other.
pub(super) type RepresentationPair<'a> = ((&'a str, &'a str), RepresentationDump<'a>);

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Target<'a> {
    Any {
        tag: &'static str,
    },
    One {
        contents: Name<'a>,
        tag: &'static str,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Handler<'a> {
    BuiltIn {
        tag: &'static str,
    },
    Custom {
        contents: (Name<'a>, Target<'a>),
        tag: &'static str,
    },
}

#[derive(Serialize)]
pub(super) struct MediaTypeDump<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    contents: Option<&'a str>,
    tag: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RepresentationDump<'a> {
    dr_function: &'a str,
    dr_source_type: &'a str,
    dr_target_type: &'a str,
}

/// Names of media types that PostgREST has constructors for.
const TAGS: [(&str, &str); 10] = [
    ("*/*", "MTAny"),
    ("application/geo+json", "MTGeoJSON"),
    ("application/json", "MTApplicationJSON"),
    ("application/octet-stream", "MTOctetStream"),
    ("application/openapi+json", "MTOpenAPI"),
    ("application/vnd.pgrst.array", "MTVndArrayJSONStrip"),
    ("application/x-www-form-urlencoded", "MTUrlEncoded"),
    ("text/csv", "MTTextCSV"),
    ("text/plain", "MTTextPlain"),
    ("text/xml", "MTTextXML"),
];

/// PostgREST's own handlers: for which media type, by what, as which media type.
const BUILT_IN: [(&str, &str, &str); 4] = [
    ("*/*", "BuiltinOvAggJson", "application/json"),
    (
        "application/geo+json",
        "BuiltinOvAggGeoJson",
        "application/geo+json",
    ),
    ("application/json", "BuiltinOvAggJson", "application/json"),
    ("text/csv", "BuiltinOvAggCsv", "text/csv"),
];

pub(super) fn dump(catalog: &Catalog) -> Vec<Pair<'_>> {
    let is_overridden = |name: &str| catalog.media_handler(None, name).is_some();
    let built_in = BUILT_IN
        .into_iter()
        .filter(|(name, ..)| !is_overridden(name));
    let mut pairs: Vec<Pair<'_>> = built_in
        .map(|(accepted, tag, media_type)| {
            let key = (target(None), dump_media_type(accepted));
            (key, (Handler::BuiltIn { tag }, dump_media_type(media_type)))
        })
        .collect();
    let mut custom: Vec<(&str, &MediaHandler)> = catalog.media_handlers.custom().collect();
    custom.sort_by_key(|(accepted, handler)| (&handler.target, *accepted));
    pairs.extend(custom.into_iter().map(|(accepted, handler)| {
        let of = handler.target.as_ref();
        let key = (target(of), dump_media_type(accepted));
        let contents = ((&handler.function).into(), target(of));
        let tag = "CustomFunc";
        let media_type = dump_media_type(&handler.media_type);
        (key, (Handler::Custom { contents, tag }, media_type))
    }));
    pairs
}

pub(super) fn dump_representations(catalog: &Catalog) -> Vec<RepresentationPair<'_>> {
    let mut all: Vec<(&str, &str, &CatalogSql)> = catalog.representations.all().collect();
    all.sort_by_key(|(source, target, _)| (*source, *target));
    let pairs = all.into_iter().map(|(source, target, function)| {
        let dump = RepresentationDump {
            dr_function: function.as_str(),
            dr_source_type: source,
            dr_target_type: target,
        };
        ((source, target), dump)
    });
    pairs.collect()
}

fn target(of: Option<&QualifiedName>) -> Target<'_> {
    match of {
        None => Target::Any {
            tag: "RelAnyElement",
        },
        Some(name) => Target::One {
            contents: name.into(),
            tag: "RelId",
        },
    }
}

fn dump_media_type(name: &str) -> MediaTypeDump<'_> {
    match TAGS.iter().find(|(known, _)| *known == name) {
        Some((_, tag)) => MediaTypeDump {
            contents: None,
            tag,
        },
        None => MediaTypeDump {
            contents: Some(name),
            tag: "MTOther",
        },
    }
}
