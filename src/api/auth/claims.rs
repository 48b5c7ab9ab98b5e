//! The claims of a token: when and for whom they hold, and which role they give.
//!
//! The checks go in PostgREST's order, exp, nbf, iat, aud, and the first that fails is told.

use super::Identity;
use super::numeric_date::NumericDate;
use super::role::{Patterns, find_role};
use crate::error::{Error, JwtClaimsFault};
use crate::json::{Json, Members};
use corerest_config::{Config, Issuer, RoleClaimKey};
use std::sync::Arc;

/// How far the clocks of those who issue tokens may be off.
const CLOCK_SKEW_SECONDS: i64 = 30;

/// The claims of a token. Without a token there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims(Json);

impl Default for Claims {
    fn default() -> Claims {
        Claims(Json::Object(Members::default()))
    }
}

impl Claims {
    /// Reads the payload of a token.
    ///
    /// # Errors
    /// If it is no JSON object, or one that is nested too deeply.
    pub fn parse(json: &[u8]) -> Result<Claims, Error> {
        match Json::parse(json) {
            Some(object @ Json::Object(_)) => Ok(Claims(object)),
            _ => Err(Error::JwtClaims(JwtClaimsFault::Unparsable)),
        }
    }

    fn members(&self) -> &Members {
        match &self.0 {
            Json::Object(members) => members,
            _ => unreachable!("claims are made from objects only"),
        }
    }

    /// A claim that has a value; `null` is none.
    fn find(&self, name: &str) -> Option<&Json> {
        self.members()
            .find(name)
            .filter(|value| **value != Json::Null)
    }

    /// A point in time, in seconds.
    ///
    /// To PostgREST a number that is not whole, or does not fit, is 0 (`sciToInt`): a token with an
    /// nbf of next year and a half passes. Here numbers mean what they say.
    fn seconds(
        &self,
        name: &str,
        fault: JwtClaimsFault,
    ) -> Result<Option<NumericDate>, JwtClaimsFault> {
        match self.find(name) {
            None => Ok(None),
            Some(Json::Number(number)) => Ok(Some(NumericDate::of(number))),
            Some(_) => Err(fault),
        }
    }

    /// Who says that he has issued the token.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.find("iss").and_then(Json::text)
    }

    fn check(&self, audience: &Audience, now: i64) -> Result<(), JwtClaimsFault> {
        use JwtClaimsFault as Fault;
        let earliest = now.saturating_sub(CLOCK_SKEW_SECONDS);
        let latest = now.saturating_add(CLOCK_SKEW_SECONDS);
        if self
            .seconds("exp", Fault::ExpNotNumber)?
            .is_some_and(|exp| exp.floor < earliest)
        {
            return Err(Fault::Expired);
        }
        if self
            .seconds("nbf", Fault::NbfNotNumber)?
            .is_some_and(|nbf| nbf.ceiling > latest)
        {
            return Err(Fault::NotYetValid);
        }
        if self
            .seconds("iat", Fault::IatNotNumber)?
            .is_some_and(|iat| iat.ceiling > latest)
        {
            return Err(Fault::IssuedInFuture);
        }
        self.check_audience(audience)
    }

    /// Without an audience of our own, every audience is ours, but it must still be one.
    fn check_audience(&self, ours: &Audience) -> Result<(), JwtClaimsFault> {
        let fault = JwtClaimsFault::AudNotStrings;
        let for_nobody = match ours {
            Audience::Named(_) => Err(JwtClaimsFault::NotInAudience),
            Audience::Any | Audience::NamedIfAny(_) => Ok(()),
        };
        let audience = match self.find("aud") {
            None => return for_nobody,
            Some(Json::Text(single)) => vec![single.as_str()],
            Some(Json::Array(several)) if several.is_empty() => return for_nobody,
            Some(Json::Array(several)) => several
                .iter()
                .map(|one| one.text().ok_or(fault))
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(fault),
        };
        match ours {
            Audience::NamedIfAny(ours) | Audience::Named(ours)
                if !audience.contains(&ours.as_str()) =>
            {
                Err(JwtClaimsFault::NotInAudience)
            }
            _ => Ok(()),
        }
    }

    /// The claims with the effective role among them.
    fn with_role(&self, role: &str) -> String {
        let mut out = Vec::with_capacity(256);
        self.members()
            .write_with(&mut out, "role", &Json::Text(role.to_owned()));
        String::from_utf8(out).expect("JSON is written from strings")
    }
}

