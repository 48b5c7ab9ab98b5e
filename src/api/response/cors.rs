//! Cross-origin resource sharing: what browsers let pages of other origins do.
//!
//! ```text
//! no Origin, or one that is not allowed ──▶ nothing is added, but Vary where not all are allowed
//! OPTIONS + Access-Control-Request-Method ──▶ preflight: answered here, without the API
//! OPTIONS without it ──▶ nothing is added; the API says what there is
//! any other method ──▶ three or four headers more, on errors, too
//! ```
//! Without an Origin header it costs one look for it.
//!
//! Source: <https://fetch.spec.whatwg.org/#http-cors-protocol>; PostgREST's documentation,
//! `references/api/cors`. Parity: the lists below, and that a preflight which is none (an unknown
//! method, header names that are none) is an OPTIONS like any other.

use super::{Body, Header, Response};
use crate::error::HeaderValue;
use crate::request::HttpRequest;
use corerest_config::Config;

const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
const ALLOW_CREDENTIALS: &str = "Access-Control-Allow-Credentials";
const ALLOW_METHODS: &str = "Access-Control-Allow-Methods";
const ALLOW_HEADERS: &str = "Access-Control-Allow-Headers";
const EXPOSE_HEADERS: &str = "Access-Control-Expose-Headers";
const MAX_AGE: &str = "Access-Control-Max-Age";

const METHODS: &str = "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD";
const ALLOWED_METHODS: HeaderValue = HeaderValue::of_constant(METHODS);
const MAX_AGE_SECONDS: HeaderValue = HeaderValue::of_constant("86400");

/// Which headers of a response pages may read.
const EXPOSED: &str = "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, \
                       Location, Server, Transfer-Encoding, Range-Unit";

/// And which else, on a line of its own, which browsers join to the other.
///
/// Parity: PostgREST has the first line only, and its tests want it as it is (CorsSpec).
const EXPOSED_BESIDES: &str = "Content-Profile, Preference-Applied, Proxy-Status, Retry-After, \
                               Server-Timing, Warning, WWW-Authenticate";

/// Headers that any page may send, so that nobody has to ask for them.
const SAFE: [&str; 3] = ["Accept", "Accept-Language", "Content-Language"];

/// Whose value the answers depend on where not all origins are allowed.
const ORIGIN: &str = "Origin";

/// What the responses to a request from another origin say about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CorsHeaders<'a> {
    origin: Option<AllowedOrigin<'a>>,
    /// Whether the response to another origin, or to none, would be another one.
    depends_on_origin: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AllowedOrigin<'a> {
    /// Every origin is.
    Any,
    /// The one that asks is, and may send its cookies and tokens.
    This(&'a [u8]),
}

impl<'a> CorsHeaders<'a> {
    /// What the response to a request has to say; `header` looks for a header of the request.
    pub fn of(
        config: &Config,
        method: &str,
        header: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> CorsHeaders<'a> {
        let origin = AllowedOrigin::of(config, header);
        CorsHeaders {
            origin: origin.filter(|_| method != "OPTIONS"),
            depends_on_origin: !config.server_cors_allowed_origins.is_empty(),
        }
    }

    /// The headers that this adds to a response, but for those that SQL has set: a browser takes
    /// two for a refusal.
    pub fn added_to(self, response: &'a Response) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let origin = self.origin;
        let all: [(&str, Option<&[u8]>); 4] = [
            (ALLOW_ORIGIN, origin.map(AllowedOrigin::value)),
            (
                ALLOW_CREDENTIALS,
                origin.and_then(AllowedOrigin::credentials),
            ),
            (EXPOSE_HEADERS, origin.map(|_| EXPOSED.as_bytes())),
            (EXPOSE_HEADERS, origin.map(|_| EXPOSED_BESIDES.as_bytes())),
        ];
        let all = all
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        all.filter(|(name, _)| {
            let mut set = response.headers.iter();
            !set.any(|header| header.name.eq_ignore_ascii_case(name))
        })
    }

