//! `baseline`: what the requested packages give when they are put together in the obvious way,
//! may_minihttp + r2d2_postgres + postgres, for the one request `GET /items?id=eq.N`.
//!
//! It is meant to be a fair opponent: statements are prepared once per connection, JSON is built
//! by PostgreSQL, and connections are not checked when they are taken. What is left is what cannot
//! be changed from outside: a round trip each for BEGIN, settings, read and COMMIT.
//! It knows one table and no filter but that one; it checks nothing else.
//!
//! As it comes, may has one coroutine worker per CPU, and a blocking call holds its worker. With
//! `--workers` as many as connections it does better than anybody would get without knowing that.

use std::error::Error;
use std::io;

use argh::FromArgs;
use may_minihttp::{HttpServer, HttpService, HttpServiceFactory, Request, Response};
use postgres::{Client, NoTls, Statement};
use r2d2::{ManageConnection, Pool};
use r2d2_postgres::PostgresConnectionManager;

const SETTINGS: &str = "select set_config('search_path', $1, true), \
    set_config('role', $2, true), set_config('request.jwt.claims', $3, true), \
    set_config('request.method', $4, true), set_config('request.path', $5, true), \
    set_config('request.headers', $6, true), set_config('request.cookies', $7, true)";
const READ: &str = "select coalesce(json_agg(item), '[]')::text \
    from (select * from bench.items where id = $1) as item";

/// postgres' own futures run on the coroutine's stack; may's default of 32 KiB is too small.
const STACK_WORDS: usize = 0x8000;

/// Serve GET /items?id=eq.N the straightforward way.
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
    pool: u32,
    /// coroutine workers (may's default: one per CPU)
    #[argh(option)]
    workers: Option<usize>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Arguments = argh::from_env();
    may::config().set_stack_size(STACK_WORDS);
    if let Some(workers) = arguments.workers {
        may::config().set_workers(workers);
    }
    let manager = PostgresConnectionManager::new(arguments.database.parse()?, NoTls);
    let pool = Pool::builder()
        .max_size(arguments.pool)
        .test_on_check_out(false)
        .build(PreparingManager(manager))?;
    let server = HttpServer(Items { pool }).start(("127.0.0.1", arguments.port))?;
    server.join().map_err(|_| "the server panicked")?;
    Ok(())
}

/// A connection with its two statements.
struct Prepared {
    client: Client,
    settings: Statement,
    read: Statement,
}

/// r2d2_postgres' manager, which prepares the statements on each new connection.
struct PreparingManager(PostgresConnectionManager<NoTls>);

impl ManageConnection for PreparingManager {
    type Connection = Prepared;
    type Error = postgres::Error;

    fn connect(&self) -> Result<Prepared, postgres::Error> {
        let mut client = self.0.connect()?;
        let settings = client.prepare(SETTINGS)?;
        let read = client.prepare(READ)?;
        Ok(Prepared {
            client,
            settings,
            read,
        })
    }

    fn is_valid(&self, connection: &mut Prepared) -> Result<(), postgres::Error> {
        self.0.is_valid(&mut connection.client)
    }

    fn has_broken(&self, connection: &mut Prepared) -> bool {
        self.0.has_broken(&mut connection.client)
    }
}

#[derive(Clone)]
struct Items {
    pool: Pool<PreparingManager>,
}

impl Items {
    fn read(&self, id: i32) -> Result<String, Box<dyn Error>> {
        let mut connection = self.pool.get()?;
        let Prepared {
            client,
            settings,
            read,
        } = &mut *connection;
        let mut transaction = client.transaction()?;
        transaction.query_one(
            settings,
            &[
                &"\"bench\", \"public\"",
                &"web_anon",
                &"{\"role\":\"web_anon\"}",
                &"GET",
                &"/items",
                &"{\"host\":\"localhost\"}",
                &"{}",
            ],
        )?;
        let body = transaction.query_one(read, &[&id])?.try_get(0)?;
        transaction.commit()?;
        Ok(body)
    }
}

impl HttpServiceFactory for Items {
    type Service = Self;

    fn new_service(&self, _id: usize) -> Self {
        self.clone()
    }
}

impl HttpService for Items {
    fn call(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        let id = request
            .path()
            .strip_prefix("/items?id=eq.")
            .and_then(|id| id.parse().ok());
        let Some(id) = id else {
            response.status_code(404, "Not Found");
            return Ok(());
        };
        match self.read(id) {
            Ok(body) => {
                response.header("Content-Type: application/json; charset=utf-8");
                response.body_vec(body.into_bytes());
            }
            Err(error) => {
                response.status_code(500, "Internal Server Error");
                response.body_vec(error.to_string().into_bytes());
            }
        }
        Ok(())
    }
}
