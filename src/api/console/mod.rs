//! The console: a page for browsers, and what it consists of (`src/console`).
//!
//! ```text
//! GET /  from a client that would rather have HTML than JSON ──▶ the page
//! GET /.console/<file>                                       ──▶ a file of it
//! GET /.console/settings.json                                ──▶ what it cannot find out otherwise
//! GET /.console/privileges.json                              ──▶ what the role may do (`exchange`)
//! everything else, and everything where it is off             ──▶ as if there were no console
//! ```
//! A path of two segments is no relation, whatever that is called, and a function only behind
//! `/rpc`: these paths are nobody's. The page is the same for everybody, so it is answered before
//! anybody asks who wants it, and from memory; what it shows it asks the API for, with the token
//! of whoever sits before it.
//!
//! Invariant: nothing in the page's files comes from the database or from a request.

mod file;
mod settings;

pub use file::{ConsoleFile, console_file};

use crate::request::HttpRequest;
use crate::request::accept::{is_refused, parse_accept};
use crate::request::media_type::MediaType;
use crate::response::{Body, Header, Response};
use corerest_config::Config;
use file::PAGE;
use settings::settings;

/// What the paths of its files begin with. The page says so, too, relative to its own address.
const FOLDER: &str = "/.console/";

/// The response, if there is a console and the request is its own.
pub(crate) fn console(config: &Config, http: &HttpRequest<'_>) -> Option<Response> {
    if !matches!(http.method, "GET" | "HEAD") {
        return None;
    }
    if matches!(http.path, "" | "/") {
        // With `db-root-spec` it is a function's, which may make HTML itself.
        let is_free = config.db_root_spec.is_none();
        return (is_free && prefers_html(http)).then(|| respond(http, PAGE));
    }
    match http.path.strip_prefix(FOLDER)? {
        "settings.json" => Some(as_document(settings(config))),
        _ => console_file(http.path).map(|file| respond(http, file)),
    }
}

/// Whether the request is for what the role may do, which PostgreSQL has to be asked.
pub(crate) fn asks_for_privileges(http: &HttpRequest<'_>) -> bool {
    http.method == "GET" && http.path.strip_prefix(FOLDER) == Some("privileges.json")
}

const HTML: &str = "text/html";

/// Whether HTML comes before all that the API's description is given to.
fn prefers_html(http: &HttpRequest<'_>) -> bool {
    let Some(accept) = http.header("accept") else {
        return false;
    };
    let accepted = parse_accept(accept);
    let first = accepted.iter().find(|accepted| match accepted {
        MediaType::OpenApi(_) | MediaType::ApplicationJson | MediaType::Any => true,
        other => is_html(other),
    });
    first.is_some_and(is_html) && !is_refused(accept, HTML)
}

fn is_html(accepted: &MediaType) -> bool {
    let MediaType::Other(text) = accepted else {
        return false;
    };
    let name = text.split(';').next().unwrap_or_default();
    name.eq_ignore_ascii_case(HTML)
}

fn respond(http: &HttpRequest<'_>, file: ConsoleFile) -> Response {
    let asked = http.header("if-none-match").unwrap_or_default();
    let is_known = file.is_among(asked);
    let headers = file.headers(is_known);
    Response {
        status: if is_known { 304 } else { 200 },
        reason: None,
        headers: headers
            .map(|(name, value)| Header::new(name, value.into_owned()))
            .collect(),
        body: match is_known {
            true => Body::Absent,
            false => Body::Bytes(file.bytes.to_vec()),
        },
    }
}

