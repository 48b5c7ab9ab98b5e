//! The settings statement: who asks, and what was asked, as PostgreSQL settings.
//!
//! Source: PostgREST's documentation, `references/transactions` ("Transaction-Scoped Settings");
//! the order is that of FEATURES.md §1.11: the search path and role settings come before the role,
//! so that a right to set a parameter is needed by the login role only.

use crate::auth::Identity;
use crate::json::write_json_string;
use crate::request::HttpRequest;
use corerest_config::Config;
use corerest_sql::{ConstSql, Guise, Ident, SqlBuf, SqlText, Statement, sql, sql_text};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::LazyLock;

/// Whether a transaction may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessMode {
    /// Writes fail with 25006.
    ReadOnly,
    /// Writes are allowed.
    ReadWrite,
}

/// Whether SQL may have something to say about the response, through `response.headers` and
/// `response.status`, or may read what is said there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overrides {
    /// Some of the database's own code may run.
    Possible,
    /// None runs. What an earlier request has left there is neither seen nor shown, so both stay
    /// as they are. Of the 195,000 instructions of PostgreSQL's for a point lookup this spares
    /// 22,000.
    Impossible,
}

/// What the settings of a request are made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances<'a> {
    pub(crate) config: &'a Config,
    pub(crate) http: &'a HttpRequest<'a>,
    /// The schema that the request is about.
    pub(crate) schema: &'a Ident,
    /// The time zone that it prefers.
    pub(crate) timezone: Option<&'a str>,
    pub(crate) identity: &'a Identity,
    pub(crate) access: AccessMode,
    /// `ALTER ROLE … SET`
    pub(crate) of_role: &'a [(String, String)],
    /// `CREATE FUNCTION … SET`, where `db-hoisted-tx-settings` lets it act on the transaction.
    pub(crate) of_routine: &'a [(String, String)],
    /// What may be said of the response.
    pub(crate) overrides: Overrides,
    /// Whether the rows of a relation are passed on as they come.
    pub(crate) is_streamed: bool,
}

/// How long settings stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Transaction,
    Session,
}

impl Scope {
    /// How `set_config` ends.
    fn end(self) -> ConstSql {
        match self {
            Scope::Transaction => sql_text!(", true)"),
            Scope::Session => sql_text!(", false)"),
        }
    }
}

/// The statement that comes first in every transaction. It is parsed with the search path, and
/// executed with the rights, of the login role. Its text depends on the access mode, on
/// the number of settings, and on whether there is a time zone.
pub(crate) fn write_settings(out: SqlBuf, about: &Circumstances<'_>) -> Statement {
    write_in_scope(out, about, Scope::Transaction)
}

/// How the same settings can be made for a session, where nothing runs that could change them.
pub(crate) fn write_guise(about: &Circumstances<'_>) -> Guise {
    Guise {
        for_session: write_in_scope(SqlBuf::new(), about, Scope::Session).text,
        // The search path, the role, and what comes before that.
        single_from: 2 + 2 * about.of_role.len(),
        singles: &SINGLES,
    }
}

/// Those of [`Circumstances`] that differ from request to request, by themselves.
static SINGLES: LazyLock<Vec<SqlText>> = LazyLock::new(|| {
    let singles = [
        sql_text!("pg_catalog.set_config('request.jwt.claims', "),
        sql_text!("pg_catalog.set_config('request.method', "),
        sql_text!("pg_catalog.set_config('request.path', "),
        sql_text!("pg_catalog.set_config('request.headers', "),
        sql_text!("pg_catalog.set_config('request.cookies', "),
    ];
    let text = |places: usize| {
        let wanted = singles.iter().enumerate();
        let wanted = wanted.filter(|(place, _)| places & (1 << place) != 0);
        let mut out = SqlBuf::new();
        sql!(out, "SELECT pg_catalog.num_nonnulls(");
        out.separated(sql_text!(", "), wanted, |out, (_, single)| {
            out.constant(*single);
            out.param(None);
            sql!(out, ", true)");
        });
        sql!(out, ")");
        out.finish().text
    };
    (0..1 << singles.len()).map(text).collect()
});

