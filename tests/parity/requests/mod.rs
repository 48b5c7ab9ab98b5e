//! What is asked: requests of every kind for each relation, foreign key and function.
//!
//! A request that has `order` has a whole one, by the key or by all that can be compared, and
//! whatever cuts rows off has it, too: answers differ only where servers do.

mod call;
mod embed;
mod read;
mod stray;
mod write;

use crate::catalog::{Catalog, Relation};
use crate::seed::Seed;
use crate::values;
use std::fmt;

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// What it is about.
    pub kind: Kind,
    /// Its method.
    pub method: &'static str,
    /// Path and query string, percent-encoded.
    pub target: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Option<String>,
}

/// What a request is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Rows, whole or some columns of them.
    #[default]
    Read,
    /// A filter.
    Filter,
    /// Order, limits, ranges and counts.
    Page,
    /// Another media type.
    Representation,
    /// Relations within relations.
    Embed,
    /// Rows written, and rolled back.
    Write,
    /// A function.
    Call,
    /// What the server says of itself.
    Description,
    /// A name that is not there.
    Unknown,
    /// What no grammar has.
    Malformed,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 10] = [
        Kind::Read,
        Kind::Filter,
        Kind::Page,
        Kind::Representation,
        Kind::Embed,
        Kind::Write,
        Kind::Call,
        Kind::Description,
        Kind::Unknown,
        Kind::Malformed,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Read => "rows and columns",
            Kind::Filter => "filters",
            Kind::Page => "order, limits, counts",
            Kind::Representation => "representations",
            Kind::Embed => "embedding",
            Kind::Write => "writes, rolled back",
            Kind::Call => "functions",
            Kind::Description => "descriptions",
            Kind::Unknown => "unknown names",
            Kind::Malformed => "malformed requests",
        })
    }
}

/// What is to be asked.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The exposed schemas; the first is the default.
    pub schemas: Vec<String>,
    /// Only of this one of them.
    pub profile: Option<String>,
    /// Reads, writes, or both.
    pub only: Option<Only>,
    /// Relations and functions that are not asked for.
    pub skip: Vec<String>,
    /// What chance begins with.
    pub seed: u64,
    /// At most so many requests, chosen by chance.
    pub limit: Option<usize>,
}

/// A half of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only {
    /// Those that change nothing.
    Read,
    /// Those that do, and are rolled back.
    Write,
}

impl Request {
    /// A GET.
    fn get(kind: Kind, target: String) -> Request {
        Request {
            kind,
            method: "GET",
            target,
            ..Request::default()
        }
    }

    fn method(mut self, method: &'static str) -> Request {
        self.method = method;
        self
    }

    fn header(mut self, name: &str, value: impl Into<String>) -> Request {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn json(self, body: impl Into<String>) -> Request {
        let mut request = self.header("Content-Type", "application/json");
        request.body = Some(body.into());
        request
    }

    /// Whether it may change data.
    pub fn is_write(&self) -> bool {
        let is_prefer = |(name, value): &(String, String)| name == "Prefer" && value.contains(TX);
        self.headers.iter().any(is_prefer)
    }

    /// The value of this header.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known == name);
        found.map(|(_, value)| &**value)
    }

    /// Whether its rows come in an order that it asks for.
    pub fn has_order(&self) -> bool {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        query.split('&').any(|part| part.starts_with("order="))
    }
}

/// With it everything is rolled back, where the server lets clients decide.
pub const TX: &str = "tx=rollback";

/// A relation, and what its requests are made with.
struct Subject<'a> {
    relation: &'a Relation,
    path: String,
}

impl Subject<'_> {
    fn new(relation: &Relation) -> Subject<'_> {
        let path = format!("/{}", values::encoded(&relation.name));
        Subject { relation, path }
    }

    /// `order=…` by the key, and behind it `limit=` where there may be many rows.
    fn page(&self) -> String {
        self.page_after("")
    }

    /// The same with terms before the key.
    fn page_after(&self, terms: &str) -> String {
        let order = self.relation.order();
        let names = order.iter().map(|name| values::name(name));
        let terms = (!terms.is_empty()).then(|| terms.to_owned());
        let terms: Vec<String> = terms.into_iter().chain(names).collect();
        match (terms.is_empty(), self.relation.is_small) {
            (true, _) => "limit=0".to_owned(),
            (false, true) => format!("order={}", terms.join(",")),
            (false, false) => format!("order={}&limit=20", terms.join(",")),
        }
    }

    /// A GET with this in the query string, and a page.
    fn get(&self, kind: Kind, query: &str) -> Request {
        let page = self.page();
        let query = match query {
            "" => page,
            query => format!("{query}&{page}"),
        };
        Request::get(kind, format!("{}?{query}", self.path))
    }
}

/// All requests for a database, in a fixed order.
pub fn generate(catalog: &Catalog, choice: &Choice) -> Vec<Request> {
    let mut seed = Seed::new(choice.seed);
    let mut requests = Vec::new();
    for schema in &choice.schemas {
        if choice.profile.as_ref().is_some_and(|only| only != schema) {
            continue;
        }
        let mut of_schema = stray::of_server();
        let is_wanted = |of: &str, name: &str| {
            of == schema && !choice.skip.iter().any(|skipped| skipped == name)
        };
        let relations = catalog.relations.iter();
        for relation in relations.filter(|it| is_wanted(&it.schema, &it.name)) {
            let subject = Subject::new(relation);
            read::of_relation(&subject, &mut seed, &mut of_schema);
            embed::of_relation(&subject, catalog, schema, &mut of_schema);
            write::of_relation(&subject, &mut seed, &mut of_schema);
            stray::of_relation(&subject, &mut of_schema);
        }
        let functions = catalog.functions.iter();
        for function in functions.filter(|it| is_wanted(&it.schema, &it.name)) {
            call::of_function(function, catalog, &mut seed, &mut of_schema);
        }
        let is_skipped = |request: &Request| {
            let parts = || {
                request
                    .target
                    .split(['/', '?', '=', ',', '(', ')', '!', ':', '.'])
            };
            choice
                .skip
                .iter()
                .any(|name| parts().any(|part| part == name))
        };
        of_schema.retain(|request| !is_skipped(request));
        if *schema != choice.schemas[0] {
            of_schema = of_schema
                .into_iter()
                .map(|request| request.with_profile(schema))
                .collect();
        }
        requests.append(&mut of_schema);
    }
    requests.retain(|request| match choice.only {
        None => true,
        Some(Only::Read) => !request.is_write(),
        Some(Only::Write) => request.is_write(),
    });
    match choice.limit {
        Some(limit) => some(requests, limit, &mut seed),
        None => requests,
    }
}

/// So many of them, in the order that they have.
fn some(requests: Vec<Request>, limit: usize, seed: &mut Seed) -> Vec<Request> {
    let mut chosen: Vec<(usize, Request)> = requests.into_iter().enumerate().collect();
    seed.shuffle(&mut chosen);
    chosen.truncate(limit);
    chosen.sort_by_key(|(index, _)| *index);
    chosen.into_iter().map(|(_, request)| request).collect()
}

impl Request {
    fn with_profile(self, schema: &str) -> Request {
        let name = match self.method {
            "GET" | "HEAD" => "Accept-Profile",
            _ => "Content-Profile",
        };
        self.header(name, schema)
    }
}
