//! The page about the server, and what it asks for: only with `server-console-enabled`; otherwise,
//! and everywhere else, there is nothing.
//!
//! ```text
//! GET  /                            ──▶ the page; its files are below /.console/
//! GET  /.console/state.json         ──▶ the last loads of schema cache and configuration
//! POST /.console/reload/<what>      ──▶ an order to the control plane; how it went is told there
//! ```
//! The admin server knows nobody, so a page of somebody else must not be able to have a browser
//! give orders. What a page may send elsewhere without being allowed to has none but the plainest
//! headers; so an order needs another one, and nothing here allows that to others. Nor is anything
//! of this given out under a name that somebody else may have let lead here ([`own_host`]).
//!
//! Source: the Fetch standard, "CORS-safelisted request-header" and "Sec-Fetch-Site".

use super::{Admin, Answer, own_host};
use crate::log::{self, json_text};
use crate::state::last_attempt::Attempt;
use crate::state::orders::Order;
use corerest_api::console_file;
use corerest_wire::http::Request;
use std::borrow::Cow;

const STATE: &str = "/.console/state.json";
const RELOAD: &str = "/.console/reload/";

/// What the page says with its orders, whatever its value is.
const ORDER_HEADER: &str = "CoreREST-Console";

/// What a browser shows that was led here by a name of somebody else.
const FOREIGN_HOST: &str = "\
    The console does not answer to this name: somebody else could have made it point here (DNS \
    rebinding).\n\
    Open it by IP address, as localhost, by this machine's host name, or by the name in \
    admin-server-host. A proxy in front of it has to send one of them as Host.\n";

impl Admin {
    /// What is asked of the console.
    pub(super) fn console(&self, request: &Request<'_>) -> Answer {
        let snapshot = self.cores.snapshot();
        if !snapshot.config.server_console_enabled {
            return Answer::of_status(404);
        }
        if !own_host::is_own(request.host(), &snapshot.config) {
            return Answer {
                status: 403,
                headers: vec![
                    ("Content-Type", "text/plain; charset=utf-8".into()),
                    ("X-Content-Type-Options", "nosniff".into()),
                ],
                body: Cow::Borrowed(FOREIGN_HOST.as_bytes()),
            };
        }
        let path = match request.target().path {
            "/" => "/.console/admin.html",
            STATE => return self.state(),
            other => other,
        };
        if let Some(what) = path.strip_prefix(RELOAD) {
            return self.reload(what, request);
        }
        console_file(path).map_or_else(|| Answer::of_status(404), Answer::of_file)
    }

    /// How the last loads went.
    fn state(&self) -> Answer {
        let schema = self.health.schema_loads.attempts.last();
        let config = self.health.config_reloads.attempts.last();
        let text = format!(
            "{{\"schemaCache\":{},\"configuration\":{}}}",
            written(schema),
            written(config),
        );
        Answer {
            status: 200,
            headers: vec![
                ("Content-Type", "application/json; charset=utf-8".into()),
                ("Cache-Control", "no-store".into()),
                ("X-Content-Type-Options", "nosniff".into()),
            ],
            body: text.into_bytes().into(),
        }
    }

    /// Gives the order, which is like giving it once however often it is given before it is begun.
    fn reload(&self, what: &str, request: &Request<'_>) -> Answer {
        let (order, words) = match what {
            "schema" => (Order::ReloadCatalog, "schema cache"),
            "config" => (Order::ReloadConfig, "configuration"),
            _ => return Answer::of_status(404),
        };
        if request.method != "POST" {
            let mut answer = Answer::of_status(405);
            answer.headers.push(("Allow", "POST".into()));
            return answer;
        }
        if !is_of_own_page(request) {
            return Answer::of_status(403);
        }
        log::notice(&format!(
            "The page of the admin server asks to load the {words} again"
        ));
        self.health.ask_for(order);
        Answer::of_status(202)
    }
}

/// Whether it comes from the page itself, or from a program that knows what it does.
fn is_of_own_page(request: &Request<'_>) -> bool {
    let site = request.headers.get("Sec-Fetch-Site");
    request.headers.get(ORDER_HEADER).is_some() && site.is_none_or(|site| site == b"same-origin")
}

fn written(attempt: Option<Attempt>) -> String {
    attempt.map_or_else(
        || "null".to_owned(),
        |Attempt { at, error }| {
            let error = error.map_or_else(|| "null".to_owned(), |error| json_text(&error));
            format!("{{\"at\":{:.3},\"error\":{error}}}", at.as_secs_f64())
        },
    )
}