fn write_in_scope(mut out: SqlBuf, about: &Circumstances<'_>, scope: Scope) -> Statement {
    let Circumstances {
        config,
        http,
        identity,
        ..
    } = *about;
    // The one number that is returned is made and sent in less time than all values, which nobody
    // reads.
    sql!(out, "SELECT pg_catalog.num_nonnulls(");
    if about.overrides == Overrides::Possible {
        write_clean_response(&mut out);
    }
    match scope {
        Scope::Transaction if about.access == AccessMode::ReadOnly => {
            // An implicit transaction has no BEGIN READ ONLY; this says the same.
            sql!(
                out,
                "pg_catalog.set_config('transaction_read_only', 'on', true), "
            );
        }
        Scope::Transaction => {}
        // So is every transaction from now on, but this one has begun already.
        Scope::Session => sql!(
            out,
            "pg_catalog.set_config('transaction_read_only', 'on', true), "
        ),
    }
    if about.is_streamed {
        // To compile a query takes up to 100 ms before the first row, the first time in a session,
        // and 10 each time; and making JSON of its rows, not finding them, is what takes long.
        // Settings of roles come behind it.
        sql!(out, "pg_catalog.set_config('jit', 'off', true), ");
    }
    let end = scope.end();
    sql!(out, "pg_catalog.set_config('search_path', ");
    out.param_with(|path| write_search_path(path, config, about.schema));
    out.constant(end);
    if about.of_role.is_empty() {
        sql!(out, ", ");
    } else {
        sql!(out, ")");
        write_all(&mut out, about.of_role, end);
        sql!(out, ", pg_catalog.num_nonnulls(");
    }
    sql!(out, "pg_catalog.set_config('role', ");
    out.param(Some(identity.role.as_bytes()));
    out.constant(end);
    sql!(out, ", pg_catalog.set_config('request.jwt.claims', ");
    out.param(Some(identity.claims.as_bytes()));
    out.constant(end);
    sql!(out, ", pg_catalog.set_config('request.method', ");
    out.param(Some(http.method.as_bytes()));
    out.constant(end);
    sql!(out, ", pg_catalog.set_config('request.path', ");
    out.param(Some(http.path.as_bytes()));
    out.constant(end);
    sql!(out, ", pg_catalog.set_config('request.headers', ");
    out.param_with(|json| write_headers(json, http));
    out.constant(end);
    sql!(out, ", pg_catalog.set_config('request.cookies', ");
    out.param_with(|json| write_cookies(json, http));
    out.constant(end);
    if let Some(timezone) = about.timezone {
        sql!(out, ", pg_catalog.set_config('timezone', ");
        out.param(Some(timezone.as_bytes()));
        out.constant(end);
    }
    sql!(out, ")");
    write_all(&mut out, about.of_routine, end);
    write_all(&mut out, &config.app_settings, end);
    if scope == Scope::Session {
        // Last of all, for it is among the settings that a role can have.
        sql!(
            out,
            ", pg_catalog.set_config('default_transaction_read_only', 'on', false)"
        );
    }
    out.finish()
}

/// What a function has said for its whole session about the response was for its own client.
/// Where nothing is left, this looks two settings up, and what functions see of them is as ever.
/// Nothing tells before whether something is left: neither what the last answer showed, for a
/// local value may hide it, nor whose the connection is, for a pooler's session is another's.
///
/// Parity: PostgREST passes it on to whoever asks next on the connection.
fn write_clean_response(out: &mut SqlBuf) {
    sql!(
        out,
        "CASE WHEN pg_catalog.current_setting('response.headers', true) \
         OPERATOR(pg_catalog.<>) '' \
         THEN pg_catalog.set_config('response.headers', '', true) END, \
         CASE WHEN pg_catalog.current_setting('response.status', true) \
         OPERATOR(pg_catalog.<>) '' \
         THEN pg_catalog.set_config('response.status', '', true) END, "
    );
}

/// PostgreSQL's functions have 100 arguments at most.
const ARGUMENTS_MAX: usize = 100;

/// Appends columns that make these settings.
fn write_all(out: &mut SqlBuf, settings: &[(String, String)], end: ConstSql) {
    for some in settings.chunks(ARGUMENTS_MAX) {
        sql!(out, ", pg_catalog.num_nonnulls(");
        out.separated(sql_text!(", "), some, |out, (name, value)| {
            sql!(out, "pg_catalog.set_config(");
            out.param(Some(name.as_bytes()));
            sql!(out, ", ");
            out.param(Some(value.as_bytes()));
            out.constant(end);
        });
        sql!(out, ")");
    }
}