    /// The value of `Vary` that a response has then, in place of its own, if that is another one:
    /// a cache would give what is said to some origins to others, or to those of none.
    pub fn vary(self, response: &Response) -> Option<Vec<u8>> {
        if !self.depends_on_origin {
            return None;
        }
        let mut headers = response.headers.iter();
        let own = headers.find(|header| is_vary(&header.name));
        let own = own.map(|header| header.value.as_bytes());
        let mut names = own.unwrap_or_default().split(|&byte| byte == b',');
        let is_enough = |name: &[u8]| name == b"*" || name.eq_ignore_ascii_case(ORIGIN.as_bytes());
        if names.any(|name| is_enough(name.trim_ascii())) {
            return None;
        }
        let all: Vec<&[u8]> = own.into_iter().chain([ORIGIN.as_bytes()]).collect();
        Some(all.join(&b", "[..]))
    }
}

/// Whether this is the name of the header which says what a response depends on.
pub fn is_vary(name: &str) -> bool {
    name.eq_ignore_ascii_case("Vary")
}

/// The answer to a preflight, if the request is one. Whoever asks need not say who he is.
pub(crate) fn preflight(config: &Config, http: &HttpRequest<'_>) -> Option<Response> {
    if http.method != "OPTIONS" {
        return None;
    }
    let origin = AllowedOrigin::of(config, |name| http.header(name))?;
    let method = http.header("access-control-request-method")?;
    METHODS
        .split(", ")
        .find(|known| known.as_bytes() == method)?;
    let mut headers = vec![Header::new(ALLOW_ORIGIN, origin.value())];
    headers.extend(
        origin
            .credentials()
            .map(|value| Header::new(ALLOW_CREDENTIALS, value)),
    );
    headers.push(Header::constant(ALLOW_METHODS, ALLOWED_METHODS));
    if let Some(wanted) = http.header("access-control-request-headers") {
        let allowed = allowed_headers(wanted)?;
        headers.push(Header::new(ALLOW_HEADERS, allowed));
    }
    headers.push(Header::constant(MAX_AGE, MAX_AGE_SECONDS));
    Some(Response {
        status: 200,
        reason: None,
        headers,
        body: Body::Bytes(Vec::new()),
    })
}

impl<'a> AllowedOrigin<'a> {
    /// The origin of the request, if it has one that is allowed.
    ///
    /// Parity: a request to change to WebSocket is not subject to this.
    fn of(config: &Config, header: impl Fn(&str) -> Option<&'a [u8]>) -> Option<AllowedOrigin<'a>> {
        let origin = header("origin")?;
        let upgrade = header("upgrade");
        if upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket")) {
            return None;
        }
        let allowed = &config.server_cors_allowed_origins;
        if allowed.is_empty() {
            return Some(AllowedOrigin::Any);
        }
        let mut allowed = allowed.iter();
        allowed
            .any(|allowed| allowed.as_bytes() == origin)
            .then_some(AllowedOrigin::This(origin))
    }

    fn value(self) -> &'a [u8] {
        match self {
            AllowedOrigin::Any => b"*",
            AllowedOrigin::This(origin) => origin,
        }
    }

    fn credentials(self) -> Option<&'a [u8]> {
        match self {
            AllowedOrigin::Any => None,
            AllowedOrigin::This(_) => Some(b"true"),
        }
    }
}

