//! Opening a session: which hosts, which encryption, and the story of one attempt.
//!
//! One attempt is: connect, agree on TLS, send the startup message, authenticate, read on to
//! ReadyForQuery, check the session's attributes. What follows a failure is libpq's rule:
//! a server that cannot be reached hands over to the next address and host, one that refuses the
//! login ends the search; `allow` and `prefer` try the other kind of encryption first.
//! Invariant: every attempt ends at its deadline.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use corerest_sql::names_its_schemas;
use corerest_wire::pg::{BackendKey, Message, ServerError, frontend};

use super::address::{Address, Endpoint};
use super::attributes::{SessionFacts, TargetSessionAttributes};
use super::authenticate::{Channel, Credentials, Exchange};
use super::error::{Attempt, Cause, ConnectError};
use super::handshake::Handshake;
use super::password::Password;
use super::password_file::{self, Wanted};
use super::session::{ServerIdentity, ServerParameters, Session};
use super::socket::{Socket, resolve};
use super::stream::Stream;
use super::target::{DEFAULT_SOCKET_DIRECTORY, HostOrder, Target};
use super::tls::{self, TlsMode, TlsNegotiation};

/// How long a server may take that has let us in to say who it is.
const IDENTITY_MAX: Duration = Duration::from_secs(3);

/// How often the same address is tried when it says nothing to that.
const ATTEMPTS_MAX: usize = 3;

/// How to open sessions, apart from what the user decides.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// How long one attempt may take if the user sets no `connect_timeout`.
    ///
    /// libpq waits for ever then; a server that has to answer its own clients cannot.
    pub attempt_timeout: Duration,
    /// Whether the server is asked who it is ([`Session::server`]): one round trip more.
    pub asks_identity: bool,
    /// The oldest timeline that a primary may be on: one whose time is over is passed over, like a
    /// server of the wrong kind. 0 is any, and asks nothing.
    pub timeline_min: u32,
}

impl OpenOptions {
    /// How long one attempt may take, and so may looking up the name of a host.
    pub(super) fn timeout(&self, target: &Target) -> Duration {
        target.connect_timeout.unwrap_or(self.attempt_timeout)
    }
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions {
            attempt_timeout: Duration::from_secs(30),
            asks_identity: false,
            timeline_min: 0,
        }
    }
}

/// Opens a session with the first server that will do.
pub fn open(target: &Target, options: &OpenOptions) -> Result<Session, ConnectError> {
    let mut failed = Vec::new();
    for &demand in target.session_attributes.passes() {
        for endpoint in shuffled(target, &target.endpoints) {
            let deadline = Instant::now() + options.timeout(target);
            let addresses = match resolve(endpoint, deadline) {
                Ok(addresses) => addresses,
                Err(cause) => {
                    failed.push(Attempt::new(None, cause));
                    continue;
                }
            };
            for address in shuffled(target, &addresses) {
                let place = Destination {
                    target,
                    options,
                    endpoint,
                    address,
                    demand,
                };
                match place.open(&mut failed) {
                    Ok(session) => return Ok(session),
                    Err(Next::Address) => {}
                    Err(Next::Nothing) => return Err(ConnectError::Failed(failed)),
                }
            }
        }
    }
    Err(ConnectError::Failed(failed))
}

/// What to do after all attempts at one address failed.
enum Next {
    Address,
    Nothing,
}

/// How far an attempt came.
#[derive(Clone, Debug, Default)]
struct Progress {
    encrypted: bool,
    authenticated: bool,
    ready: bool,
    warning: Option<String>,
}

/// One address and what is wanted of it.
struct Destination<'a> {
    target: &'a Target,
    options: &'a OpenOptions,
    endpoint: &'a Endpoint,
    address: &'a Address,
    demand: TargetSessionAttributes,
}

/// Whether an attempt uses TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encryption {
    None,
    /// If the server has it; on the same connection without it otherwise.
    IfOffered,
    Demanded,
}

impl Encryption {
    /// What to try, one after the other. On a Unix socket there is no TLS, as in libpq.
    fn order(mode: TlsMode, address: &Address) -> &'static [Encryption] {
        match (address, mode) {
            (Address::Unix { .. }, _) | (_, TlsMode::Disable) => &[Encryption::None],
            (_, TlsMode::Allow) => &[Encryption::None, Encryption::Demanded],
            (_, TlsMode::Prefer) => &[Encryption::IfOffered, Encryption::None],
            (_, TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull) => {
                &[Encryption::Demanded]
            }
        }
    }
}

