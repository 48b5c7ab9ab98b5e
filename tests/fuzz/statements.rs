//! From a request to SQL: whatever comes, what PostgreSQL reads is what we wrote.
//!
//! Properties: nothing panics; the same request gives the same statements twice; and in each of
//! them every quote and parenthesis is closed, nothing begins a comment, a second statement or a
//! string in dollars, and the parameters are `$1` to `$n` for n values. What the shape of an
//! earlier request gives is what planning gives.

use crate::sql_scan::check_statement;
use corerest_api::internals::prepare;
use corerest_api::{
    Catalog, Context, HttpRequest, Identity, Prepared, RoleSettings, Shapes, decode_catalog,
};
use corerest_config::{Config, Sources};
use std::sync::LazyLock;

/// Requests to start from. The first byte chooses the configuration; then come the method and the
/// target, headers until an empty line, and the body.
pub(crate) const STATEMENT_SEEDS: &[&[u8]] = &[
    b"0GET /plants?select=id,label:name,height::text&id=eq.1&name=not.like.a*&limit=3&offset=2",
    b"0GET /Odd%20Names?select=\"quo\\\"te\"&\"quo\\\"te\"=eq.a&order=\"quo\\\"te\".desc",
    b"0GET /plants?select=facts->soil->>ph,facts->kinds->0,kind:facts->'a'::int&facts->a->>b=gt.1",
    b"0GET /plants?order=name,height.desc,id.asc.nullsfirst,facts->soil->>ph.desc.nullslast",
    b"0GET /plants?or=(id.eq.1,and(id.gt.2,name.eq.\"a,b\"),not.or(height.is.null,height.lt.3))",
    b"0GET /plants?id=in.(1,2)&name=in.(\"a,b\",c)&height=isdistinct.3&id=is.not_null",
    b"0GET /plants?name=like(any).{B*,Y*}&name=ilike(all).{*e*}&tags=cs.{a}&height=sl.(1,2)",
    b"0GET /plants?words=fts.beech&words=plfts(english).a%20b&words=not.phfts.c&name=match.^B",
    b"0GET /plants?select=id,pests(id)&pests.name=eq.a&pests.order=name.desc&pests.limit=2",
    b"0GET /plants?select=id,p:pests!inner(name),portraits()&or=(p.not.is.null,portraits.is.null)",
    b"0GET /plants?select=id,...plantings(pieces,...beds(bed:name))&plantings.pieces=gt.1",
    b"0GET /plants?select=id,...pests(names:name)&pests.order=id&pests.id=in.(1,2)",
    b"0GET /pests?select=id,plants(name)&order=plants(name).desc,id&plants.light=eq.sun",
    b"0GET /beds?select=name,within(name),beds(name),tallest(name),plants(name,pests(name))",
    b"0GET /paints?select=id,colour&colour=eq.red&colour=in.(red,blue)\nPrefer: count=exact\n",
    b"1GET /plants?select=name,height.sum(),n:id.count()::text,count(),facts->a->>b.max()::int",
    b"1GET /pests?select=count(),...plants(light,height.avg())&order=plants(light)",
    b"1GET /plants?id=gt.1\nAccept: application/vnd.pgrst.plan+json; options=analyze|verbose\n",
    b"1GET /plants?id=eq.1\nPrefer: count=estimated\nRange: 3-8\n",
    b"2HEAD /plants?name=eq.a\nAccept: text/csv\nCookie: a=b; c=d\nX-Quote: a\"b\\c'd\n",
    b"1GET /plants?id=lt.3&limit=2\nAccept: application/x-ndjson\nPrefer: count=exact\n",
    b"0GET /plants?select=id,pests(name)&limit=5\nAccept: text/csv\nPrefer: stream\n",
    b"2GET /plants\nAccept: application/vnd.pgrst.object+json;nulls=stripped\n\
      Prefer: timezone=UTC\n",
    b"0GET /plants?id=lt.3\nAccept: text/vnd.garden.card\nAccept-Profile: api\n",
    b"0POST /seeds?columns=id,packets&select=id,beds(name)\n\
      Prefer: return=representation, missing=default\n\n[{\"id\":1,\"packets\":2},{\"id\":2}]",
    b"0POST /seeds?on_conflict=id,code\nPrefer: resolution=merge-duplicates, return=headers-only\n\
      \n{\"id\":1,\"name\":\"it's; -- \\u0022\",\"packets\":null}",
    b"2POST /seeds\nContent-Type: text/csv\nPrefer: tx=rollback\n\n\
      id,name\n1,\"a \"\"b\"\"\"\nNULL,c\n",
    b"0POST /paints\nContent-Type: application/x-www-form-urlencoded\n\ncolour=red&name=x+y%20%27",
    b"0PUT /shelves?rack=eq.1&place=eq.2\nPrefer: return=representation\n\n\
      {\"rack\":1,\"place\":2}",
    b"2PATCH /seeds?or=(id.eq.1,id.eq.2)&select=id,n:name::text&order=id&limit=2\n\
      Prefer: return=representation, max-affected=5, handling=strict\n\n{\"name\":\"b\"}",
    b"0DELETE /seeds?id=eq.1&select=name,beds(name)\nPrefer: return=representation, count=exact\n",
    b"0GET /rpc/evergreens?select=name,pests(name)&id=gt.1&order=id&limit=2",
    b"0GET /rpc/total?numbers=1&numbers=2",
    b"2GET /rpc/odd%20name?a%20b=c",
    b"0POST /rpc/greet?columns=name\n\n{\"name\":\"'; drop table plants\",\"more\":1}",
    b"0POST /rpc/keep_bytes\nContent-Type: application/octet-stream\n\n\x00\xff'",
    b"0POST /rpc/echo\nContent-Type: application/x-www-form-urlencoded\n\nlight=sun&tags={a,b}",
    b"3GET /\nAccept: application/openapi+json\n",
    b"3GET /pests?select=id,p:plants(n:name)&p.id=eq.1\nPrefer: handling=lenient, odd=1\n",
];

