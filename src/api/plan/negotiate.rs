//! Chooses the representation of the answer from what the client accepts.
//!
//! The first media type of the client's list that can be produced is taken. PostgREST's own, with
//! `vnd.pgrst` in their names, always can; the others are produced by a handler: one that the
//! database defines for the relation or function, one that it defines for any row, or one that is
//! built in.
//!
//! Source: RFC 9110, section 12.5.1; PostgREST's documentation, `resource_representation` and
//! `media_type_handlers`.

use super::frame::Frame;
use crate::catalog::{Catalog, MediaHandler, Routine};
use crate::error::Error;
use crate::request::media_type::{MediaType, Nulls, PlanMediaType};
use corerest_sql::QualifiedName;

/// How the rows become a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Representation<'a> {
    /// A JSON array of the rows; of a function, what it returns as JSON.
    Json(Nulls),
    /// The one row as a JSON object.
    Object(Nulls),
    /// A line for each row, after one with the names of the columns.
    Csv,
    /// A line of JSON for each row.
    JsonLines,
    /// A collection of features, which PostGIS makes.
    GeoJson,
    /// What a function or aggregate of the database makes.
    Custom(&'a MediaHandler),
    /// No body: the answer to HEAD, and to writes that are not asked for their rows.
    ///
    /// Parity: such an answer still has the Content-Type that a body would have had.
    Nothing,
}

/// What the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Negotiated<'a> {
    /// How the rows become a body.
    pub representation: Representation<'a>,
    /// What Content-Type says.
    pub media_type: MediaType,
    /// The execution plan of the query is asked for, and not its rows.
    pub plan: Option<PlanMediaType>,
    /// The rows are sent one by one, within this.
    pub frame: Option<Frame>,
}

/// What is to be represented.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The media types of `Accept`, in the client's order.
    pub accept: &'a [MediaType],
    /// The relation whose rows they are, or the function.
    pub target: &'a QualifiedName,
    /// Whether the rows are whole: only then the target's own handlers can take them.
    pub whole_rows: bool,
    /// `db-plan-enabled`
    pub plan_enabled: bool,
}

impl Negotiated<'_> {
    /// Has the rows sent one by one, if they can be, and if it is wished; lines of JSON always are.
    /// A function that returns one value has no rows.
    pub(crate) fn send_row_by_row(&mut self, routine: Option<&Routine>, is_wished: bool) {
        let has_rows = routine.is_none_or(|routine| !routine.returns_single());
        if self.plan.is_some() || !has_rows {
            return;
        }
        self.frame = match self.representation {
            Representation::JsonLines => Some(Frame::LINES),
            Representation::Json(nulls) if is_wished => Frame::of_array(nulls, routine),
            Representation::Csv if is_wished => Some(Frame::CSV),
            Representation::Json(_)
            | Representation::Csv
            | Representation::Object(_)
            | Representation::GeoJson
            | Representation::Custom(_)
            | Representation::Nothing => None,
        };
    }
}

/// Chooses.
///
/// # Errors
/// `PGRST107` if nothing can be produced that the client accepts.
pub(crate) fn negotiate<'a>(
    catalog: &'a Catalog,
    wanted: &Wanted<'_>,
) -> Result<Negotiated<'a>, Error> {
    let mut produced = wanted
        .accept
        .iter()
        .filter_map(|m| produce(catalog, wanted, m));
    produced.next().ok_or_else(|| Error::MediaTypeNotAvailable {
        accepted: wanted.accept.iter().map(MediaType::to_string).collect(),
    })
}

fn produce<'a>(
    catalog: &'a Catalog,
    wanted: &Wanted<'_>,
    media_type: &MediaType,
) -> Option<Negotiated<'a>> {
    let (representation, produced) = match media_type {
        MediaType::Plan(plan) => {
            if !wanted.plan_enabled {
                return None;
            }
            let of = produce(catalog, wanted, &plan.of)?;
            return Some(Negotiated {
                media_type: media_type.clone(),
                plan: Some((**plan).clone()),
                ..of
            });
        }
        MediaType::SingularJson(nulls) => (Representation::Object(*nulls), None),
        MediaType::ArrayNullsStripped => (Representation::Json(Nulls::Stripped), None),
        other => find_handler(catalog, wanted, other)?,
    };
    Some(Negotiated {
        representation,
        media_type: produced.unwrap_or_else(|| media_type.clone()),
        plan: None,
        frame: None,
    })
}

/// The handler for a media type, and what it produces if that is another one.
fn find_handler<'a>(
    catalog: &'a Catalog,
    wanted: &Wanted<'_>,
    media_type: &MediaType,
) -> Option<(Representation<'a>, Option<MediaType>)> {
    if !catalog.has_media_handlers() {
        return built_in(media_type);
    }
    let name = media_type.to_string().to_ascii_lowercase();
    let own = |name: &str| {
        let target = wanted.whole_rows.then_some(wanted.target)?;
        catalog.media_handler(Some(target), name)
    };
    let custom = own("*/*")
        .or_else(|| own(&name))
        .or_else(|| catalog.media_handler(None, &name));
    match custom {
        Some(handler) => {
            let produced = MediaType::parse(handler.media_type.as_bytes());
            Some((Representation::Custom(handler), Some(produced)))
        }
        None => built_in(media_type),
    }
}

fn built_in<'a>(media_type: &MediaType) -> Option<(Representation<'a>, Option<MediaType>)> {
    match media_type {
        MediaType::Any => Some((
            Representation::Json(Nulls::Kept),
            Some(MediaType::ApplicationJson),
        )),
        MediaType::ApplicationJson => Some((Representation::Json(Nulls::Kept), None)),
        MediaType::TextCsv => Some((Representation::Csv, None)),
        MediaType::JsonLines(_) => Some((Representation::JsonLines, None)),
        MediaType::GeoJson => Some((Representation::GeoJson, None)),
        _ => None,
    }
}