impl Destination<'_> {
    fn open(&self, failed: &mut Vec<Attempt>) -> Result<Session, Next> {
        let mut next = Next::Address;
        for &encryption in Encryption::order(self.target.tls.mode, self.address) {
            let mut progress = Progress::default();
            let mut attempts = 1;
            let cause = loop {
                match self.attempt(encryption, &mut progress) {
                    Ok(session) => return Ok(session),
                    // This connection has gone silent, and the next one may be well.
                    Err(Cause::TimedOut) if progress.ready && attempts < ATTEMPTS_MAX => {
                        attempts += 1;
                        progress = Progress::default();
                    }
                    Err(cause) => break cause,
                }
            };
            next = if cause.allows_next_host() {
                Next::Address
            } else {
                Next::Nothing
            };
            // Only a login that encryption can make a difference to is tried the other way.
            let worth_another = match (&cause, encryption) {
                (Cause::Tls(_), Encryption::IfOffered) => true,
                (Cause::Server(_), Encryption::IfOffered) => {
                    progress.encrypted && !progress.authenticated
                }
                (Cause::Server(_), Encryption::None) => !progress.authenticated,
                _ => false,
            };
            failed.push(Attempt {
                address: Some(self.address.clone()),
                cause,
                warning: progress.warning,
            });
            if !worth_another {
                break;
            }
        }
        Err(next)
    }

    fn attempt(&self, encryption: Encryption, progress: &mut Progress) -> Result<Session, Cause> {
        let deadline = Instant::now() + self.options.timeout(self.target);
        let socket = Socket::connect(self.address, &self.target.keepalive, deadline)?;
        let local_port = socket.local_port();
        let (stream, channel) = secure(
            self.target,
            socket,
            encryption,
            &self.endpoint.name,
            self.address,
        )?;
        progress.encrypted = stream.is_encrypted();
        let (password, warning) = self.password();
        progress.warning = warning;
        let mut handshake = Handshake::new(stream);
        let mut startup = Vec::new();
        let names = [
            ("user", self.target.user()),
            ("database", self.target.database()),
        ];
        let settings = names.into_iter().chain(self.target.startup_settings());
        frontend::startup(&mut startup, settings)?;
        handshake.send(&startup)?;
        self.authenticate(&mut handshake, &channel, password.as_ref())?;
        progress.authenticated = true;
        let (key, parameters) = read_until_ready(&mut handshake)?;
        check_attributes(&mut handshake, self.demand, &parameters)?;
        if self.options.timeline_min > 0 {
            check_timeline(&mut handshake, self.options.timeline_min)?;
        }
        progress.ready = true;
        let told = match self.options.asks_identity {
            true => {
                handshake.set_deadline(deadline.min(Instant::now() + IDENTITY_MAX));
                ask_identity(&mut handshake)?
            }
            false => None,
        };
        let (identity, seen) = told.unzip();
        let mut stream = handshake.finish()?;
        stream.set_deadline(None);
        let sees_us = seen.is_some_and(|seen| seen.is_of(local_port, self.address));
        Ok(Session {
            stream,
            sees_us,
            key,
            parameters,
            address: self.address.clone(),
            warnings: progress.warning.take().into_iter().collect(),
            host: self.endpoint.name.clone(),
            identity,
        })
    }

    /// The password for this host: the given one, else the one of the password file.
    fn password(&self) -> (Option<Password>, Option<String>) {
        let target = self.target;
        match (&target.password, &target.password_file) {
            (Some(password), _) => (Some(password.clone()), None),
            (None, None) => (None, None),
            (None, Some(path)) => {
                let host = self.endpoint.password_file_host(DEFAULT_SOCKET_DIRECTORY);
                let wanted = Wanted {
                    host: &host,
                    port: self.endpoint.port,
                    database: target.database(),
                    user: target.user(),
                };
                let found = password_file::load(path, wanted);
                (found.password, found.warning)
            }
        }
    }

    fn authenticate(
        &self,
        handshake: &mut Handshake,
        channel: &Channel,
        password: Option<&Password>,
    ) -> Result<(), Cause> {
        let mut exchange = Exchange::new(Credentials {
            user: self.target.user(),
            password,
            channel,
            channel_binding: self.target.channel_binding,
            methods: &self.target.auth_methods,
        });
        let mut out = Vec::new();
        while !exchange.is_done() {
            match handshake.receive()? {
                Message::Authentication(demand) => exchange.on(demand, &mut out)?,
                Message::ErrorResponse(error) => {
                    return Err(Cause::Server(error.to_server_error()));
                }
                // Poolers send it for `options` they do not know; the session works without.
                Message::NegotiateProtocolVersion { .. } | Message::NoticeResponse(_) => {}
                _ => return Err(unexpected()),
            }
            handshake.send(&out)?;
            out.clear();
        }
        Ok(())
    }
}

