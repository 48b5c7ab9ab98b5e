//! The one table of connection keywords: name, environment variable, what we do with it.
//!
//! It has every keyword of libpq 18. A keyword that libpq knows and we cannot honour is refused
//! with its reason, because ignoring, say, `sslcrl` would silently weaken a deployment.
//! Invariant: `target` reads only keywords listed here as [`Support::Used`].

/// What becomes of a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Support {
    /// It is honoured.
    Used,
    /// It makes no difference to us, for the reason given in the table.
    Ignored,
    /// It is refused unless it has one of these values, which change nothing.
    RefusedExcept(&'static [&'static str]),
}

/// One keyword.
#[derive(Debug)]
pub(super) struct Keyword {
    pub(super) name: &'static str,
    pub(super) variable: Option<&'static str>,
    pub(super) support: Support,
}

const fn used(name: &'static str) -> Keyword {
    Keyword {
        name,
        variable: None,
        support: Support::Used,
    }
}

const fn used_or(name: &'static str, variable: &'static str) -> Keyword {
    Keyword {
        name,
        variable: Some(variable),
        support: Support::Used,
    }
}

const fn ignored(name: &'static str, variable: Option<&'static str>) -> Keyword {
    Keyword {
        name,
        variable,
        support: Support::Ignored,
    }
}

const fn refused(
    name: &'static str,
    variable: Option<&'static str>,
    except: &'static [&'static str],
) -> Keyword {
    Keyword {
        name,
        variable,
        support: Support::RefusedExcept(except),
    }
}

/// All of them.
#[rustfmt::skip]
pub(super) static KEYWORDS: &[Keyword] = &[
    used_or("host", "PGHOST"),
    used_or("hostaddr", "PGHOSTADDR"),
    used_or("port", "PGPORT"),
    used_or("dbname", "PGDATABASE"),
    used_or("user", "PGUSER"),
    used_or("password", "PGPASSWORD"),
    used_or("passfile", "PGPASSFILE"),
    used_or("require_auth", "PGREQUIREAUTH"),
    used_or("channel_binding", "PGCHANNELBINDING"),
    used_or("connect_timeout", "PGCONNECT_TIMEOUT"),
    used_or("options", "PGOPTIONS"),
    used_or("application_name", "PGAPPNAME"),
    used("fallback_application_name"),
    used("keepalives"),
    used("keepalives_idle"),
    used("keepalives_interval"),
    used("keepalives_count"),
    used("tcp_user_timeout"),
    used_or("sslmode", "PGSSLMODE"),
    used_or("sslnegotiation", "PGSSLNEGOTIATION"),
    used_or("sslcert", "PGSSLCERT"),
    used_or("sslkey", "PGSSLKEY"),
    used_or("sslcertmode", "PGSSLCERTMODE"),
    used_or("sslrootcert", "PGSSLROOTCERT"),
    used_or("sslsni", "PGSSLSNI"),
    used_or("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    used_or("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    used_or("target_session_attrs", "PGTARGETSESSIONATTRS"),
    used_or("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    // The session always speaks UTF-8, since responses are UTF-8.
    ignored("client_encoding", Some("PGCLIENTENCODING")),
    // TLS compression is gone from TLS 1.3 and from every library.
    ignored("sslcompression", Some("PGSSLCOMPRESSION")),
    // These choose details of GSSAPI, which is never negotiated.
    ignored("krbsrvname", Some("PGKRBSRVNAME")),
    ignored("gsslib", Some("PGGSSLIB")),
    ignored("gssdelegation", Some("PGGSSDELEGATION")),
    // libpq accepts and ignores them too.
    ignored("authtype", None),
    ignored("tty", None),
    refused("gssencmode", Some("PGGSSENCMODE"), &["disable", "prefer"]),
    refused("min_protocol_version", Some("PGMINPROTOCOLVERSION"), &["3.0"]),
    refused("max_protocol_version", Some("PGMAXPROTOCOLVERSION"), &["3.0", "3.2", "latest"]),
    refused("replication", None, &["false", "off", "no", "0"]),
    refused("requirepeer", Some("PGREQUIREPEER"), &[]),
    refused("service", Some("PGSERVICE"), &[]),
    refused("servicefile", None, &[]),
    refused("sslcrl", Some("PGSSLCRL"), &[]),
    refused("sslcrldir", Some("PGSSLCRLDIR"), &[]),
    refused("sslpassword", None, &[]),
    refused("sslkeylogfile", None, &[]),
    refused("scram_client_key", None, &[]),
    refused("scram_server_key", None, &[]),
    refused("oauth_issuer", None, &[]),
    refused("oauth_client_id", None, &[]),
    refused("oauth_client_secret", None, &[]),
    refused("oauth_scope", None, &[]),
];

/// Variables that libpq turns into settings of the session, and the settings.
pub(super) static SESSION_VARIABLES: &[(&str, &str)] = &[
    ("PGDATESTYLE", "datestyle"),
    ("PGTZ", "timezone"),
    ("PGGEQO", "geqo"),
];

/// The keyword of that name.
pub(super) fn find(name: &str) -> Option<&'static str> {
    KEYWORDS
        .iter()
        .find(|keyword| keyword.name == name)
        .map(|keyword| keyword.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_keyword_and_no_variable_is_listed_twice() {
        let mut names: Vec<&str> = KEYWORDS.iter().map(|keyword| keyword.name).collect();
        names.extend(KEYWORDS.iter().filter_map(|keyword| keyword.variable));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn keywords_are_found_by_their_exact_name() {
        assert_eq!(find("sslrootcert"), Some("sslrootcert"));
        assert_eq!(find("SSLROOTCERT"), None);
        assert_eq!(find(""), None);
    }
}
