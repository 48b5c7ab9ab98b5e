//! The body of a request, looked at as far as that goes without the database.
//!
//! The text of a JSON body goes to PostgreSQL as it came: `json_to_recordset` reads it there, so
//! no number is rounded and no tree is built here. What is needed before is whether it is JSON,
//! whether it is one object or many, and which keys all objects have; with `columns=` not even
//! that. CSV and forms become JSON while the parameter is written, not before.
//!
//! Memory: the body is borrowed, and the parameter is made on its way to PostgreSQL, so it is no
//! second copy. What is kept beside it is bounded: the keys of one object ([`keys`]), the names of
//! a header, the pairs of a form. Only the texts of a form are decoded, which is one copy of it,
//! and those that are arguments become parameters ([`bytes_made_of`]).

mod arrays;
mod csv;
mod form;
pub(crate) mod intake;
mod json;
mod keys;
mod mark;
mod pieces;

use super::http::HttpRequest;
use super::media_type::MediaType;
use super::{Action, Invocation, Mutation};
use crate::error::Error;
use corerest_sql::Ident;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

use mark::without_mark;
use pieces::Pieces;

pub(crate) use arrays::{ARRAYS_MARK, Element};
pub(crate) use csv::Csv;
pub(crate) use form::{Form, Pairs};
pub use intake::Intake;

/// In what form the body of a request is a parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyForm {
    /// Byte for byte.
    #[default]
    AsItCame,
    /// What follows a byte order mark.
    AfterMark,
    /// CSV, as JSON of so many bytes.
    CsvAsJson {
        /// How long the JSON is.
        bytes: usize,
    },
    /// Lines of JSON, as an array of so many bytes.
    LinesAsArray {
        /// How long the array is.
        bytes: usize,
    },
    /// A form, as an object of so many bytes.
    FormAsJson {
        /// Which of its pairs are members.
        pairs: Pairs,
        /// How long the object is.
        bytes: usize,
    },
    /// Bytes, as the text of a `bytea`.
    BytesAsText {
        /// How long the text is.
        bytes: usize,
    },
}

impl BodyForm {
    /// How long the parameter is, if it is not a part of the body as it came.
    pub fn converted_bytes(self) -> Option<usize> {
        match self {
            BodyForm::AsItCame | BodyForm::AfterMark => None,
            BodyForm::CsvAsJson { bytes }
            | BodyForm::LinesAsArray { bytes }
            | BodyForm::FormAsJson { bytes, .. }
            | BodyForm::BytesAsText { bytes } => Some(bytes),
        }
    }

    /// Writes the parameter, piece by piece, until `sink` has had enough.
    pub fn write(self, body: &[u8], sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) {
        match self {
            BodyForm::AsItCame | BodyForm::AfterMark => drop(sink(self.part_of(body))),
            BodyForm::CsvAsJson { .. } => Csv::convert(body, sink),
            BodyForm::LinesAsArray { .. } => intake::write_lines(self.part_of(body), sink),
            BodyForm::FormAsJson { pairs, .. } => form::convert(body, pairs, sink),
            BodyForm::BytesAsText { .. } => write_bytes(body, sink),
        }
    }

    /// The part of the body that is the parameter, or becomes it.
    pub fn part_of(self, body: &[u8]) -> &[u8] {
        match self {
            BodyForm::AsItCame | BodyForm::BytesAsText { .. } => body,
            BodyForm::AfterMark
            | BodyForm::CsvAsJson { .. }
            | BodyForm::LinesAsArray { .. }
            | BodyForm::FormAsJson { .. } => without_mark(body),
        }
    }
}

/// The text form of bytes begins so. Source: PostgreSQL's documentation, 8.4.1 "bytea Hex Format".
const BYTES_BEGIN: &[u8] = b"\\x";

/// In what form bytes are the only argument of a function that takes them.
pub(crate) fn bytes_as_text(body: &[u8]) -> BodyForm {
    BodyForm::BytesAsText {
        bytes: BYTES_BEGIN.len() + 2 * body.len(),
    }
}