/// Agrees on TLS, or on none.
fn secure(
    target: &Target,
    mut socket: Socket,
    encryption: Encryption,
    host: &str,
    address: &Address,
) -> Result<(Stream, Channel), Cause> {
    let direct = target.tls.negotiation == TlsNegotiation::Direct;
    match encryption {
        Encryption::None => return Ok((Stream::plain(socket), Channel::Plain)),
        Encryption::Demanded if direct => {}
        Encryption::IfOffered | Encryption::Demanded => {
            if !ask_for_tls(&mut socket)? {
                if encryption == Encryption::Demanded {
                    let text = "server does not support SSL, but SSL was required";
                    return Err(Cause::Tls(text.to_owned()));
                }
                return Ok((Stream::plain(socket), Channel::Plain));
            }
        }
    }
    let secured = tls::handshake(socket, &target.tls, host, address)?;
    Ok((secured.stream, Channel::Tls(secured.end_point_hash)))
}

/// Like [`secure`], for a second connection to a server of which we know what it speaks.
pub(super) fn secure_again(
    target: &Target,
    socket: Socket,
    encrypted: bool,
    host: &str,
    address: &Address,
) -> Result<Stream, Cause> {
    let encryption = if encrypted {
        Encryption::Demanded
    } else {
        Encryption::None
    };
    let (stream, _) = secure(target, socket, encryption, host, address)?;
    Ok(stream)
}

/// Sends SSLRequest and reads exactly the one byte of the answer.
///
/// Reading more would let a man in the middle put plain bytes before the handshake that would
/// later pass as the server's (CVE-2021-23222). An error message in place of the byte is not
/// shown, since it did not come over a trusted channel (CVE-2024-10977).
fn ask_for_tls(socket: &mut Socket) -> Result<bool, Cause> {
    let mut request = Vec::new();
    frontend::ssl_request(&mut request);
    socket
        .write_all(&request)
        .map_err(|error| Cause::of_io(&error))?;
    let mut answer = [0_u8; 1];
    socket
        .read_exact(&mut answer)
        .map_err(|error| Cause::of_io(&error))?;
    match answer[0] {
        b'S' => Ok(true),
        b'N' => Ok(false),
        b'E' => Err(Cause::Tls(
            "server sent an error response during SSL exchange".to_owned(),
        )),
        other => Err(Cause::Protocol(format!(
            "received invalid response to SSL negotiation: 0x{other:02x}"
        ))),
    }
}

/// Reads what follows authentication.
fn read_until_ready(
    handshake: &mut Handshake,
) -> Result<(Option<BackendKey>, ServerParameters), Cause> {
    let mut key = None;
    let mut parameters = ServerParameters::default();
    // A server reports about twenty settings; one that never gets ready is not one.
    for _ in 0..STARTUP_MESSAGES_MAX {
        match handshake.receive()? {
            Message::BackendKeyData(found) => key = Some(found),
            Message::ParameterStatus { name, value } => parameters.set(name, value),
            Message::NoticeResponse(_) | Message::NegotiateProtocolVersion { .. } => {}
            Message::ErrorResponse(error) => return Err(Cause::Server(error.to_server_error())),
            Message::ReadyForQuery(_) => return Ok((key, parameters)),
            _ => return Err(unexpected()),
        }
    }
    Err(unexpected())
}

const STARTUP_MESSAGES_MAX: usize = 1000;

fn check_attributes(
    handshake: &mut Handshake,
    demand: TargetSessionAttributes,
    parameters: &ServerParameters,
) -> Result<(), Cause> {
    if matches!(
        demand,
        TargetSessionAttributes::Any | TargetSessionAttributes::PreferStandby
    ) {
        return Ok(());
    }
    let reported = (
        parameters.default_transaction_read_only(),
        parameters.in_hot_standby(),
    );
    let facts = match reported {
        (Some(read_only), Some(standby)) => SessionFacts { read_only, standby },
        _ => ask_for_facts(handshake)?,
    };
    demand.check(facts).map_err(Cause::SessionAttributes)
}

/// What [`SessionFacts`] are made of.
pub(crate) const FACTS: &str = "SELECT pg_catalog.current_setting('transaction_read_only'), \
     pg_catalog.pg_is_in_recovery()";

