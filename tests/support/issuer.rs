//! An issuer of tokens with a web server of his own, who rotates his keys, and does whatever a
//! server can do wrong.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::server::unused_path;

/// How long a server waits at most that says nothing, or says it slowly.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where an issuer tells where his keys are.
pub const DISCOVERY: &str = "/.well-known/openid-configuration";

/// What a path is answered with.
#[derive(Clone, Debug)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// Whole lines, without their ends.
    pub headers: Vec<String>,
    /// The body.
    pub body: Vec<u8>,
    /// How it is said.
    pub manner: Manner,
}

/// How something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As everybody says it; with 304 if whoever asks knows the `ETag` among the headers.
    Fairly,
    /// Not at all, until there is another page.
    Never,
    /// A byte now and then.
    Slowly,
    /// Without an end, in chunks.
    Endlessly,
    /// The connection ends in the middle.
    CutOff,
}

impl Page {
    /// A document.
    pub fn json(body: impl Into<String>) -> Page {
        Page {
            status: 200,
            headers: vec!["Content-Type: application/json".to_owned()],
            body: body.into().into_bytes(),
            manner: Manner::Fairly,
        }
    }

    /// A status and no more.
    pub fn status(status: u16) -> Page {
        Page {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            manner: Manner::Fairly,
        }
    }

    /// Elsewhere.
    pub fn redirection(status: u16, location: &str) -> Page {
        Page::status(status).header(&format!("Location: {location}"))
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, line: &str) -> Page {
        self.headers.push(line.to_owned());
        self
    }

    /// Said in another way.
    #[must_use]
    pub fn said(self, manner: Manner) -> Page {
        Page { manner, ..self }
    }
}

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What was asked for.
    pub path: String,
    /// The edition that is known to whoever has asked.
    pub known: Option<String>,
    /// The status that it was answered with, if it was.
    pub status: Option<u16>,
}

#[derive(Debug, Default)]
struct Site {
    pages: Mutex<HashMap<String, Page>>,
    asked: Mutex<Vec<Asked>>,
    /// Changes with the pages: whoever says nothing looks again then.
    changed: Condvar,
    is_closed: AtomicBool,
}

/// A web server. It ends when it is dropped.
#[derive(Debug)]
pub struct Web {
    site: Arc<Site>,
    address: SocketAddr,
    url: String,
}

/// Who vouches for web servers.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// One that nobody knows yet.
    ///
    /// # Panics
    /// If there is no randomness, or no temporary folder.
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("it has no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("there is randomness");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("it signs itself");
        let file = unused_path("authority");
        std::fs::write(&file, pem(issuer.der())).expect("the temporary folder can be written");
        Authority { issuer, file }
    }

    /// Its certificate, in PEM.
    pub fn file(&self) -> &str {
        self.file.to_str().expect("we chose it")
    }

    /// A server of this name, which others know it by.
    pub fn server(&self, name: &str) -> Arc<ServerConfig> {
        let params = CertificateParams::new(vec![name.to_owned()]).expect("it is a name");
        let key = KeyPair::generate().expect("there is randomness");
        let certificate = params.signed_by(&key, &self.issuer).expect("it signs");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("the two belong together");
        Arc::new(config)
    }
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

fn pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

impl Web {
    /// A server by HTTPS, by the name `localhost`.
    pub fn secure(authority: &Authority) -> Web {
        Web::named(authority, "localhost")
    }

    /// A server by HTTPS that is reached by the name `localhost`, and says that it is this one.
    pub fn named(authority: &Authority, name: &str) -> Web {
        Web::start("https", Some(authority.server(name)))
    }

    /// A server by HTTP.
    pub fn plain() -> Web {
        Web::start("http", None)
    }