fn write_bytes(body: &[u8], sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) {
    let mut out = Pieces::new(2 * body.len(), sink);
    out.push(BYTES_BEGIN);
    out.push_digits(body);
    out.finish();
}

/// How many bytes may be made of a body of so many at the most, while its request is planned and
/// asked, beside what has a bound of its own: the texts of a form are decoded, and as arguments of
/// a function they are parameters, in which each byte may need another one before it.
pub fn bytes_made_of(http: &HttpRequest<'_>, body_bytes: usize) -> usize {
    let content_type = http.header("content-type").map(MediaType::parse);
    if content_type != Some(MediaType::UrlEncoded) {
        return 0;
    }
    let segments = http.path_segments().unwrap_or_default();
    match segments.first().is_some_and(|first| first == "rpc") {
        true => body_bytes.saturating_mul(3),
        false => body_bytes,
    }
}

/// A body, and the columns or arguments it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    /// What the main statement gets.
    pub content: Content<'a>,
    /// The keys all objects have, or those of `columns=`: the columns to write, or the arguments
    /// that are given. In their order the columns stand in SQL.
    ///
    /// There are never more than 2,048, the first ones: more than PostgreSQL has columns or
    /// arguments, so that what is missing here cannot change what is found there.
    pub columns: BTreeSet<Ident>,
}

/// What the main statement gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// An empty array, for a body that has nothing to write.
    Empty,
    /// JSON as it came, without a mark before it. Checked, unless `columns=` made that
    /// PostgreSQL's task.
    Json {
        /// The text.
        text: &'a [u8],
        /// Whether it is one object.
        shape: JsonForm,
        /// In what form the body of the request is the text.
        body: BodyForm,
    },
    /// CSV, which PostgreSQL gets as an array of objects.
    Csv(Csv<'a>),
    /// Lines of JSON, which PostgreSQL gets as an array of objects.
    Lines {
        /// The text.
        text: &'a [u8],
        /// How long the array is.
        array_bytes: usize,
    },
    /// Records that come in parts.
    Parts(PartForm),
    /// A form. For a table each key is there once, with its last value; for a function all pairs
    /// are there, for a repeated one may be variadic.
    Form(Form<'a>),
    /// The only argument of a function, as it came.
    Raw(&'a [u8]),
}

/// What each part of a body becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartForm {
    /// An array of objects.
    Objects,
    /// An array for each column, in the order of their names.
    Arrays,
}

/// What JSON looks like from outside: whether it is for `json_to_record` or `json_to_recordset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonForm {
    /// One object.
    Object,
    /// An array of objects, or something PostgreSQL will refuse.
    Array,
}

impl<'a> Payload<'a> {
    fn empty() -> Payload<'a> {
        Payload {
            content: Content::Empty,
            columns: BTreeSet::new(),
        }
    }

    /// Looks at the body of a request. Reads, deletions and OPTIONS have none, whatever came.
    ///
    /// Parity: `columns=` counts for POST and PATCH with JSON. PUT, CSV and forms ignore it.
    ///
    /// # Errors
    /// `PGRST102`
    pub fn parse(
        action: &Action,
        content_type: &MediaType,
        columns: Option<&BTreeSet<Ident>>,
        body: &'a [u8],
    ) -> Result<Option<Payload<'a>>, Error> {
        let Some((target, columns)) = target(action, columns) else {
            return Ok(None);
        };
        refuse_unacceptable(content_type, target)?;
        let parsed = match content_type {
            MediaType::ApplicationJson => match columns {
                Some(columns) => Ok(unchecked_json(body, columns)),
                None => json(target, body),
            },
            MediaType::JsonLines(_) => return lines(body, columns).map(Some),
            MediaType::TextCsv => csv(body),
            MediaType::UrlEncoded => form(target, body),
            _ => Ok(Payload {
                content: Content::Raw(body),
                columns: BTreeSet::new(),
            }),
        };
        parsed
            .map(Some)
            .map_err(|message| Error::InvalidBody { message })
    }

    /// What can be told of the payload before the body has come.
    ///
    /// # Errors
    /// `PGRST102` for a media type that is not taken.
    pub fn expected(
        action: &Action,
        content_type: &MediaType,
        columns: Option<&BTreeSet<Ident>>,
        _body: &'a [u8],
    ) -> Result<Option<Payload<'a>>, Error> {
        let Some((target, columns)) = target(action, columns) else {
            return Ok(None);
        };
        refuse_unacceptable(content_type, target)?;
        let is_told = matches!(
            content_type,
            MediaType::ApplicationJson | MediaType::JsonLines(_)
        );
        let columns = columns.filter(|_| is_told);
        Ok(Some(Payload {
            content: Content::Empty,
            columns: columns.cloned().unwrap_or_default(),
        }))
    }

    /// What is known of the payload of a request whose body comes in parts, from the first of them.
    pub(crate) fn in_parts(intake: &Intake) -> Payload<'a> {
        Payload {
            content: Content::Parts(PartForm::Objects),
            columns: intake.columns().clone(),
        }
    }
}

