//! The authentication exchange, as a machine that is fed the server's demands.
//!
//! ```text
//! ──Cleartext/Md5──▶ Answered ──Ok──▶ done
//! ──Sasl──▶ Challenged ──SaslContinue──▶ Proven ──SaslFinal──▶ Answered ──Ok──▶ done
//! ──Ok──▶ done
//! ```
//! The cryptography is `postgres-protocol`'s, which also bounds the iteration count.
//! Invariant: once SCRAM has begun, nothing but the server's verified proof ends it. A man in the
//! middle who cuts it short is noticed, and what `require_auth` and `channel_binding` demand is
//! checked before a password or its hash leaves us.

use std::str::FromStr;

use corerest_wire::pg::{Authentication, Mechanisms, frontend};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};

use super::error::Cause;
use super::password::Password;

/// `channel_binding`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ChannelBindingMode {
    Disable,
    #[default]
    Prefer,
    Require,
}

impl FromStr for ChannelBindingMode {
    type Err = ();

    fn from_str(text: &str) -> Result<ChannelBindingMode, ()> {
        match text {
            "disable" => Ok(ChannelBindingMode::Disable),
            "prefer" => Ok(ChannelBindingMode::Prefer),
            "require" => Ok(ChannelBindingMode::Require),
            _ => Err(()),
        }
    }
}

/// `require_auth`: the methods we accept, as bits of `METHODS`; all by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AuthMethods {
    allowed: u8,
    /// As the user wrote it, for messages.
    text: String,
}

const METHODS: [&str; 6] = ["password", "md5", "gss", "sspi", "scram-sha-256", "none"];

impl Default for AuthMethods {
    fn default() -> AuthMethods {
        AuthMethods {
            allowed: (1 << METHODS.len()) - 1,
            text: String::new(),
        }
    }
}

impl AuthMethods {
    /// Binding to the channel exists only in SCRAM; refuse a server that wants less than that.
    pub(super) fn only_scram(mut self) -> AuthMethods {
        self.allowed &= bit("scram-sha-256").unwrap_or_default();
        self
    }

    fn check(&self, method: &str) -> Result<(), Cause> {
        // What is not in the list we could not answer anyway, and is refused elsewhere.
        if bit(method).is_none_or(|bit| self.allowed & bit != 0) {
            return Ok(());
        }
        if self.text.is_empty() {
            // Nothing but `channel_binding=require` restricts the methods then.
            return Err(match method {
                "none" => unbound(BINDING_SKIPPED),
                _ => unbound(BINDING_UNSUPPORTED),
            });
        }
        Err(Cause::Authentication(format!(
            "authentication method requirement \"{}\" failed: server requested {}",
            self.text,
            match method {
                "none" => "no authentication".to_owned(),
                method => format!("{method} authentication"),
            }
        )))
    }
}

fn bit(method: &str) -> Option<u8> {
    let at = METHODS.iter().position(|known| *known == method)?;
    Some(1 << at)
}

/// A comma-separated list of methods, all or none of them preceded by `!`.
impl FromStr for AuthMethods {
    type Err = ();

    fn from_str(text: &str) -> Result<AuthMethods, ()> {
        let items: Vec<&str> = text.split(',').map(str::trim).collect();
        let negated = items.iter().filter(|item| item.starts_with('!')).count();
        if negated != 0 && negated != items.len() {
            return Err(());
        }
        let mut named = 0;
        for item in items {
            named |= bit(item.trim_start_matches('!')).ok_or(())?;
        }
        let all = AuthMethods::default().allowed;
        Ok(AuthMethods {
            allowed: if negated == 0 { named } else { all & !named },
            text: text.to_owned(),
        })
    }
}

/// What we know of the encryption below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Plain,
    /// Encrypted; the hash of the server's certificate, if it has one for channel binding.
    Tls(Option<Vec<u8>>),
}

/// What the exchange is done with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Credentials<'a> {
    pub(super) user: &'a str,
    pub(super) password: Option<&'a Password>,
    pub(super) channel: &'a Channel,
    pub(super) channel_binding: ChannelBindingMode,
    pub(super) methods: &'a AuthMethods,
}

enum State {
    Start,
    Challenged(ScramSha256),
    Proven(ScramSha256),
    Answered,
    Done,
}