    fn start(scheme: &str, tls: Option<Arc<ServerConfig>>) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let address = listener.local_addr().expect("it has one");
        let site = Arc::new(Site::default());
        let served = Arc::clone(&site);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if served.is_closed.load(Ordering::SeqCst) {
                    return;
                }
                let (site, tls) = (Arc::clone(&served), tls.clone());
                thread::spawn(move || {
                    // Whoever hangs up has a reason.
                    let _ = serve(&site, stream, tls);
                });
            }
        });
        Web {
            site,
            address,
            url: format!("{scheme}://localhost:{}", address.port()),
        }
    }

    /// Where it is, without a path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on the path is answered with that.
    pub fn set(&self, path: &str, page: Page) {
        lock(&self.site.pages).insert(path.to_owned(), page);
        self.site.changed.notify_all();
    }

    /// What it was asked for.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.site.asked).clone()
    }

    /// How often it was asked for that.
    pub fn times_asked(&self, path: &str) -> usize {
        self.asked().iter().filter(|it| it.path == path).count()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.site.is_closed.store(true, Ordering::SeqCst);
        self.site.changed.notify_all();
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(site: &Site, stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    match tls {
        Some(tls) => {
            let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(connection, stream);
            answer(site, &mut stream)?;
            stream.conn.send_close_notify();
            stream.flush()
        }
        None => answer(site, &mut { stream }),
    }
}

fn answer(site: &Site, stream: &mut (impl Read + Write)) -> io::Result<()> {
    let (path, known) = read_head(stream)?;
    let number = site.note(&path, known.as_deref());
    let page = site.page_in_time(&path);
    let tag = page
        .headers
        .iter()
        .find_map(|line| line.strip_prefix("ETag: "));
    let is_known = tag.is_some() && tag == known.as_deref();
    let status = if is_known { 304 } else { page.status };
    lock(&site.asked)[number].status = Some(status);
    let mut head = format!("HTTP/1.1 {status} As it is\r\nConnection: close\r\n");
    for line in &page.headers {
        head.push_str(line);
        head.push_str("\r\n");
    }
    let body = if is_known { &[][..] } else { &page.body };
    match page.manner {
        Manner::Endlessly => {
            write!(stream, "{head}Transfer-Encoding: chunked\r\n\r\n")?;
            loop {
                write!(stream, "10000\r\n")?;
                stream.write_all(&[b' '; 0x10000])?;
                write!(stream, "\r\n")?;
            }
        }
        _ if is_known => write!(stream, "{head}\r\n")?,
        _ => write!(stream, "{head}Content-Length: {}\r\n\r\n", body.len())?,
    }
    match page.manner {
        Manner::Slowly => {
            for byte in body {
                stream.write_all(&[*byte])?;
                stream.flush()?;
                thread::park_timeout(Duration::from_millis(100));
            }
        }
        Manner::CutOff => stream.write_all(&body[..body.len() / 2])?,
        _ => stream.write_all(body)?,
    }
    stream.flush()
}

/// The path of a request, and its `If-None-Match`.
fn read_head(stream: &mut impl Read) -> io::Result<(String, Option<String>)> {
    let mut lines = BufReader::new(stream);
    let mut first = String::new();
    lines.read_line(&mut first)?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut known = None;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok((path, known));
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("if-none-match") {
            known = Some(value.trim().to_owned());
        }
    }
}

impl Site {
    fn note(&self, path: &str, known: Option<&str>) -> usize {
        let mut asked = lock(&self.asked);
        asked.push(Asked {
            path: path.to_owned(),
            known: known.map(str::to_owned),
            status: None,
        });
        asked.len() - 1
    }

    /// What the path is answered with, when it is to be answered at all.
    fn page_in_time(&self, path: &str) -> Page {
        let deadline = Instant::now() + PATIENCE;
        let mut pages = lock(&self.pages);
        loop {
            let page = pages.get(path).cloned().unwrap_or(Page::status(404));
            let is_closed = self.is_closed.load(Ordering::SeqCst);
            if page.manner != Manner::Never || is_closed || Instant::now() >= deadline {
                return page;
            }
            let waited = self.changed.wait_timeout(pages, PATIENCE);
            pages = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A key, and what signs with it.
#[derive(Debug)]
pub struct Signer {
    pair: EcdsaKeyPair,
    id: String,
}

impl Signer {
    /// A new key of this name.
    ///
    /// # Panics
    /// If there is no randomness.
    pub fn new(id: &str) -> Signer {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("it is random");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random);
        Signer {
            pair: pair.expect("it was just made"),
            id: id.to_owned(),
        }
    }

    /// What verifies it.
    pub fn jwk(&self) -> String {
        let point = self.pair.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..65]].map(|it| URL_SAFE_NO_PAD.encode(it));
        let id = &self.id;
        let point = format!(r#""kty":"EC","crv":"P-256","x":"{x}","y":"{y}""#);
        format!(r#"{{{point},"kid":"{id}","alg":"ES256","use":"sig"}}"#)
    }

    /// A token with these claims.
    ///
    /// # Panics
    /// If there is no randomness.
    pub fn token(&self, claims: &str) -> String {
        let head = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, self.id);
        let [head, claims] = [&head, claims].map(|it| URL_SAFE_NO_PAD.encode(it));
        let signed = format!("{head}.{claims}");
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.expect("there is randomness");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A set of keys.
pub fn key_set(signers: &[&Signer]) -> Page {
    let keys: Vec<String> = signers.iter().map(|signer| signer.jwk()).collect();
    Page::json(format!(r#"{{"keys":[{}]}}"#, keys.join(",")))
}

/// What an issuer says of himself.
pub fn discovery(issuer: &str, jwks_uri: &str) -> Page {
    Page::json(format!(
        r#"{{"issuer":"{issuer}","jwks_uri":"{jwks_uri}","response_types_supported":["code"]}}"#
    ))
}
