//! Media types: those that have a meaning here, and all others.
//!
//! ```text
//! media type = type "/" subtype (";" key "=" (quoted | word))*
//! type       = (letter | digit | "." | "*")+          subtype: also "+" and "-"
//! key        = (letter | digit | "-")+                word: also "|"
//! ```
//!
//! The word of `version` may have dots.
//!
//! Parity: parameters end where the grammar does, the rest is not looked at; a text that is no
//! media type at all is one nobody produces.

use corerest_config::OpenApiVersion;
use std::fmt;

/// A media type of `Accept` or `Content-Type`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// `application/json`
    ApplicationJson,
    /// `application/geo+json`
    GeoJson,
    /// `text/csv`
    TextCsv,
    /// `text/plain`
    TextPlain,
    /// `text/xml`
    TextXml,
    /// `application/openapi+json`, and its version if that is one that is written here. All
    /// other versions count as none, and an error does not tell it, for PostgREST knows none.
    OpenApi(Option<OpenApiVersion>),
    /// `application/x-www-form-urlencoded`
    UrlEncoded,
    /// `application/octet-stream`
    OctetStream,
    /// `*/*`
    Any,
    /// `application/vnd.pgrst.array+json;nulls=stripped`
    ArrayNullsStripped,
    /// `application/vnd.pgrst.object+json`
    SingularJson(Nulls),
    /// `application/x-ndjson` or `application/jsonl`: a line of JSON for each row
    JsonLines(JsonLinesName),
    /// `application/vnd.pgrst.plan`
    Plan(Box<PlanMediaType>),
    /// Any other, as it was written.
    Other(String),
}

/// What happens to members that are null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nulls {
    /// They stay.
    Kept,
    /// `nulls=stripped`: they are left out.
    Stripped,
}

/// What lines of JSON are called; neither name is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JsonLinesName {
    /// `application/x-ndjson`
    NdJson,
    /// `application/jsonl`
    JsonL,
}

/// What an execution plan is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlanMediaType {
    /// The media type whose query is explained.
    pub of: MediaType,
    /// How the plan is written.
    pub format: PlanFormat,
    /// The options of EXPLAIN, in the order of [`PlanOption`].
    pub options: Vec<PlanOption>,
}

/// How a plan is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlanFormat {
    /// `+json`
    Json,
    /// `+text`
    Text,
}

/// An option of EXPLAIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlanOption {
    /// `analyze`
    Analyze,
    /// `verbose`
    Verbose,
    /// `settings`
    Settings,
    /// `buffers`
    Buffers,
    /// `wal`
    Wal,
}

impl PlanOption {
    const ALL: [PlanOption; 5] = [
        PlanOption::Analyze,
        PlanOption::Verbose,
        PlanOption::Settings,
        PlanOption::Buffers,
        PlanOption::Wal,
    ];

    /// The word in `options=`.
    pub fn as_str(self) -> &'static str {
        match self {
            PlanOption::Analyze => "analyze",
            PlanOption::Verbose => "verbose",
            PlanOption::Settings => "settings",
            PlanOption::Buffers => "buffers",
            PlanOption::Wal => "wal",
        }
    }
}

impl MediaType {
    /// Reads a value of `Accept` or `Content-Type`; bytes are Latin-1.
    pub fn parse(value: &[u8]) -> MediaType {
        let text: String = value.iter().map(|&byte| char::from(byte)).collect();
        MediaType::of_text(&text)
    }