/// One exchange.
pub(super) struct Exchange<'a> {
    credentials: Credentials<'a>,
    state: State,
    bound: bool,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(credentials: Credentials<'a>) -> Exchange<'a> {
        Exchange {
            credentials,
            state: State::Start,
            bound: false,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes in a demand of the server and appends our answer, if it needs one.
    pub(super) fn on(
        &mut self,
        demand: Authentication<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Cause> {
        let state = std::mem::replace(&mut self.state, State::Done);
        self.state = match (state, demand) {
            (State::Start, Authentication::Ok) => {
                self.credentials.methods.check("none")?;
                State::Done
            }
            (State::Answered, Authentication::Ok) => State::Done,
            (State::Start, Authentication::CleartextPassword) => {
                self.credentials.methods.check("password")?;
                frontend::password(out, self.password()?.bytes())?;
                State::Answered
            }
            (State::Start, Authentication::Md5Password { salt }) => {
                self.credentials.methods.check("md5")?;
                let user = self.credentials.user.as_bytes();
                let hash = md5_hash(user, self.password()?.bytes(), salt);
                frontend::password(out, hash.as_bytes())?;
                State::Answered
            }
            (State::Start, Authentication::Sasl(mechanisms)) => {
                self.credentials.methods.check("scram-sha-256")?;
                State::Challenged(self.begin_scram(mechanisms, out)?)
            }
            (State::Challenged(mut scram), Authentication::SaslContinue(challenge)) => {
                scram
                    .update(challenge)
                    .map_err(|error| scram_cause(&error))?;
                frontend::sasl_response(out, scram.message())?;
                State::Proven(scram)
            }
            (State::Proven(mut scram), Authentication::SaslFinal(proof)) => {
                scram.finish(proof).map_err(|error| scram_cause(&error))?;
                State::Answered
            }
            (_, Authentication::Unsupported(number)) => {
                return Err(unsupported(demand.method_name(), number));
            }
            (State::Challenged(_) | State::Proven(_), Authentication::Ok) => {
                let text = "server ended SCRAM authentication without proving that it knows \
                            the password";
                return Err(Cause::Authentication(text.to_owned()));
            }
            _ => {
                let text = "unexpected authentication request from the server";
                return Err(Cause::Protocol(text.to_owned()));
            }
        };
        self.check_bound()
    }

    fn check_bound(&self) -> Result<(), Cause> {
        let required = self.credentials.channel_binding == ChannelBindingMode::Require;
        if self.is_done() && required && !self.bound {
            return Err(unbound(BINDING_SKIPPED));
        }
        Ok(())
    }

    fn password(&self) -> Result<&'a Password, Cause> {
        self.credentials.password.ok_or(Cause::PasswordMissing)
    }

    fn begin_scram(
        &mut self,
        mechanisms: Mechanisms<'_>,
        out: &mut Vec<u8>,
    ) -> Result<ScramSha256, Cause> {
        let (mechanism, binding) = self.choose_mechanism(mechanisms)?;
        self.bound = mechanism == SCRAM_SHA_256_PLUS;
        let scram = ScramSha256::new(self.password()?.bytes(), binding);
        frontend::sasl_initial_response(out, mechanism, scram.message())?;
        Ok(scram)
    }

    /// Binds to the channel if both sides can.
    ///
    /// If only we can, the server is told so ("y" in RFC 5802 §6): should a man in the middle have
    /// taken the better mechanism off the list, the server, which knows what it offered, refuses.
    fn choose_mechanism(
        &self,
        mechanisms: Mechanisms<'_>,
    ) -> Result<(&'static str, ChannelBinding), Cause> {
        let offers = |name: &str| mechanisms.into_iter().any(|offer| offer == name.as_bytes());
        let mode = self.credentials.channel_binding;
        let hash = match self.credentials.channel {
            Channel::Plain if offers(SCRAM_SHA_256_PLUS) => {
                return Err(Cause::Authentication(
                    "server offered SCRAM-SHA-256-PLUS authentication over a non-SSL connection"
                        .to_owned(),
                ));
            }
            Channel::Plain | Channel::Tls(None) => None,
            Channel::Tls(hash) if mode != ChannelBindingMode::Disable => hash.as_ref(),
            Channel::Tls(_) => None,
        };
        match hash {
            Some(hash) if offers(SCRAM_SHA_256_PLUS) => {
                let binding = ChannelBinding::tls_server_end_point(hash.clone());
                Ok((SCRAM_SHA_256_PLUS, binding))
            }
            _ if mode == ChannelBindingMode::Require => {
                Err(unbound(match self.credentials.channel {
                    Channel::Plain => BINDING_WITHOUT_TLS,
                    Channel::Tls(_) => BINDING_NOT_OFFERED,
                }))
            }
            Some(_) if offers(SCRAM_SHA_256) => Ok((SCRAM_SHA_256, ChannelBinding::unrequested())),
            None if offers(SCRAM_SHA_256) => Ok((SCRAM_SHA_256, ChannelBinding::unsupported())),
            Some(_) | None => Err(Cause::Authentication(
                "none of the server's SASL authentication mechanisms are supported".to_owned(),
            )),
        }
    }
}

const BINDING_SKIPPED: &str =
    "channel binding required, but server authenticated client without channel binding";
const BINDING_UNSUPPORTED: &str =
    "channel binding required but not supported by server's authentication request";
const BINDING_WITHOUT_TLS: &str = "channel binding required, but SSL not in use";
const BINDING_NOT_OFFERED: &str = "channel binding is required, but server did not offer an \
                                   authentication method that supports channel binding";

fn unbound(text: &str) -> Cause {
    Cause::Authentication(text.to_owned())
}

/// The texts of `postgres-protocol` speak of the messages and never contain the password.
fn scram_cause(error: &std::io::Error) -> Cause {
    Cause::Authentication(format!("SCRAM authentication failed: {error}"))
}

fn unsupported(method: &str, number: i32) -> Cause {
    Cause::Authentication(match method {
        "unknown" => format!("authentication method {number} not supported"),
        method => format!("{method} authentication is not supported"),
    })
}

#[cfg(test)]
#[path = "authenticate_tests.rs"]
pub(super) mod tests;