/// When a token expires, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The first second that is not before exp.
    expires: i64,
    /// The first second at which no request would begin with it: clocks may be off.
    refused: i64,
}

impl Expiry {
    /// When what was begun with the token at `now` has to end: when it expires, or, if it began
    /// after that, when it would not begin any more.
    pub fn end_of_what_began(self, now_unix_seconds: i64) -> i64 {
        match self.expires > now_unix_seconds {
            true => self.expires,
            false => self.refused,
        }
    }
}

/// Whom tokens must be meant for.
#[derive(Debug)]
enum Audience {
    /// Anybody.
    Any,
    /// This one, if they say whom they are meant for at all: `jwt-aud`, as in PostgREST.
    NamedIfAny(String),
    /// This one (RFC 8725 section 3.9).
    Named(String),
}

impl Audience {
    fn of(config: &Config) -> Audience {
        match config.jwt_aud.clone() {
            Some(audience) => Audience::NamedIfAny(audience),
            None => Audience::Any,
        }
    }
}

/// What a configuration says about the claims of tokens, or of those of one issuer, made ready
/// once.
#[derive(Debug)]
pub struct ClaimRules {
    audience: Audience,
    role_claim_key: RoleClaimKey,
    patterns: Patterns,
    /// Who comes without a token: always the same.
    anonymous: Result<Identity, Error>,
}

impl ClaimRules {
    /// Compiles the regular expressions of `jwt-role-claim-key`.
    #[must_use]
    pub fn new(config: &Config) -> ClaimRules {
        ClaimRules::made(config, Audience::of(config), &config.jwt_role_claim_key)
    }

    /// The rules for the tokens of an issuer, who may have some of his own.
    #[must_use]
    pub fn of_issuer(config: &Config, issuer: &Issuer) -> ClaimRules {
        let own = issuer.audience.clone().map(Audience::Named);
        let role_claim_key = issuer.role_claim_key.as_ref();
        ClaimRules::made(
            config,
            own.unwrap_or_else(|| Audience::of(config)),
            role_claim_key.unwrap_or(&config.jwt_role_claim_key),
        )
    }

    fn made(config: &Config, audience: Audience, role_claim_key: &RoleClaimKey) -> ClaimRules {
        let patterns = Patterns::of(role_claim_key);
        let anonymous = identity_of(config, role_claim_key, &patterns, &Claims::default());
        ClaimRules {
            audience,
            role_claim_key: role_claim_key.clone(),
            patterns,
            anonymous,
        }
    }

    /// Who comes without a token.
    ///
    /// # Errors
    /// If nobody may.
    pub fn anonymous(&self) -> Result<Identity, Error> {
        self.anonymous.clone()
    }

    /// Checks claims and finds out whose they are.
    ///
    /// # Errors
    /// If they are not valid now or here, or name no role and there is no anonymous one.
    pub fn identify(
        &self,
        config: &Config,
        claims: &Claims,
        now_unix_seconds: i64,
    ) -> Result<Identity, Error> {
        claims
            .check(&self.audience, now_unix_seconds)
            .map_err(Error::JwtClaims)?;
        identity_of(config, &self.role_claim_key, &self.patterns, claims)
    }
}

impl Identity {
    /// When its token expires; `None` if it does not.
    pub(crate) fn expiry(&self) -> Option<Expiry> {
        let claims = Claims::parse(self.claims.as_bytes()).ok()?;
        let exp = claims.seconds("exp", JwtClaimsFault::ExpNotNumber).ok()??;
        Some(Expiry {
            expires: exp.ceiling,
            refused: exp.floor.saturating_add(CLOCK_SKEW_SECONDS + 1),
        })
    }
}

fn identity_of(
    config: &Config,
    role_claim_key: &RoleClaimKey,
    patterns: &Patterns,
    claims: &Claims,
) -> Result<Identity, Error> {
    let role: Arc<str> = match find_role(role_claim_key, patterns, &claims.0) {
        Some(Json::Text(role)) => role.as_str().into(),
        Some(other) => {
            // Parity: whatever else the path finds, be it null, is the role as JSON.
            let mut out = Vec::new();
            other.write(&mut out);
            let json = String::from_utf8(out).expect("JSON is written from strings");
            json.into()
        }
        None => config
            .db_anon_role
            .as_deref()
            .ok_or(Error::JwtRequired)?
            .into(),
    };
    let claims = claims.with_role(&role).into();
    Ok(Identity { role, claims })
}