    fn of_text(text: &str) -> MediaType {
        let Some(tokens) = Tokens::parse(text) else {
            return MediaType::Other(text.to_owned());
        };
        let name = format!("{}/{}", tokens.kind, tokens.subtype).to_lowercase();
        match name.as_str() {
            "application/json" => MediaType::ApplicationJson,
            "application/geo+json" => MediaType::GeoJson,
            "text/csv" => MediaType::TextCsv,
            "text/plain" => MediaType::TextPlain,
            "text/xml" => MediaType::TextXml,
            "application/openapi+json" => MediaType::OpenApi(openapi_version(&tokens)),
            "application/x-www-form-urlencoded" => MediaType::UrlEncoded,
            "application/octet-stream" => MediaType::OctetStream,
            "application/x-ndjson" => MediaType::JsonLines(JsonLinesName::NdJson),
            "application/jsonl" => MediaType::JsonLines(JsonLinesName::JsonL),
            "application/vnd.pgrst.plan" | "application/vnd.pgrst.plan+text" => {
                plan(&tokens, PlanFormat::Text)
            }
            "application/vnd.pgrst.plan+json" => plan(&tokens, PlanFormat::Json),
            "application/vnd.pgrst.object" | "application/vnd.pgrst.object+json" => {
                MediaType::SingularJson(nulls(&tokens))
            }
            "application/vnd.pgrst.array" | "application/vnd.pgrst.array+json" => {
                match nulls(&tokens) {
                    Nulls::Stripped => MediaType::ArrayNullsStripped,
                    Nulls::Kept => MediaType::ApplicationJson,
                }
            }
            "*/*" => MediaType::Any,
            _ => MediaType::Other(text.to_owned()),
        }
    }

    /// The version, if it is the registered type of OpenAPI 3 in a version that is written here.
    /// PostgREST does not know that type: a database may have a handler for it, so it is any
    /// other type where a relation or a function is asked for.
    pub fn oai_version(&self) -> Option<OpenApiVersion> {
        let MediaType::Other(text) = self else {
            return None;
        };
        let tokens = Tokens::parse(text)?;
        let is_oai = tokens.kind.eq_ignore_ascii_case("application")
            && tokens.subtype.eq_ignore_ascii_case("vnd.oai.openapi+json");
        is_oai.then(|| openapi_version(&tokens)).flatten()
    }

    /// The value of `Content-Type`, which tells the charset of what is known to be text.
    pub fn content_type(&self) -> String {
        match self {
            MediaType::OctetStream | MediaType::JsonLines(_) | MediaType::Other(_) => {
                self.to_string()
            }
            _ => format!("{self}; charset=utf-8"),
        }
    }
}

fn nulls(tokens: &Tokens<'_>) -> Nulls {
    match tokens.parameter("nulls") {
        Some("stripped") => Nulls::Stripped,
        _ => Nulls::Kept,
    }
}

fn openapi_version(tokens: &Tokens<'_>) -> Option<OpenApiVersion> {
    match tokens.parameter("version")? {
        "2.0" => Some(OpenApiVersion::V2),
        "3.1" => Some(OpenApiVersion::V31),
        // The third number is that of the specification's text.
        other => other.starts_with("3.1.").then_some(OpenApiVersion::V31),
    }
}

/// The recursion ends: a quoted text holds no quotes, and without them `for` holds no slash.
fn plan(tokens: &Tokens<'_>, format: PlanFormat) -> MediaType {
    let of = MediaType::of_text(tokens.parameter("for").unwrap_or("application/json"));
    let wanted: Vec<&str> = tokens
        .parameter("options")
        .unwrap_or("")
        .split('|')
        .collect();
    let options = PlanOption::ALL
        .into_iter()
        .filter(|option| wanted.contains(&option.as_str()));
    MediaType::Plan(Box::new(PlanMediaType {
        of,
        format,
        options: options.collect(),
    }))
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MediaType::ApplicationJson => "application/json",
            MediaType::GeoJson => "application/geo+json",
            MediaType::TextCsv => "text/csv",
            MediaType::TextPlain => "text/plain",
            MediaType::TextXml => "text/xml",
            MediaType::OpenApi(_) => "application/openapi+json",
            MediaType::UrlEncoded => "application/x-www-form-urlencoded",
            MediaType::OctetStream => "application/octet-stream",
            MediaType::Any => "*/*",
            MediaType::ArrayNullsStripped => "application/vnd.pgrst.array+json;nulls=stripped",
            MediaType::SingularJson(Nulls::Kept) => "application/vnd.pgrst.object+json",
            MediaType::SingularJson(Nulls::Stripped) => {
                "application/vnd.pgrst.object+json;nulls=stripped"
            }
            MediaType::JsonLines(JsonLinesName::NdJson) => "application/x-ndjson",
            MediaType::JsonLines(JsonLinesName::JsonL) => "application/jsonl",
            MediaType::Plan(plan) => return plan.fmt(f),
            MediaType::Other(text) => text,
        })
    }
}