/// The response with a document that is made for whoever asks, and for this time.
pub(crate) fn as_document(bytes: Vec<u8>) -> Response {
    let mut headers = vec![
        Header::new("Content-Type", "application/json; charset=utf-8"),
        Header::new("Cache-Control", "no-store"),
    ];
    headers.extend(file::SECURITY.map(|(name, value)| Header::new(name, value)));
    Response {
        status: 200,
        reason: None,
        headers,
        body: Body::Bytes(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corerest_config::Sources;

    /// What browsers ask a page with.
    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,\
                           image/webp,image/apng,*/*;q=0.8";

    fn config() -> Config {
        Config {
            server_console_enabled: true,
            ..Config::default()
        }
    }

    fn ask(config: &Config, request: &str, header: (&str, &str)) -> Option<Response> {
        let (method, path) = request.split_once(' ').unwrap();
        let headers = [(header.0, header.1.as_bytes())];
        let http = HttpRequest {
            method,
            path,
            headers: &headers,
            ..HttpRequest::default()
        };
        console(config, &http)
    }

    fn header<'a>(response: &'a Response, name: &str) -> &'a str {
        let mut headers = response.headers.iter();
        let found = headers.find(|header| header.name == name);
        std::str::from_utf8(found.unwrap().value.as_bytes()).unwrap()
    }

    #[track_caller]
    fn check(accept: &str, is_page: bool) {
        let page = ask(&config(), "GET /", ("Accept", accept));
        assert_eq!(page.is_some(), is_page, "{accept}");
    }

    #[test]
    fn who_would_rather_have_html_gets_the_page() {
        check(BROWSER, true);
        check("text/html", true);
        check("TEXT/HTML;charset=utf-8", true);
        check("text/html, application/json", true);
        check("application/json;q=0.5, text/html;q=0.6", true);
        check("application/json, text/html", false);
        check("application/openapi+json, text/html;q=0.9", false);
        check("*/*, text/html;q=0.9", false);
        check("text/html;q=0", false);
        check("text/html;q=0, */*", false);
        check("text/html;q=0.0, application/xml", false);
        check("*/*", false);
        check("text/*", false);
        check("text/csv", false);
        check("", false);
        let without = ask(&config(), "GET /", ("X", "y"));
        assert_eq!(without, None);
    }

    #[test]
    fn what_is_not_its_own_stays_the_apis() {
        for request in [
            "POST /",
            "OPTIONS /",
            "GET /films",
            "GET /.console",
            "GET /.console/",
            "GET /.console/none.js",
            "GET /.console/privileges.json",
            "GET /.console/../app.js",
            "GET /.console/app.js/x",
            "PATCH /.console/app.js",
        ] {
            let response = ask(&config(), request, ("Accept", BROWSER));
            assert_eq!(response, None, "{request}");
        }
    }

    #[test]
    fn a_function_at_the_root_stays_there() {
        let environment = [
            ("PGRST_DB_ROOT_SPEC", "root"),
            ("PGRST_SERVER_CONSOLE_ENABLED", "true"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let loaded = Config::load(Sources {
            environment: &environment,
            ..Sources::default()
        });
        let config = loaded.unwrap().config;
        assert!(config.server_console_enabled);
        assert_eq!(ask(&config, "GET /", ("Accept", BROWSER)), None);
    }

    #[test]
    fn a_file_is_sent_once() {
        let first = ask(&config(), "GET /.console/app.js", ("Accept", "*/*")).unwrap();
        assert_eq!(first.status, 200);
        let content_type = header(&first, "Content-Type");
        assert_eq!(content_type, "text/javascript; charset=utf-8");
        let tag = header(&first, "ETag");
        for known in [tag, "*", &format!("\"x\", W/{tag}")] {
            let request = "GET /.console/app.js";
            let again = ask(&config(), request, ("If-None-Match", known)).unwrap();
            assert_eq!((again.status, &again.body), (304, &Body::Absent), "{known}");
            assert_eq!(header(&again, "ETag"), tag);
        }
        for other in ["\"\"", "", &tag[1..tag.len() - 2]] {
            let request = "GET /.console/app.js";
            let again = ask(&config(), request, ("If-None-Match", other)).unwrap();
            assert_eq!(again.status, 200, "{other}");
        }
    }

    #[test]
    fn the_page_may_load_nothing_but_itself() {
        let page = ask(&config(), "GET /", ("Accept", BROWSER)).unwrap();
        let policy = header(&page, "Content-Security-Policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
        assert!(!policy.contains("unsafe"));
        assert_eq!(header(&page, "Vary"), "Accept");
        assert_eq!(header(&page, "X-Content-Type-Options"), "nosniff");
        assert_eq!(header(&page, "Referrer-Policy"), "no-referrer");
    }
}
