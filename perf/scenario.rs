//! The scenarios: which request is measured, one entry each.
//!
//! An entry is all that a scenario is. What PostgreSQL would do for the same statements is found
//! by asking the server's own `prepare` ([`crate::ceiling`]), and the tables print what is here.
//! `schema.sql` has the relations.

use crate::request::Request;

/// One kind of request.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name on the command line, and of its files.
    pub name: &'static str,
    /// What it is, for the tables.
    pub title: &'static str,
    /// The method.
    pub method: &'static str,
    /// Path and query; `{id}` is a random number.
    pub target: &'static str,
    /// The highest random number.
    pub id_max: u32,
    /// Headers besides Host and Content-Length.
    pub headers: &'static [(&'static str, &'static str)],
    /// The body.
    pub body: Body,
    /// The status of a good response.
    pub status: u16,
    /// What its body contains.
    pub body_contains: &'static str,
    /// SQL that makes the measurements equal: run before each of them by a superuser.
    pub reset: &'static str,
    /// What it shall reach.
    pub goal: Option<Goal>,
    /// Whom else it is compared with.
    pub opponents: Opponents,
}

/// The body of a request.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// None.
    None,
    /// A JSON object.
    Object(&'static str),
    /// A JSON array of this object, so many times.
    Array(&'static str, usize),
}

/// What a scenario shall reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At most so many microseconds of the server's CPU time per request.
    ServerCpuUs(f64),
    /// At least so many requests per second.
    RequestsPerSecond(f64),
}

/// Who else is measured besides the server and its ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opponents {
    /// Nobody.
    None,
    /// The baseline, as it comes and with a worker per connection.
    Baseline,
    /// The server itself with another scenario, in turn with this one.
    Scenario(&'static str),
}

/// The schema that the server exposes.
pub const SCHEMA: &str = "bench";
/// The server's settings, without those that differ from run to run. The secret is that of the
/// scenarios' token.
pub const SETTINGS: [(&str, &str); 4] = [
    ("PGRST_DB_SCHEMAS", SCHEMA),
    ("PGRST_DB_ANON_ROLE", "web_anon"),
    ("PGRST_LOG_LEVEL", "crit"),
    (
        "PGRST_JWT_SECRET",
        "the benchmark has no secrets worth keeping",
    ),
];

/// Of HS256, made with the secret in [`SETTINGS`]; the claims are
/// `{"role":"bench_reader","sub":"reader"}`.
const TOKEN: (&str, &str) = (
    "Authorization",
    "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9\
     .eyJyb2xlIjoiYmVuY2hfcmVhZGVyIiwic3ViIjoicmVhZGVyIn0\
     .fomAgjD9oMgAo4NQMhZb8xvJaJSDhqlb7ImEYQl0XVc",
);
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// What most entries have.
const READ: Scenario = Scenario {
    name: "",
    title: "",
    method: "GET",
    target: "",
    id_max: 100_000,
    headers: &[],
    body: Body::None,
    status: 200,
    body_contains: "",
    reset: "",
    goal: Some(Goal::ServerCpuUs(60.0)),
    opponents: Opponents::None,
};
const WRITE: Scenario = Scenario {
    method: "POST",
    headers: &[JSON],
    status: 201,
    reset: "truncate bench.entries",
    goal: Some(Goal::ServerCpuUs(50.0)),
    ..READ
};
const WITHOUT_DATABASE: Scenario = Scenario {
    goal: Some(Goal::RequestsPerSecond(60_000.0)),
    ..READ
};

/// A row by its key. Other programs than pgbench are compared by it, and other circumstances.
pub const POINT: Scenario = Scenario {
    name: "point",
    title: "a row by its key",
    target: "/items?id=eq.{id}",
    body_contains: "\"id\":{id},",
    goal: Some(Goal::ServerCpuUs(25.0)),
    opponents: Opponents::Baseline,
    ..READ
};

