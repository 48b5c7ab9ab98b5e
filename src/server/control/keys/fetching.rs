//! One fetch: from a source to its keys.
//!
//! ```text
//! jwt-jwks-uri ───────────────────────────────────────────────▶ set of keys
//! issuer ──/.well-known/openid-configuration──▶ its jwks_uri ──▶ set of keys
//! ```
//! Whoever is asked is not trusted with our time or memory: the deadline is one for everything
//! together, an answer has a greatest length, and a redirection leads to the same scheme only.
//!
//! Sources: OpenID Connect Discovery 1.0 section 4, RFC 8414 section 3, RFC 7517.

use super::schedule::fresh_for;
use crate::auth::{PublishedKeys, Source};
use crate::cli::VERSION;
use corerest_api::Json;
use corerest_config::{Config, KeysScheme, KeysUrl};
use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::http::{HeaderMap, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

/// How long everything together may take that one fetch needs.
const DEADLINE: Duration = Duration::from_secs(5);

/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// How often an answer may send us elsewhere.
const REDIRECTIONS_MAX: usize = 3;

/// The greatest head of an answer.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Fetches keys as a configuration says.
#[derive(Debug)]
pub(crate) struct Fetcher {
    /// By way of the proxy that the environment names, if it does.
    abroad: Agent,
    /// To this machine, where no proxy is needed.
    at_home: Agent,
    allows_http: bool,
}

/// What is known of the keys that came last, so that they need not come again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edition {
    url: KeysUrl,
    tag: String,
}

/// What came.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// `None` if they are as they were.
    pub(crate) keys: Option<PublishedKeys>,
    /// How to ask for others the next time.
    pub(crate) edition: Option<Edition>,
    /// For how long they are fresh, if their server says so.
    pub(crate) fresh_for: Option<Duration>,
}

/// An answer.
struct Answer {
    /// `None` if it is as it was.
    body: Option<Vec<u8>>,
    tag: Option<String>,
    fresh_for: Option<Duration>,
}

impl Fetcher {
    /// Reads the certificates that others are trusted by.
    ///
    /// # Errors
    /// A text for the operator, if those of the configuration cannot be read.
    pub(crate) fn new(config: &Config) -> Result<Fetcher, String> {
        let is_needed = !config.jwt_jwks_uri.is_empty() || !config.jwt_issuers.list().is_empty();
        let mut roots = Vec::new();
        if let Some(path) = &config.jwt_jwks_ca_file {
            roots.extend(certificates_in(path)?);
        }
        if is_needed {
            roots.extend(rustls_native_certs::load_native_certs().certs);
        }
        let roots = roots.iter().map(|it| Certificate::from_der(it).to_owned());
        let roots = RootCerts::Specific(Arc::new(roots.collect()));
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let agent = |proxy: Option<Proxy>| -> Agent {
            Agent::config_builder()
                .tls_config(tls.clone())
                .proxy(proxy)
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .max_response_header_size(HEAD_BYTES_MAX)
                .max_idle_connections(0)
                .user_agent(format!("corerest/{VERSION}"))
                .accept("application/json, application/jwk-set+json")
                .build()
                .into()
        };
        Ok(Fetcher {
            abroad: agent(Proxy::try_from_env()),
            at_home: agent(None),
            allows_http: config.jwt_jwks_allow_http,
        })
    }

    /// Fetches the keys of a source.
    ///
    /// # Errors
    /// What was wrong, in words for the operator.
    pub(crate) fn fetch(
        &self,
        source: &Source,
        known: Option<&Edition>,
    ) -> Result<Fetched, String> {
        let deadline = Instant::now() + DEADLINE;
        let url = match source {
            Source::Uri(url) => url.clone(),
            Source::Issuer {
                jwks_uri: Some(url),
                ..
            } => url.clone(),
            Source::Issuer { issuer, .. } => self.discover(issuer, deadline)?,
        };
        let known = known.filter(|known| known.url == url);
        let answer = self.get(&url, known, deadline)?;
        let keys = answer.body.map(|body| PublishedKeys::parse(&body));
        let keys = keys.transpose().map_err(|why| format!("{url}: {why}"))?;
        Ok(Fetched {
            edition: match (answer.tag, &keys) {
                (Some(tag), _) => Some(Edition { url, tag }),
                (None, Some(_)) => None,
                (None, None) => known.cloned(),
            },
            keys,
            fresh_for: answer.fresh_for,
        })
    }