impl fmt::Display for PlanMediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = match self.format {
            PlanFormat::Json => "json",
            PlanFormat::Text => "text",
        };
        write!(
            f,
            "application/vnd.pgrst.plan+{format}; for=\"{}\"",
            self.of
        )?;
        for (index, option) in self.options.iter().enumerate() {
            let before = if index == 0 { "; options=" } else { "|" };
            write!(f, "{before}{}", option.as_str())?;
        }
        Ok(())
    }
}

/// The parts of a media type.
struct Tokens<'a> {
    kind: &'a str,
    subtype: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Tokens<'a> {
    fn parse(text: &'a str) -> Option<Tokens<'a>> {
        let (kind, rest) = word(text, ".*")?;
        let (subtype, mut rest) = word(rest.strip_prefix('/')?, ".*+-")?;
        let mut parameters = Vec::new();
        while let Some((parameter, behind)) = parameter(rest) {
            parameters.push(parameter);
            rest = behind;
        }
        Some(Tokens {
            kind,
            subtype,
            parameters,
        })
    }

    /// The last parameter of that name.
    fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut latest_first = self.parameters.iter().rev();
        latest_first
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}

fn parameter(text: &str) -> Option<((&str, &str), &str)> {
    let text = text.trim_start().strip_prefix(';')?.trim_start();
    let (key, rest) = word(text, "-")?;
    let text = rest.trim_start().strip_prefix('=')?.trim_start();
    let quoted = text
        .strip_prefix('"')
        .and_then(|inside| inside.split_once('"'));
    let (value, rest) = match quoted {
        Some(quoted) => quoted,
        // The dot would end the others, and all that follows.
        None if key.eq_ignore_ascii_case("version") => word(text, ".")?,
        None => word(text, "|-")?,
    };
    Some(((key, value), rest))
}