const IDENTITY: &str = "SELECT pg_catalog.pg_backend_pid(), \
     pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()), \
     pg_catalog.inet_client_port(), pg_catalog.current_setting('port')";

/// The name of a file of the log begins with its timeline.
const TIMELINE: &str = "SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), \
     NULL";

// They are parsed with the search path of the login role.
const _: () = assert!(names_its_schemas(FACTS) && names_its_schemas(IDENTITY));
const _: () = assert!(names_its_schemas(TIMELINE));

/// For servers before 14, and poolers: asks what they do not report.
fn ask_for_facts(handshake: &mut Handshake) -> Result<SessionFacts, Cause> {
    let [read_only, standby] = ask(handshake, FACTS)?.map_err(Cause::Server)?;
    Ok(SessionFacts {
        read_only: read_only.as_deref() == Some("on"),
        standby: standby.as_deref() == Some("t"),
    })
}

/// A server that cannot tell is a standby, and not concerned.
fn check_timeline(handshake: &mut Handshake, at_least: u32) -> Result<(), Cause> {
    let Ok([Some(file), _]) = ask(handshake, TIMELINE)? else {
        return Ok(());
    };
    let timeline = file.get(..8).map(|digits| u32::from_str_radix(digits, 16));
    match timeline {
        Some(Ok(timeline)) if timeline < at_least => {
            Err(Cause::SessionAttributes("server is on an older timeline"))
        }
        _ => Ok(()),
    }
}

/// What the server sees of a connection.
struct Seen {
    /// The port at its other end, if it has one there.
    client_port: Option<u16>,
    /// Its own, which names its Unix sockets.
    port: String,
}

impl Seen {
    /// Whether that can be this connection.
    fn is_of(&self, local_port: Option<u16>, address: &Address) -> bool {
        match address {
            Address::Tcp { .. } => local_port.is_some() && local_port == self.client_port,
            Address::Unix { path } => {
                let name = path.to_string_lossy();
                let port = name.rsplit_once('.').map(|(_, port)| port);
                self.client_port.is_none() && port == Some(&self.port)
            }
        }
    }
}

/// Asks who the server is, and what it sees of us; one that does not know is none that can be told
/// from another.
fn ask_identity(handshake: &mut Handshake) -> Result<Option<(ServerIdentity, Seen)>, Cause> {
    let answer = ask(handshake, IDENTITY)?;
    let Ok([Some(process_id), Some(started), client_port, Some(port)]) = answer else {
        return Ok(None);
    };
    let identity = process_id.parse().ok().map(|process_id| ServerIdentity {
        process_id,
        started,
    });
    let client_port = client_port.and_then(|port| port.parse().ok());
    Ok(identity.map(|identity| (identity, Seen { client_port, port })))
}

/// The columns of the one row that a query gives, or what is wrong with it.
fn ask<const COLUMNS: usize>(
    handshake: &mut Handshake,
    query: &str,
) -> Result<Result<[Option<String>; COLUMNS], ServerError>, Cause> {
    let mut out = Vec::new();
    frontend::query(&mut out, query)?;
    handshake.send(&out)?;
    let mut answer = None;
    for _ in 0..STARTUP_MESSAGES_MAX {
        match handshake.receive()? {
            Message::DataRow(row) => {
                let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
                let columns = row.columns().map(|value| value.map(text));
                let columns: Vec<_> = columns.take(COLUMNS).collect();
                answer = columns.try_into().ok().map(Ok);
            }
            Message::ErrorResponse(error) if error.to_server_error().ends_session() => {
                return Err(Cause::Server(error.to_server_error()));
            }
            Message::ErrorResponse(error) => answer = Some(Err(error.to_server_error())),
            Message::ReadyForQuery(_) => return answer.ok_or_else(unexpected),
            Message::RowDescription(_)
            | Message::CommandComplete(_)
            | Message::NoticeResponse(_)
            | Message::ParameterStatus { .. } => {}
            _ => return Err(unexpected()),
        }
    }
    Err(unexpected())
}

fn unexpected() -> Cause {
    Cause::Protocol("unexpected message from the server during startup".to_owned())
}

/// The items in the order to try them.
fn shuffled<'i, I>(target: &Target, items: &'i [I]) -> Vec<&'i I> {
    let mut order: Vec<&I> = items.iter().collect();
    if target.host_order == HostOrder::Random {
        // Spreading load needs no cryptography; the standard library's hash keys are random.
        order.sort_by_cached_key(|item| {
            let mut hasher = RandomState::new().build_hasher();
            hasher.write_usize(std::ptr::from_ref(*item).addr());
            hasher.finish()
        });
    }
    order
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