    /// Where an issuer says that his keys are.
    fn discover(&self, issuer: &str, deadline: Instant) -> Result<KeysUrl, String> {
        let path = "/.well-known/openid-configuration";
        let url = format!("{}{path}", issuer.trim_end_matches('/'));
        let url = KeysUrl::parse(&url)?;
        let answer = self.get(&url, None, deadline)?;
        let document = answer.body.as_deref().and_then(Json::parse);
        let Some(Json::Object(members)) = document else {
            return Err(format!("{url}: it is not a JSON object"));
        };
        // RFC 8414 section 3.3: whoever answers for another one could give his own keys.
        match members.find("issuer").and_then(Json::text) {
            Some(said) if said == issuer => {}
            Some(said) => {
                return Err(format!(
                    "{url}: its \"issuer\" is {said:?}, which is not {issuer:?} to the byte"
                ));
            }
            None => return Err(format!("{url}: it has no \"issuer\"")),
        }
        let Some(jwks_uri) = members.find("jwks_uri").and_then(Json::text) else {
            return Err(format!("{url}: it has no \"jwks_uri\""));
        };
        let found = KeysUrl::parse(jwks_uri).and_then(|found| {
            found.check_way(self.allows_http)?;
            // A file of this machine is nothing that somebody else may choose.
            match found.scheme() {
                KeysScheme::File => Err(format!("{jwks_uri:?} is a file")),
                // Nor may he who is asked by https lead to where anybody could answer, be it on
                // this machine.
                KeysScheme::Http if url.scheme() == KeysScheme::Https && !self.allows_http => {
                    Err(format!("{jwks_uri:?} is not https, as its issuer is"))
                }
                KeysScheme::Https | KeysScheme::Http => Ok(found),
            }
        });
        found.map_err(|why| format!("{url}: its \"jwks_uri\" is not to be used: {why}"))
    }

    /// Reads what is there, unless it is still the edition that is known.
    fn get(
        &self,
        url: &KeysUrl,
        known: Option<&Edition>,
        deadline: Instant,
    ) -> Result<Answer, String> {
        url.check_way(self.allows_http)?;
        if url.scheme() == KeysScheme::File {
            return read_file(url);
        }
        let mut at = url.clone();
        for _ in 0..=REDIRECTIONS_MAX {
            let answered = self.ask(&at, known, deadline);
            match answered.map_err(|why| format!("{at}: {why}"))? {
                Asked::Answer(answer) => return Ok(answer),
                Asked::Elsewhere(location) => {
                    let next = elsewhere(&at, &location).and_then(|next| {
                        next.check_way(self.allows_http)?;
                        Ok(next)
                    });
                    at = next.map_err(|why| format!("{at}: it leads to {location:?}: {why}"))?;
                }
            }
        }
        let told = format!("it leads elsewhere, more than {REDIRECTIONS_MAX} times");
        Err(format!("{url}: {told}"))
    }

    fn ask(
        &self,
        url: &KeysUrl,
        known: Option<&Edition>,
        deadline: Instant,
    ) -> Result<Asked, String> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(too_slow());
        }
        let agent = match url.is_loopback() {
            true => &self.at_home,
            false => &self.abroad,
        };
        let mut request = agent.get(url.as_str());
        if let Some(known) = known {
            request = request.header("If-None-Match", &known.tag);
        }
        let called = request.config().timeout_global(Some(left)).build().call();
        let mut response = called.map_err(|error| plain(&error))?;
        let headers = response.headers();
        let answer = Answer {
            body: None,
            tag: header(headers, "etag").map(str::to_owned),
            fresh_for: fresh_for(header(headers, "cache-control"), header(headers, "age")),
        };
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if known.is_some() => return Ok(Asked::Answer(answer)),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                let location = header(headers, "location");
                let location = location.ok_or("it leads elsewhere, and does not say where")?;
                return Ok(Asked::Elsewhere(location.to_owned()));
            }
            other => return Err(format!("it was answered with {}", other.as_u16())),
        }
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let body = body.read_to_vec().map_err(|error| plain(&error))?;
        Ok(Asked::Answer(Answer {
            body: Some(body),
            ..answer
        }))
    }
}