/// The catalog of the plan cases, and the configurations that the first byte chooses from.
struct World {
    catalog: Catalog,
    configs: Vec<Config>,
    /// Of all requests so far, for each configuration.
    shapes: Vec<Shapes>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let mut document = include_bytes!("../cases/plan/catalog.json").to_vec();
    World {
        catalog: decode_catalog(&mut document).expect("it was recorded from PostgreSQL"),
        configs: [
            &[][..],
            &[
                ("PGRST_DB_AGGREGATES_ENABLED", "true"),
                ("PGRST_DB_PLAN_ENABLED", "true"),
                ("PGRST_DB_MAX_ROWS", "5"),
            ],
            &[
                ("PGRST_DB_TX_END", "commit-allow-override"),
                ("PGRST_DB_PRE_REQUEST", "private.check\"_'request"),
                ("PGRST_DB_EXTRA_SEARCH_PATH", "public, a\"b'c;--"),
                ("PGRST_APP_SETTINGS_ODD", "';--$$"),
            ],
            &[
                ("PGRST_URL_USE_LEGACY_TARGET_NAMES", "false"),
                ("PGRST_OPENAPI_MODE", "ignore-privileges"),
                ("PGRST_CLIENT_ERROR_VERBOSITY", "minimal"),
            ],
        ]
        .into_iter()
        .map(config)
        .collect(),
        shapes: (0..4).map(|_| Shapes::new()).collect(),
    }
});

fn config(settings: &[(&str, &str)]) -> Config {
    let usual = [
        ("PGRST_DB_SCHEMAS", "api"),
        ("PGRST_DB_ANON_ROLE", "anonymous"),
    ];
    let environment: Vec<(String, String)> = usual
        .iter()
        .chain(settings)
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let loaded = Config::load(Sources {
        environment: &environment,
        ..Sources::default()
    });
    loaded.expect("these settings are good").config
}

/// A request as text, as in [`STATEMENT_SEEDS`].
pub fn statements(data: &[u8]) {
    let [choice, request @ ..] = data else {
        return;
    };
    let number = usize::from(*choice) % WORLD.configs.len();
    let planned = check_shape(number, request);
    check_shape(number, &with_other_digits(request));
    if let Prepared::Ask(batch, _) = planned {
        batch.statements.iter().for_each(check_statement);
    }
}

/// The first time a request is planned, the second time its shape is learned, if it has one.
fn check_shape(number: usize, request: &[u8]) -> Prepared {
    let planned = prepared(number, request, None);
    for _ in 0..3 {
        let shaped = prepared(number, request, Some(&WORLD.shapes[number]));
        assert_eq!(shaped, planned, "{}", request.escape_ascii());
    }
    planned
}

/// Another request, which often has the same shape.
fn with_other_digits(request: &[u8]) -> Vec<u8> {
    let other = |byte: &u8| match byte {
        b'0'..=b'9' => b'0' + (byte - b'0' + 3) % 10,
        other => *other,
    };
    request.iter().map(other).collect()
}

fn prepared(number: usize, request: &[u8], shapes: Option<&Shapes>) -> Prepared {
    let end = request.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = request.split_at(end.unwrap_or(request.len()));
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let (method, target) = first.split_once(' ').unwrap_or((&first, "/"));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(&str, &[u8])> = lines.filter_map(header).collect();
    let http = HttpRequest {
        method,
        path,
        query,
        headers: &headers,
        body: body.get(2..).unwrap_or_default(),
    };
    ask(number, &http, shapes)
}

fn ask(number: usize, http: &HttpRequest<'_>, shapes: Option<&Shapes>) -> Prepared {
    let context = Context {
        config: &WORLD.configs[number],
        catalog: Some(&WORLD.catalog),
        role_settings: &RoleSettings::default(),
        shapes,
    };
    let caller = Identity {
        role: "anonymous".into(),
        claims: r#"{"role":"anonymous"}"#.into(),
    };
    let prepared = prepare(&context, http, Ok(caller));
    if let Prepared::Reply(response) = &prepared {
        assert!((200..600).contains(&response.status));
    }
    prepared
}

/// A request with this body, which is JSON.
pub(crate) fn prepare_to(method: &str, path: &str, query: &str, body: &[u8]) -> Prepared {
    let http = HttpRequest {
        method,
        path,
        query,
        body,
        ..HttpRequest::default()
    };
    ask(0, &http, None)
}

/// A read with these headers.
pub(crate) fn prepare_with_headers(headers: &[(&str, &[u8])]) -> Prepared {
    let http = HttpRequest {
        method: "GET",
        path: "/plants",
        headers,
        ..HttpRequest::default()
    };
    ask(0, &http, None)
}

fn header(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(&line[..colon]).ok()?;
    Some((name, line[colon + 1..].trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::{STATEMENT_SEEDS, WORLD, prepared, statements};
    use corerest_api::Prepared;

    #[test]
    fn a_request_is_refused_or_becomes_whole_statements() {
        crate::smoke(statements, STATEMENT_SEEDS, 8_000);
    }

    #[test]
    fn every_seed_gets_as_far_as_its_statements() {
        for seed in STATEMENT_SEEDS {
            let number = usize::from(seed[0]) % WORLD.configs.len();
            let asked = matches!(prepared(number, &seed[1..], None), Prepared::Ask(..));
            assert!(asked, "{} is not asked", seed.escape_ascii());
        }
    }
}
