//! What is loaded from the database, apart from what requests ask for: the version of the server,
//! the configuration and the settings of roles that are kept in it, and the catalog.
//!
//! Each load has a connection of its own, so that it sees the settings that the login role has
//! now. The statements and the meaning of their answers are `corerest-api`'s.

use super::conversation::{Conversation, LoadError, not_decoded};
use corerest_api::{Catalog, Facts, Named, PgVersion, RoleSettings, Scope, Suspects};
use corerest_api::{ask_catalog, ask_database_config, ask_role_settings, decode_catalog};
use corerest_api::{ask_facts, decode_facts};
use corerest_api::{decode_database_config, decode_role_settings, pause_statement};
use corerest_config::{Config, FunctionName};
use corerest_sql::Ident;
use std::time::{Duration, Instant};

/// A catalog, and how long it took.
#[derive(Debug)]
pub(crate) struct LoadedCatalog {
    pub(crate) catalog: Catalog,
    /// To ask PostgreSQL.
    pub(crate) queried: Duration,
    /// To make the catalog of its answer.
    pub(crate) decoded: Duration,
}

/// The configuration in the database.
pub(crate) fn load_database_config(
    conversation: &mut Conversation,
    pre_config: Option<&FunctionName>,
) -> Result<Vec<(String, String)>, LoadError> {
    let question = ask_database_config(pre_config);
    let mut document = conversation.ask(&question)?;
    decode_database_config(&mut document).map_err(not_decoded)
}

/// The settings of the roles that requests may run as.
pub(crate) fn load_role_settings(
    conversation: &mut Conversation,
    version: &PgVersion,
) -> Result<RoleSettings, LoadError> {
    let question = ask_role_settings(version.number);
    let mut document = conversation.ask(&question)?;
    decode_role_settings(&mut document).map_err(not_decoded)
}

/// What tells whether a configuration will serve.
pub(crate) fn load_facts(
    conversation: &mut Conversation,
    config: &Config,
    functions: &[Named<'_>],
) -> Result<Facts, LoadError> {
    let question = ask_facts(Suspects {
        anonymous: config.db_anon_role.as_deref(),
        schemas: &config.db_schemas,
        search_path: &config.db_extra_search_path,
        functions,
    });
    let mut document = conversation.ask(&question)?;
    decode_facts(&mut document).map_err(not_decoded)
}

/// The catalog.
pub(crate) fn load_catalog(
    conversation: &mut Conversation,
    config: &Config,
) -> Result<LoadedCatalog, LoadError> {
    let started = Instant::now();
    let pause = |milliseconds: Option<i64>| milliseconds.map(pause_statement);
    let question = ask_catalog(Scope {
        schemas: &idents(&config.db_schemas),
        extra_search_path: &idents(&config.db_extra_search_path),
    });
    let question = question.between(
        pause(config.internal_schema_cache_query_sleep_before_queries),
        pause(config.internal_schema_cache_query_sleep),
    );
    let mut document = conversation.ask(&question)?;
    let queried = started.elapsed();
    let catalog = decode_catalog(&mut document).map_err(not_decoded)?;
    Ok(LoadedCatalog {
        catalog,
        queried,
        decoded: started.elapsed() - queried,
    })
}

fn idents(names: &[String]) -> Vec<Ident> {
    names.iter().map(|name| Ident::before_nul(name)).collect()
}