/// What a server has said.
enum Asked {
    Answer(Answer),
    Elsewhere(String),
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Where a redirection leads: to the same scheme, or nowhere.
fn elsewhere(from: &KeysUrl, location: &str) -> Result<KeysUrl, String> {
    let (scheme, rest) = from.as_str().split_once("//").unwrap_or_default();
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let url = if location.contains("://") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}{location}")
    } else if location.starts_with('/') {
        format!("{scheme}//{host}{location}")
    } else {
        let path = path.split('?').next().unwrap_or_default();
        let folder = path.rfind('/').map_or("/", |end| &path[..=end]);
        format!("{scheme}//{host}{folder}{location}")
    };
    let url = KeysUrl::parse(&url)?;
    match url.scheme() == from.scheme() {
        true => Ok(url),
        false => Err("that is another scheme".to_owned()),
    }
}

/// A file, of a length that is bounded, too.
fn read_file(url: &KeysUrl) -> Result<Answer, String> {
    let failed = |error: std::io::Error| format!("{url}: {error}");
    let path = url.as_str().split_once(':').unwrap_or_default().1;
    let path = path.strip_prefix("//").unwrap_or(path);
    let path = percent_decode_str(path).decode_utf8();
    let path = path.map_err(|_| format!("{url}: its path is not UTF-8"))?;
    let is_file = std::fs::metadata(&*path).map_err(failed)?.is_file();
    if !is_file {
        // Whoever reads from a pipe waits for whoever writes.
        return Err(format!("{url}: it is not a file"));
    }
    let mut body = Vec::new();
    let file = File::open(&*path).map_err(failed)?;
    file.take(ANSWER_BYTES_MAX + 1)
        .read_to_end(&mut body)
        .map_err(failed)?;
    if body.len() as u64 > ANSWER_BYTES_MAX {
        return Err(format!("{url}: {}", too_long()));
    }
    Ok(Answer {
        body: Some(body),
        tag: None,
        fresh_for: Some(Duration::ZERO),
    })
}

fn certificates_in(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |why: String| format!("Cannot read {path} (jwt-jwks-ca-file): {why}");
    let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| failed(error.to_string()))?;
    match found.is_empty() {
        true => Err(failed("it has no certificate in PEM".to_owned())),
        false => Ok(found),
    }
}

fn plain(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => too_slow(),
        ureq::Error::BodyExceedsLimit(_) => too_long(),
        ureq::Error::HostNotFound => "there is no host of that name".to_owned(),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Rustls(error) => format!("TLS: {error}"),
        other => other.to_string(),
    }
}

fn too_slow() -> String {
    format!("it takes more than {} seconds", DEADLINE.as_secs())
}

fn too_long() -> String {
    "its answer has more than 1 MiB".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: &str, location: &str, expected: Option<&str>) {
        let from = KeysUrl::parse(from).expect("it is one");
        let found = elsewhere(&from, location).ok();
        assert_eq!(found.as_ref().map(KeysUrl::as_str), expected, "{location}");
    }

    #[test]
    fn redirections_lead_to_the_same_scheme() {
        let from = "https://a.example:1/b/c?d=/e";
        check(from, "https://b.example/x", Some("https://b.example/x"));
        check(from, "//b.example/x", Some("https://b.example/x"));
        check(from, "/x?y", Some("https://a.example:1/x?y"));
        check(from, "x", Some("https://a.example:1/b/x"));
        check("https://a.example", "x", Some("https://a.example/x"));
        check("https://a.example?a/b", "/x", Some("https://a.example/x"));
        for refused in [
            "http://a.example/",
            "file:///etc/passwd",
            "ftp://a.example/",
            "",
        ] {
            check(
                "https://a.example/a#b".trim_end_matches("#b"),
                refused,
                match refused {
                    "" => Some("https://a.example/"),
                    _ => None,
                },
            );
        }
        check("http://localhost/", "https://a.example/", None);
        check(from, "https://user@a.example/", None);
        check(from, "/x\r\nHost: b", None);
    }
}