/// Letters, digits and the other characters given, at least one, and what follows.
fn word<'a>(text: &'a str, others: &str) -> Option<(&'a str, &'a str)> {
    let end = text.find(|c: char| !c.is_alphanumeric() && !others.contains(c));
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    (!word.is_empty()).then_some((word, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let media_type = MediaType::parse(text.as_bytes());
        assert_eq!(media_type.to_string(), expected, "{text}");
        assert_eq!(MediaType::parse(expected.as_bytes()), media_type, "{text}");
    }

    #[test]
    fn known_media_types_are_known_in_any_case_and_with_parameters() {
        check("application/json", "application/json");
        check("APPLICATION/Json ; charset=utf-8", "application/json");
        check("application/geo+json", "application/geo+json");
        check("text/csv;x=y", "text/csv");
        check("text/plain", "text/plain");
        check("text/xml", "text/xml");
        check("application/openapi+json", "application/openapi+json");
        check(
            "application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded",
        );
        check("application/octet-stream", "application/octet-stream");
        check("*/*", "*/*");
        check(
            "Application/X-NDJSON; charset=utf-8",
            "application/x-ndjson",
        );
        check("application/jsonl", "application/jsonl");
        check("application/json/x", "application/json");
    }

    #[track_caller]
    fn check_version(text: &str, plain: Option<OpenApiVersion>, oai: Option<OpenApiVersion>) {
        let media_type = |name| MediaType::parse(format!("application/{name}{text}").as_bytes());
        assert_eq!(
            media_type("openapi+json"),
            MediaType::OpenApi(plain),
            "{text}"
        );
        assert_eq!(
            media_type("vnd.oai.openapi+json").oai_version(),
            oai,
            "{text}"
        );
        assert_eq!(media_type("json").oai_version(), None, "{text}");
    }

    #[test]
    fn openapi_has_versions() {
        let (v2, v31) = (Some(OpenApiVersion::V2), Some(OpenApiVersion::V31));
        check_version("", None, None);
        check_version(";version=3.1", v31, v31);
        check_version("; Version = \"3.1.1\"; charset=utf-8", v31, v31);
        check_version(";version=2.0", v2, v2);
        for unknown in ["3", "3.0", "3.10", "3.2", "31", "", "2"] {
            check_version(&format!(";version={unknown}"), None, None);
        }
        let text = "APPLICATION/vnd.oai.OpenAPI+json;version=3.1";
        assert_eq!(MediaType::parse(text.as_bytes()).oai_version(), v31);
        check(text, text);
    }

    #[test]
    fn nulls_can_be_stripped() {
        check(
            "application/vnd.pgrst.object",
            "application/vnd.pgrst.object+json",
        );
        check(
            "ApplicatIon/vnd.PgRsT.object+json",
            "application/vnd.pgrst.object+json",
        );
        let stripped = "application/vnd.pgrst.object+json;nulls=stripped";
        check(stripped, stripped);
        check(
            "application/vnd.pgrst.object; NULLS = \"stripped\"",
            stripped,
        );
        check(
            "application/vnd.pgrst.object;nulls=stripped;nulls=x",
            "application/vnd.pgrst.object+json",
        );
        check(
            "application/vnd.pgrst.array;nulls=stripped",
            "application/vnd.pgrst.array+json;nulls=stripped",
        );
        check("application/vnd.pgrst.array+json", "application/json");
        check(
            "application/vnd.pgrst.array+json;nulls=STRIPPED",
            "application/json",
        );
    }

    #[test]
    fn plans_say_of_what_and_how() {
        let plain = "application/vnd.pgrst.plan+text; for=\"application/json\"";
        check("application/vnd.pgrst.plan", plain);
        check("application/vnd.pgrst.plan;", plain);
        check("application/vnd.pgrst.plan+text", plain);
        check(
            "application/vnd.pgrst.plan;wat=\"application/json;text/csv\"",
            plain,
        );
        check(
            "application/vnd.pgrst.plan+json;for=\"text/csv\"",
            "application/vnd.pgrst.plan+json; for=\"text/csv\"",
        );
        check(
            "application/vnd.pgrst.plan ; for=\"text/xml\" ; options=wal|analyze|x",
            "application/vnd.pgrst.plan+text; for=\"text/xml\"; options=analyze|wal",
        );
        check(
            "application/vnd.pgrst.plan;options=settings|buffers|verbose",
            "application/vnd.pgrst.plan+text; for=\"application/json\"; \
               options=verbose|settings|buffers",
        );
    }

    #[test]
    fn all_others_are_kept_as_they_are() {
        for text in [
            "application/vnd.twkb",
            "image/png; q",
            "",
            "*",
            "/",
            "text/",
            "/json",
            "te xt/csv",
            "text /csv",
            "application/json_",
            "a/b;c=\"d",
        ] {
            if text != "application/json_" {
                assert_eq!(
                    MediaType::parse(text.as_bytes()),
                    MediaType::Other(text.to_owned())
                );
            }
        }
        check("application/json_", "application/json");
        assert_eq!(
            MediaType::parse(b"a/\xe9"),
            MediaType::Other("a/é".to_owned())
        );
    }

    #[test]
    fn content_types_tell_the_charset_of_text() {
        let content_type = |text: &str| MediaType::parse(text.as_bytes()).content_type();
        assert_eq!(
            content_type("application/json"),
            "application/json; charset=utf-8"
        );
        assert_eq!(
            content_type("application/octet-stream"),
            "application/octet-stream"
        );
        assert_eq!(content_type("image/png"), "image/png");
        assert_eq!(content_type("application/x-ndjson"), "application/x-ndjson");
    }

    #[test]
    fn plans_of_plans_end() {
        let plan = "application/vnd.pgrst.plan;for=\"application/vnd.pgrst.plan;for=a|b\"";
        let MediaType::Plan(outer) = MediaType::parse(plan.as_bytes()) else {
            panic!("no plan")
        };
        let MediaType::Plan(inner) = outer.of else {
            panic!("no plan inside")
        };
        assert_eq!(inner.of, MediaType::Other("a|b".to_owned()));
    }
}