fn refuse_unacceptable(content_type: &MediaType, target: Target) -> Result<(), Error> {
    match (content_type, target) {
        (MediaType::ApplicationJson | MediaType::TextCsv | MediaType::UrlEncoded, _)
        | (MediaType::JsonLines(_), Target::NewRows)
        | (MediaType::TextPlain | MediaType::TextXml | MediaType::OctetStream, Target::Routine) => {
            Ok(())
        }
        (other, _) => Err(Error::InvalidBody {
            message: format!("Content-Type not acceptable: {other}"),
        }),
    }
}

/// All that planning a write depends on of a JSON body without `columns=`: whether it is one
/// object, and the keys. `None` if it is of another type, or none, or empty.
pub(crate) fn outline(
    content_type: &MediaType,
    body: &[u8],
) -> Option<(JsonForm, BTreeSet<Ident>)> {
    if *content_type != MediaType::ApplicationJson {
        return None;
    }
    match json::check(body).ok()? {
        json::Document::Object(columns) => Some((JsonForm::Object, columns)),
        json::Document::Objects(columns) => Some((JsonForm::Array, columns)),
        json::Document::Nothing => None,
    }
}

impl Content<'_> {
    /// Whether it is one object, or an array of them.
    pub fn shape(&self) -> JsonForm {
        match self {
            Content::Json { shape, .. } => *shape,
            Content::Form(_) => JsonForm::Object,
            Content::Empty
            | Content::Csv(_)
            | Content::Lines { .. }
            | Content::Parts(_)
            | Content::Raw(_) => JsonForm::Array,
        }
    }

    /// In what form the body of the request is the parameter; `None` if the parameter is made of
    /// it.
    pub(crate) fn body_form(&self) -> Option<BodyForm> {
        match self {
            Content::Json { body, .. } => Some(*body),
            // In which form each part is the parameter, its intake knows.
            Content::Raw(_) | Content::Parts(_) => Some(BodyForm::AsItCame),
            Content::Lines { array_bytes, .. } => Some(BodyForm::LinesAsArray {
                bytes: *array_bytes,
            }),
            Content::Csv(csv) => Some(BodyForm::CsvAsJson {
                bytes: csv.json_bytes(),
            }),
            Content::Form(form) => Some(BodyForm::FormAsJson {
                pairs: form.which,
                bytes: form.json_bytes(),
            }),
            Content::Empty => None,
        }
    }

    /// Appends the parameter: JSON, or the bytes as they came.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Content::Empty => out.extend_from_slice(b"[]"),
            Content::Json { text, .. } | Content::Raw(text) => out.extend_from_slice(text),
            Content::Csv(csv) => csv.write_json(&mut |piece| {
                out.extend_from_slice(piece);
                ControlFlow::Continue(())
            }),
            Content::Lines { text, .. } => intake::write_lines(text, &mut |piece| {
                out.extend_from_slice(piece);
                ControlFlow::Continue(())
            }),
            Content::Parts(_) => {}
            Content::Form(form) => form.write_json(&mut |piece| {
                out.extend_from_slice(piece);
                ControlFlow::Continue(())
            }),
        }
    }
}