/// All scenarios that compare the server with its ceiling, in the order of the table.
pub const SCENARIOS: [Scenario; 16] = [
    POINT,
    Scenario {
        name: "page",
        title: "a page of 25 rows",
        target: "/items?id=gt.{id}&order=id&limit=25",
        id_max: 99_900,
        body_contains: "\"name\":\"item number",
        ..READ
    },
    Scenario {
        name: "wide_page",
        title: "a page of 500 wide rows",
        target: "/readings?order=id&limit=500",
        body_contains: "\"station\":\"station",
        goal: Some(Goal::ServerCpuUs(150.0)),
        ..READ
    },
    Scenario {
        name: "filter_order",
        title: "two filters and an order, 25 rows",
        target: "/items?stock=eq.42&price=gt.500&order=price.desc,created_at&limit=25",
        body_contains: "\"stock\":42,",
        ..READ
    },
    Scenario {
        name: "embed_to_one",
        title: "25 rows, each with one embedded row",
        target: "/orders?select=id,placed_on,customer:customers(id,name)\
                 &id=gt.{id}&order=id&limit=25",
        id_max: 29_900,
        body_contains: "\"customer\":{\"id\":",
        ..READ
    },
    Scenario {
        name: "embed_to_many",
        title: "10 rows, embedding to many two levels deep",
        target: "/customers?select=id,name,orders(id,placed_on,order_lines(item_id,quantity))\
                 &id=gt.{id}&order=id&limit=10",
        id_max: 9_900,
        body_contains: "\"order_lines\":",
        ..READ
    },
    Scenario {
        name: "count_exact",
        title: "25 of 1,000 rows, with the exact count",
        target: "/items?stock=eq.42&limit=25",
        headers: &[("Prefer", "count=exact")],
        status: 206,
        body_contains: "\"stock\":42,",
        ..READ
    },
    Scenario {
        name: "insert",
        title: "insert of a row",
        target: "/entries",
        body: Body::Object(r#"{"label":"entry number {id}","amount":{id}}"#),
        ..WRITE
    },
    Scenario {
        name: "bulk_insert",
        title: "insert of 1,000 rows",
        target: "/entries",
        body: Body::Array(r#"{"label":"one of a thousand","amount":12345}"#, 1_000),
        goal: None,
        ..WRITE
    },
    Scenario {
        name: "update",
        title: "update of a row by its key",
        method: "PATCH",
        target: "/accounts?id=eq.{id}",
        body: Body::Object(r#"{"balance":12345}"#),
        status: 204,
        reset: "vacuum bench.accounts",
        ..WRITE
    },
    Scenario {
        name: "rpc_scalar",
        title: "call of a function that returns a number",
        target: "/rpc/add?a={id}&b=0",
        body_contains: "{id}",
        goal: None,
        ..READ
    },
    Scenario {
        name: "rpc_rows",
        title: "call of a function that returns 25 rows",
        target: "/rpc/items_after?after={id}",
        id_max: 99_900,
        body_contains: "\"name\":\"item number",
        goal: None,
        ..READ
    },
    Scenario {
        name: "read_open",
        title: "a row by its key, nobody's in particular",
        target: "/open_notes?id=eq.{id}",
        body_contains: "\"id\":{id},",
        goal: None,
        ..READ
    },
    Scenario {
        name: "read_token",
        title: "the same with a token and row-level security",
        target: "/notes?id=eq.{id}",
        headers: &[TOKEN],
        body_contains: "\"id\":{id},",
        goal: None,
        opponents: Opponents::Scenario("read_open"),
        ..READ
    },
    Scenario {
        name: "options",
        title: "OPTIONS",
        method: "OPTIONS",
        target: "/items",
        ..WITHOUT_DATABASE
    },
    Scenario {
        name: "not_found",
        title: "a table that is not there",
        target: "/nothing?id=eq.{id}",
        status: 404,
        body_contains: "PGRST205",
        ..WITHOUT_DATABASE
    },
];

impl Scenario {
    /// The scenario of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Scenario> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// What is sent.
    #[must_use]
    pub fn request(&self) -> Request {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Request {
            method: self.method.to_owned(),
            target: self.target.to_owned(),
            headers: self.headers.iter().map(owned).collect(),
            body: self.body.text(),
        }
    }
}

impl Body {
    fn text(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Object(object) => object.to_owned(),
            Self::Array(object, count) => format!("[{}]", vec![object; count].join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (index, scenario) in SCENARIOS.iter().enumerate() {
            let found = SCENARIOS
                .iter()
                .position(|other| other.name == scenario.name);
            assert_eq!(found, Some(index), "{}", scenario.name);
        }
    }

    #[test]
    fn an_array_is_valid_json() {
        assert_eq!(Body::Array("{}", 3).text(), "[{},{},{}]");
    }
}
