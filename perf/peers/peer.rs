//! `peer`: the request `GET /items?id=eq.N` as a service that was written for it by hand, with
//! axum, deadpool-postgres and tokio-postgres, statements prepared once per connection.
//!
//! With `--promises kept` it does what the server does: a transaction that may only read, with the
//! role, the search path and the settings of the request. Its four messages are sent without
//! waiting for each other, which few services do. With `--promises none` there is nothing but the
//! query, as the login role: less than any API of a database can do.
//! It knows one table and no filter but that one; it checks nothing else.

use std::error::Error;
use std::net::Ipv4Addr;

use argh::FromArgs;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_postgres::NoTls;
use tokio_postgres::types::ToSql;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SETTINGS: &str = "select set_config('search_path', $1, true), \
    set_config('role', $2, true), set_config('request.jwt.claims', $3, true), \
    set_config('request.method', $4, true), set_config('request.path', $5, true), \
    set_config('request.headers', $6, true), set_config('request.cookies', $7, true)";
const READ: &str = "select coalesce(json_agg(item), '[]')::text \
    from (select * from bench.items where id = $1) as item";

/// Serve GET /items?id=eq.N as one would by hand.
#[derive(FromArgs)]
struct Arguments {
    /// connection string of PostgreSQL
    #[argh(option)]
    database: String,
    /// port on 127.0.0.1
    #[argh(option)]
    port: u16,
    /// connections to PostgreSQL (10)
    #[argh(option, default = "10")]
    pool: usize,
    /// kept: a transaction, the role and settings of the request; none: the query alone (kept)
    #[argh(option, default = "Promises::Kept", from_str_fn(promises))]
    promises: Promises,
}

#[derive(Clone, Copy)]
enum Promises {
    Kept,
    None,
}

fn promises(text: &str) -> Result<Promises, String> {
    match text {
        "kept" => Ok(Promises::Kept),
        "none" => Ok(Promises::None),
        other => Err(format!("{other} is neither kept nor none")),
    }
}

#[derive(Clone)]
struct Service {
    pool: Pool,
    promises: Promises,
}

#[derive(Deserialize)]
struct Filters {
    id: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Arguments = argh::from_env();
    let config = ManagerConfig {
        // A connection is not asked whether it is alive each time it is taken.
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = Manager::from_config(arguments.database.parse()?, NoTls, config);
    let service = Service {
        pool: Pool::builder(manager).max_size(arguments.pool).build()?,
        promises: arguments.promises,
    };
    let router = Router::new()
        .route("/items", get(items))
        .with_state(service);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await?;
    // Answers are small, and must not wait for more.
    axum::serve(
        axum::serve::ListenerExt::tap_io(listener, |stream| {
            let _ = stream.set_nodelay(true);
        }),
        router,
    )
    .await?;
    Ok(())
}

async fn items(State(service): State<Service>, Query(filters): Query<Filters>) -> Response {
    let Some(id) = filters
        .id
        .strip_prefix("eq.")
        .and_then(|id| id.parse().ok())
    else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match service.read(id).await {
        Ok(body) => {
            let head = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
            (head, body).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

impl Service {
    async fn read(&self, id: i32) -> Result<String, Box<dyn Error + Send + Sync>> {
        let connection = self.pool.get().await?;
        match self.promises {
            Promises::Kept => keep(&connection, id).await,
            Promises::None => {
                let read = connection.prepare_cached(READ).await?;
                Ok(connection.query_one(&read, &[&id]).await?.try_get(0)?)
            }
        }
    }
}

/// All of it is on its way before the first answer comes. Should one of the statements fail, the
/// COMMIT is a rollback.
async fn keep(connection: &Object, id: i32) -> Result<String, Box<dyn Error + Send + Sync>> {
    let settings = connection.prepare_cached(SETTINGS).await?;
    let read = connection.prepare_cached(READ).await?;
    let made = connection.query_one(
        &settings,
        &[
            &"\"bench\", \"public\"",
            &"web_anon",
            &"{\"role\":\"web_anon\"}",
            &"GET",
            &"/items",
            &"{\"host\":\"localhost\"}",
            &"{}",
        ],
    );
    let wanted: [&(dyn ToSql + Sync); 1] = [&id];
    let (_, _, row, _) = tokio::join!(
        connection.batch_execute("BEGIN READ ONLY"),
        made,
        connection.query_one(&read, &wanted),
        connection.batch_execute("COMMIT"),
    );
    Ok(row?.try_get(0)?)
}