/// Whom a body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// New rows of a table.
    NewRows,
    Table,
    Routine,
}

/// Whom the body is for, if one is expected, and `columns=` if that counts.
fn target<'c>(
    action: &Action,
    columns: Option<&'c BTreeSet<Ident>>,
) -> Option<(Target, Option<&'c BTreeSet<Ident>>)> {
    match action {
        Action::MutateRelation { mutation, .. } => match mutation {
            Mutation::Create => Some((Target::NewRows, columns)),
            Mutation::Update => Some((Target::Table, columns)),
            Mutation::SingleUpsert => Some((Target::Table, None)),
            Mutation::Delete => None,
        },
        Action::CallRoutine { invocation, .. } => match invocation {
            Invocation::Post => Some((Target::Routine, columns)),
            Invocation::Read { .. } => None,
        },
        Action::ReadRelation { .. }
        | Action::ReadSchema { .. }
        | Action::RelationInfo { .. }
        | Action::RoutineInfo { .. }
        | Action::SchemaInfo => None,
    }
}

/// Parity: with `columns=` a body that is not JSON is PostgreSQL's to refuse (22P02), and objects
/// may have any keys.
fn unchecked_json<'a>(body: &'a [u8], columns: &BTreeSet<Ident>) -> Payload<'a> {
    let (text, body) = json_text(body);
    let begins = text.iter().find(|byte| !json::is_blank(**byte));
    let shape = match begins {
        Some(b'{') => JsonForm::Object,
        _ => JsonForm::Array,
    };
    Payload {
        content: Content::Json { text, shape, body },
        columns: columns.clone(),
    }
}

fn json_text(body: &[u8]) -> (&[u8], BodyForm) {
    let text = without_mark(body);
    let form = match text.len() == body.len() {
        true => BodyForm::AsItCame,
        false => BodyForm::AfterMark,
    };
    (text, form)
}

fn json(target: Target, body: &[u8]) -> Result<Payload<'_>, String> {
    let (text, form) = json_text(body);
    if target == Target::Routine && text.is_empty() {
        // A call without a body is one without arguments, or with an argument that is empty: what
        // that is, if it is no JSON, is for PostgreSQL to say.
        return Ok(unchecked_json(body, &BTreeSet::new()));
    }
    let (shape, columns) = match json::check(text)? {
        json::Document::Object(columns) => (JsonForm::Object, columns),
        json::Document::Objects(columns) => (JsonForm::Array, columns),
        // Parity: what is neither an object nor an array is nothing to write.
        json::Document::Nothing => return Ok(Payload::empty()),
    };
    let content = Content::Json {
        text,
        shape,
        body: form,
    };
    Ok(Payload { content, columns })
}

fn lines<'a>(body: &'a [u8], columns: Option<&BTreeSet<Ident>>) -> Result<Payload<'a>, Error> {
    let Some((array_bytes, columns)) = intake::read_whole_lines(columns, body)? else {
        return Ok(Payload::empty());
    };
    let content = Content::Lines {
        text: without_mark(body),
        array_bytes,
    };
    Ok(Payload { content, columns })
}

fn csv(body: &[u8]) -> Result<Payload<'_>, String> {
    let (csv, columns) = Csv::parse(body)?;
    let content = Content::Csv(csv);
    Ok(Payload { content, columns })
}

fn form(target: Target, body: &[u8]) -> Result<Payload<'_>, String> {
    let which = match target {
        Target::Table | Target::NewRows => Pairs::LastOfEach,
        Target::Routine => Pairs::All,
    };
    let form = Form::parse(body, which)?;
    let columns = keys::first_columns(form.pairs.iter().map(|(key, _)| key.as_ref()));
    let content = Content::Form(form);
    Ok(Payload { content, columns })
}

#[cfg(test)]
mod tests;