/// All that are wanted are allowed, and those that need not be asked for. `None` if the list has
/// something else in it than names of headers.
fn allowed_headers(wanted: &[u8]) -> Option<String> {
    let wanted = std::str::from_utf8(wanted).ok()?;
    let wanted: Vec<&str> = match wanted {
        "" => Vec::new(),
        list => list.split(',').map(str::trim_ascii).collect(),
    };
    let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !wanted.iter().all(|name| name.bytes().all(is_name_byte)) {
        return None;
    }
    let is_wanted = |safe: &str| wanted.iter().any(|name| name.eq_ignore_ascii_case(safe));
    let safe = SAFE.into_iter().filter(|safe| !is_wanted(safe));
    let all: Vec<&str> = ["Authorization"]
        .into_iter()
        .chain(wanted.iter().copied())
        .chain(safe)
        .collect();
    Some(all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: (&str, &[u8]) = (super::ORIGIN, b"http://example.com");
    const POST: (&str, &[u8]) = ("Access-Control-Request-Method", b"POST");

    fn config(origins: &[&str]) -> Config {
        Config {
            server_cors_allowed_origins: origins.iter().map(|&o| o.to_owned()).collect(),
            ..Config::default()
        }
    }

    fn request<'a>(method: &'a str, headers: &'a [(&'a str, &'a [u8])]) -> HttpRequest<'a> {
        HttpRequest {
            method,
            path: "/items",
            headers,
            ..HttpRequest::default()
        }
    }

    fn response(headers: Vec<Header>) -> Response {
        Response {
            status: 404,
            reason: None,
            headers,
            body: Body::Absent,
        }
    }

    /// The headers that are added, as lines.
    fn added(origins: &[&str], http: &HttpRequest<'_>, response: &Response) -> Vec<String> {
        let config = config(origins);
        let cors = CorsHeaders::of(&config, http.method, |name| http.header(name));
        let added = cors.added_to(response);
        let line = |(name, value)| format!("{name}: {}", String::from_utf8_lossy(value));
        added.map(line).collect()
    }

    #[track_caller]
    fn check_headers(origins: &[&str], method: &str, headers: &[(&str, &[u8])], expected: &[&str]) {
        let added = added(origins, &request(method, headers), &response(Vec::new()));
        let short = added
            .iter()
            .map(|line| line.trim_start_matches("Access-Control-"));
        assert_eq!(short.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn responses_tell_other_origins_what_they_may_read() {
        let any = "Allow-Origin: *";
        let this = "Allow-Origin: http://example.com";
        let credentials = "Allow-Credentials: true";
        let exposed = format!("Expose-Headers: {EXPOSED}");
        let besides = format!("Expose-Headers: {EXPOSED_BESIDES}");
        let two = ["http://a.test", "http://example.com"];
        for method in ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "PURGE"] {
            check_headers(&[], method, &[ORIGIN], &[any, &exposed, &besides]);
            let expected = [this, credentials, &exposed, &besides];
            check_headers(&two, method, &[ORIGIN], &expected);
        }
    }

    #[test]
    fn nothing_is_said_to_others() {
        check_headers(&[], "GET", &[], &[]);
        check_headers(&[], "OPTIONS", &[ORIGIN], &[]);
        check_headers(&["http://example.com:80"], "GET", &[ORIGIN], &[]);
        for origin in [&b"null"[..], b"HTTP://EXAMPLE.COM"] {
            check_headers(&["http://example.com"], "GET", &[("Origin", origin)], &[]);
        }
        check_headers(&[], "GET", &[ORIGIN, ("Upgrade", b"WebSocket")], &[]);
    }

    #[track_caller]
    fn check_vary(origins: &[&str], own: Option<&str>, expected: Option<&str>) {
        let config = config(origins);
        let own = own.map(|value| Header::new("vary", value));
        let response = response(own.into_iter().collect());
        for (method, headers) in [
            ("GET", &[][..]),
            ("POST", &[ORIGIN]),
            ("OPTIONS", &[ORIGIN]),
        ] {
            let http = request(method, headers);
            let cors = CorsHeaders::of(&config, method, |name| http.header(name));
            let vary = cors
                .vary(&response)
                .map(|vary| String::from_utf8(vary).unwrap());
            assert_eq!(vary.as_deref(), expected, "{method}");
        }
    }

    #[test]
    fn what_is_said_to_some_origins_varies_for_all() {
        let some = &["http://a.test"];
        check_vary(&[], None, None);
        check_vary(&[], Some("Accept"), None);
        check_vary(some, None, Some("Origin"));
        check_vary(some, Some("Accept, Range"), Some("Accept, Range, Origin"));
        check_vary(some, Some("X-Origin"), Some("X-Origin, Origin"));
        check_vary(some, Some("Accept,origin"), None);
        check_vary(some, Some("*"), None);
    }

    #[test]
    fn a_header_of_sql_stands_alone() {
        let theirs = Header::new("access-control-allow-origin", "http://b.test");
        let added = added(&[], &request("GET", &[ORIGIN]), &response(vec![theirs]));
        let line = |exposed| format!("Access-Control-Expose-Headers: {exposed}");
        assert_eq!(added, [EXPOSED, EXPOSED_BESIDES].map(line));
    }

    /// The headers of the answer, or `-`.
    fn answer(origins: &[&str], method: &str, headers: &[(&str, &[u8])]) -> String {
        let Some(response) = preflight(&config(origins), &request(method, headers)) else {
            return "-".to_owned();
        };
        assert_eq!(
            (response.status, response.body),
            (200, Body::Bytes(Vec::new()))
        );
        let lines = response.headers.iter().map(|header| {
            let name = header.name.strip_prefix("Access-Control-").unwrap();
            format!(
                "{name}: {}",
                String::from_utf8_lossy(header.value.as_bytes())
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn preflights_are_answered() {
        let headers = ("Access-Control-Request-Headers", &b"Foo,Bar"[..]);
        let methods = "Allow-Methods: GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD";
        assert_eq!(
            answer(&[], "OPTIONS", &[ORIGIN, POST, headers]),
            format!(
                "Allow-Origin: *\n{methods}\nAllow-Headers: Authorization, Foo, Bar, Accept, \
                 Accept-Language, Content-Language\nMax-Age: 86400"
            )
        );
        assert_eq!(
            answer(&["http://example.com"], "OPTIONS", &[ORIGIN, POST]),
            format!(
                "Allow-Origin: http://example.com\nAllow-Credentials: true\n{methods}\n\
                 Max-Age: 86400"
            )
        );
    }

    #[test]
    fn other_requests_are_no_preflights() {
        assert_eq!(answer(&[], "GET", &[ORIGIN, POST]), "-");
        assert_eq!(answer(&[], "OPTIONS", &[POST]), "-");
        assert_eq!(answer(&[], "OPTIONS", &[ORIGIN]), "-");
        assert_eq!(answer(&["http://a.test"], "OPTIONS", &[ORIGIN, POST]), "-");
        for method in [&b"PURGE"[..], b"post", b"", b"GET, POST"] {
            let method = ("Access-Control-Request-Method", method);
            assert_eq!(answer(&[], "OPTIONS", &[ORIGIN, method]), "-");
        }
        let headers = ("Access-Control-Request-Headers", &b"a\r\nb"[..]);
        assert_eq!(answer(&[], "OPTIONS", &[ORIGIN, POST, headers]), "-");
    }

    #[track_caller]
    fn check_allowed(wanted: &str, expected: Option<&str>) {
        let allowed = allowed_headers(wanted.as_bytes());
        assert_eq!(allowed.as_deref(), expected, "{wanted}");
    }

    #[test]
    fn wanted_headers_are_allowed_beside_the_safe_ones() {
        check_allowed(
            "",
            Some("Authorization, Accept, Accept-Language, Content-Language"),
        );
        check_allowed(
            "content-type, x-a",
            Some("Authorization, content-type, x-a, Accept, Accept-Language, Content-Language"),
        );
        check_allowed(
            "accept,Content-Language",
            Some("Authorization, accept, Content-Language, Accept-Language"),
        );
        check_allowed("a b", None);
        check_allowed("a:b", None);
        check_allowed("é", None);
    }
}