fn write_search_path(out: &mut Vec<u8>, config: &Config, schema: &Ident) {
    let extra = config.db_extra_search_path.iter().map(String::as_str);
    Ident::write_quoted_list(out, std::iter::once(schema.as_str()).chain(extra));
}

/// The headers as a JSON object with lower-case names.
///
/// Parity: of several headers with the same name, the last one counts (`HM.fromList` in
/// SqlFragment.hs), and the Cookie header is left out.
fn write_headers(out: &mut Vec<u8>, http: &HttpRequest<'_>) {
    let headers = http.headers;
    let lasts = last_places(headers.iter().map(|(name, _)| name.to_ascii_lowercase()));
    let is_last = |index: usize, name: &str| match &lasts {
        Some(lasts) => lasts.get(&name.to_ascii_lowercase()) == Some(&index),
        None => !headers[index + 1..]
            .iter()
            .any(|(later, _)| later.eq_ignore_ascii_case(name)),
    };
    let kept = headers
        .iter()
        .enumerate()
        .filter(|(index, (name, _))| !name.eq_ignore_ascii_case("cookie") && is_last(*index, name))
        .map(|(_, (name, value))| (*name, String::from_utf8_lossy(value)));
    write_object(out, kept, <[u8]>::make_ascii_lowercase);
}

fn write_cookies(out: &mut Vec<u8>, http: &HttpRequest<'_>) {
    let cookies = http.cookies();
    let lasts = last_places(cookies.iter().map(|(name, _)| name.as_str()));
    let is_last = |index: usize, name: &str| match &lasts {
        Some(lasts) => lasts.get(name) == Some(&index),
        None => !cookies[index + 1..].iter().any(|(later, _)| later == name),
    };
    let kept = cookies
        .iter()
        .enumerate()
        .filter(|(index, (name, _))| is_last(*index, name));
    write_object(out, kept.map(|(_, (name, value))| (name, value)), |_| {});
}

/// So many names are compared with each other in less time than they are hashed.
const FEW: usize = 32;

/// Where the last of each name is; `None` for a few names, which can be compared. A client may send
/// ten thousand cookies.
fn last_places<K: Hash + Eq>(names: impl ExactSizeIterator<Item = K>) -> Option<HashMap<K, usize>> {
    (names.len() > FEW).then(|| names.zip(0..).collect())
}

fn write_object<N: AsRef<str>, V: AsRef<str>>(
    out: &mut Vec<u8>,
    members: impl Iterator<Item = (N, V)>,
    change_name: impl Fn(&mut [u8]),
) {
    out.push(b'{');
    for (index, (name, value)) in members.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let start = out.len();
        write_json_string(out, name.as_ref());
        change_name(&mut out[start..]);
        out.push(b':');
        write_json_string(out, value.as_ref());
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::{write_cookies, write_headers};
    use crate::request::HttpRequest;

    type Write = fn(&mut Vec<u8>, &HttpRequest<'_>);

    #[track_caller]
    fn check(write: Write, headers: &[(&str, &[u8])], expected: &str) {
        let http = HttpRequest {
            headers,
            ..HttpRequest::default()
        };
        let mut out = Vec::new();
        write(&mut out, &http);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn the_last_of_a_name_counts_where_it_stands_however_many_there_are() {
        for count in [1, 31, 32, 33, 100] {
            let others: Vec<String> = (0..count).map(|index| format!("c{index}")).collect();
            let as_members: String = others
                .iter()
                .map(|name| format!(r#","{name}":"0""#))
                .collect();

            let others_of_cookie: String =
                others.iter().map(|name| format!("{name}=0; ")).collect();
            let cookies = format!("a=1; b=2; {others_of_cookie}A=3; a=4; b=\"5\"");
            let expected = format!(r#"{{{},"A":"3","a":"4","b":"5"}}"#, &as_members[1..]);
            check(write_cookies, &[("Cookie", cookies.as_bytes())], &expected);

            let mut headers: Vec<(&str, &[u8])> = vec![("X-A", b"1"), ("Cookie", b"a=b")];
            headers.extend(others.iter().map(|name| (name.as_str(), &b"0"[..])));
            headers.extend([("x-a", &b"2"[..]), ("Y", b"\xff")]);
            let expected = format!(r#"{{{},"x-a":"2","y":"{}"}}"#, &as_members[1..], '\u{fffd}');
            check(write_headers, &headers, &expected);
        }
    }
}
