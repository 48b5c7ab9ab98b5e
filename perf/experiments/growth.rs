//! How cost grows: with relations, schemas and roles, of which a server reads all when it loads
//! its catalog; with shapes of requests, which it remembers; and with clients.
//!
//! Each column has a database of its own, so that PostgreSQL's catalogs are as large as is said
//! and no larger.

use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Column, Setup, run_sql};
use crate::contestant::{Database, Running, Variant};
use crate::generator::Options;
use crate::processes::Memory;
use crate::report::Numbers;
use crate::request::Request;
use crate::response;
use crate::scenario::POINT;

/// As often the catalog is loaded anew.
const RELOADS: u32 = 5;
const RELOAD_WAIT_MAX: Duration = Duration::from_secs(120);
const LOADS: &str = "pgrst_schema_cache_loads_total{status=\"SUCCESS\"} ";
const DATABASE: &str = "growth";

/// What there is of everything.
#[derive(Clone, Copy)]
struct Size {
    relations: usize,
    schemas: usize,
    roles: usize,
    shapes: u32,
    clients: usize,
}

const SMALL: Size = Size {
    relations: 10,
    schemas: 1,
    roles: 1,
    shapes: 1,
    clients: 32,
};

pub(super) fn run(setup: &Setup) -> io::Result<Vec<Column>> {
    let sizes = sizes();
    let names: Vec<&str> = sizes.iter().map(|(name, _)| name.as_str()).collect();
    setup.rounds(&names, |name| {
        let found = sizes.iter().find(|(other, _)| other == name);
        let (_, size) = found.expect("it is one of these names");
        create(setup, size)?;
        let measured = measure(setup, size);
        remove(size)?;
        measured
    })
}

fn sizes() -> Vec<(String, Size)> {
    let mut sizes = Vec::new();
    for relations in [10, 100, 1_000, 10_000, 50_000] {
        let size = Size { relations, ..SMALL };
        sizes.push((format!("{relations} relations"), size));
    }
    for schemas in [1, 20, 200] {
        let size = Size {
            relations: 2_000,
            schemas,
            ..SMALL
        };
        sizes.push((format!("2000 in {schemas} schemas"), size));
    }
    for roles in [1, 100, 10_000] {
        sizes.push((format!("{roles} roles"), Size { roles, ..SMALL }));
    }
    for shapes in [1, 100, 10_000] {
        sizes.push((format!("{shapes} shapes"), Size { shapes, ..SMALL }));
    }
    for clients in [1, 100, 1_000, 10_000] {
        sizes.push((format!("{clients} clients"), Size { clients, ..SMALL }));
    }
    sizes
}

/// Each relation refers to the one before in its schema. A transaction for each hundred, for each
/// of them takes locks.
const SCHEMA: &str = "
    create procedure grow(relations int, schemas int) language plpgsql as $$
      begin
        for s in 1 .. schemas loop
          execute format('create schema growth_%s', s);
          execute format('grant usage on schema growth_%s to web_anon', s);
          execute format('alter default privileges in schema growth_%s
                            grant select on tables to web_anon', s);
        end loop;
        for i in 0 .. relations - 1 loop
          execute format(
            'create table growth_%1$s.t%2$s (id int primary key, name text, parent int %3$s)',
            i % schemas + 1, i,
            case when i >= schemas
              then format('references growth_%s.t%s', i % schemas + 1, i - schemas) end);
          if i % 100 = 99 then commit; end if;
        end loop;
        insert into growth_1.t0 values (1, 'one');
      end $$;";

fn create(setup: &Setup, size: &Size) -> io::Result<()> {
    let Size {
        relations,
        schemas,
        roles,
        ..
    } = size;
    run_sql(&format!("create database {DATABASE} template template0"))?;
    run_in_database(setup, SCHEMA)?;
    run_in_database(setup, &format!("call grow({relations}, {schemas})"))?;
    run_in_database(setup, "analyze pg_class, pg_attribute, pg_constraint")?;
    run_sql(&format!(
        "do $$ begin for i in 1 .. {roles} loop
           execute format('create role growth_%s', i);
           execute format('grant growth_%s to authenticator', i);
           execute format('alter role growth_%s set statement_timeout to ''10s''', i);
         end loop; end $$"
    ))
}

fn remove(size: &Size) -> io::Result<()> {
    run_sql(&format!("drop database {DATABASE} with (force)"))?;
    run_sql(&format!(
        "do $$ begin for i in 1 .. {} loop execute format('drop role growth_%s', i);
         end loop; end $$",
        size.roles
    ))
}

fn run_in_database(setup: &Setup, sql: &str) -> io::Result<()> {
    let mut psql = Command::new("psql");
    psql.args(["-Xqd", DATABASE, "-c", sql]);
    let status = psql.env("PGOPTIONS", "-c client_min_messages=warning");
    let status = status.env("PGHOST", &setup.database.host).status()?;
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("psql: {status}"))),
    }
}

fn measure(setup: &Setup, size: &Size) -> io::Result<Numbers> {
    let database = Database {
        name: DATABASE.to_owned(),
        ..setup.database.clone()
    };
    let schemas: Vec<String> = (1..=size.schemas).map(|s| format!("growth_{s}")).collect();
    let variant = Variant {
        settings: vec![("PGRST_DB_SCHEMAS", schemas.join(","))],
        ..Variant::default()
    };
    let begin = Instant::now();
    let running = setup.server_at(&database, &variant)?;
    let mut numbers = vec![("ready_ms", milliseconds(begin.elapsed()))];
    let resident = || Memory::of_process(running.pid()).map(|it| it.resident_kib as f64 / 1024.0);
    numbers.push(("resident_mib", resident()?));
    let begin = Instant::now();
    let unknown = Request::get("/t00");
    let (status, _) = response::fetch(&running.target, &unknown)?;
    numbers.push(("unknown_ms", milliseconds(begin.elapsed())));
    if status != 404 {
        return Err(io::Error::other(format!("{status} for what is not there")));
    }
    let path = match size.shapes {
        1 => "/t0?id=eq.{id}",
        _ => "/t0?select=id,name{id}:name&id=eq.1",
    };
    numbers.extend(setup.load(&running, &POINT, |options| Options {
        request: Request::get(path),
        id_max: size.shapes,
        body_contains: r#""id":1"#.to_owned(),
        connections: size.clients,
        ..options
    })?);
    let begin = Instant::now();
    for _ in 0..RELOADS {
        reload(&running)?;
    }
    let reload_ms = milliseconds(begin.elapsed()) / f64::from(RELOADS);
    numbers.push(("reload_ms", reload_ms));
    numbers.push(("resident_after_mib", resident()?));
    Ok(numbers)
}

/// Has the catalog loaded, and waits until it is.
fn reload(running: &Running) -> io::Result<()> {
    let loads = || -> io::Result<u64> {
        let (_, metrics) = response::fetch(&running.admin, &Request::get("/metrics"))?;
        let metrics = String::from_utf8_lossy(&metrics).into_owned();
        let value = metrics.lines().find_map(|line| line.strip_prefix(LOADS));
        let value = value.and_then(|value| value.trim().parse::<f64>().ok());
        value
            .map(|value| value as u64)
            .ok_or_else(|| io::Error::other(format!("no {LOADS}")))
    };
    let before = loads()?;
    let pid = i32::try_from(running.pid()).ok().and_then(Pid::from_raw);
    kill_process(pid.ok_or(io::ErrorKind::NotFound)?, Signal::USR1)?;
    let deadline = Instant::now() + RELOAD_WAIT_MAX;
    while loads()? == before {
        if Instant::now() > deadline {
            return Err(io::Error::other("the catalog was not loaded in time"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
