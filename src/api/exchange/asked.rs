//! A request that is being planned, and what the kinds of requests share in that. Each kind has a
//! file of its own, which adds its method to [`Asked`].

use super::context::Context;
use super::pending::{Deprecation, ErrorStyle, Expected, Pending};
use super::precedent::Precedent;
use crate::auth::Identity;
use crate::catalog::{Catalog, IsolationLevel, Routine};
use crate::error::Error;
use crate::plan::{Frame, Negotiated, ReadPlan, Representation, RowsCheck, Wanted, negotiate};
use crate::query::{
    AccessMode, Batch, Circumstances, MainStatement, Overrides, Parts, TransactionEnd,
    write_pre_request, write_settings,
};
use crate::request::ApiRequest;
use crate::request::payload::{BodyForm, Content, Payload, bytes_as_text};
use crate::request::preferences::{
    ConsistencyPreference, HandlingPreference, TransactionPreference,
};
use crate::response::RowsSent;
use crate::role_settings::RoleSettings;
use corerest_config::{Config, SessionReset};
use corerest_sql::{Ident, QualifiedName, SqlBuf, Statement};

/// What the files of this folder share: the request, and what it is answered from.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a, 'r> {
    pub(super) config: &'a Config,
    pub(super) catalog: &'a Catalog,
    pub(super) role_settings: &'a RoleSettings,
    pub(super) request: &'a ApiRequest<'r>,
    pub(super) identity: &'a Identity,
}

/// Whether the response will have a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyWanted {
    Yes,
    No,
}

/// The main statement of a request, and how it is to be run.
pub(super) struct Question<'a> {
    pub(super) statement: MainStatement,
    pub(super) estimate: Option<Statement>,
    pub(super) access: AccessMode,
    /// The function that is called.
    pub(super) routine: Option<&'a Routine>,
    /// Whether the database's own code may run in its transaction.
    pub(super) overrides: Overrides,
    /// Whether it reads and does nothing else, for all that is known.
    pub(super) is_read: bool,
    /// Whether its transaction begins and ends with words of its own.
    pub(super) is_explicit: bool,
}

impl<'a, 'r> Asked<'a, 'r> {
    pub(super) fn new(
        context: &Context<'a>,
        catalog: &'a Catalog,
        request: &'a ApiRequest<'r>,
        identity: &'a Identity,
    ) -> Asked<'a, 'r> {
        Asked {
            config: context.config,
            catalog,
            role_settings: context.role_settings,
            request,
            identity,
        }
    }

    pub(super) fn batch(&self, main: Question<'_>) -> Batch {
        let role = &self.identity.role;
        let hoisted = |routine: &Routine| {
            let settings = routine.hoisted_settings(&self.config.db_hoisted_tx_settings);
            settings
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        };
        let of_routine: Vec<_> = main.routine.map(hoisted).unwrap_or_default();
        let is_streamed = main.routine.is_none() && main.statement.is_streamed();
        let circumstances = Circumstances {
            config: self.config,
            http: &self.request.http,
            schema: &self.request.schema,
            timezone: self.request.preferences.timezone.as_deref(),
            identity: self.identity,
            access: main.access,
            of_role: self.role_settings.settings(role),
            of_routine: &of_routine,
            overrides: main.overrides,
            is_streamed,
        };
        // What a function asks for counts more than what its caller does.
        let isolation = main.routine.and_then(|routine| routine.isolation_level);
        let isolation = isolation.or_else(|| self.role_settings.isolation_level(role));
        let resets_session = match self.config.db_session_reset {
            SessionReset::None => false,
            SessionReset::Touched => main.overrides == Overrides::Possible,
            SessionReset::Always => true,
        };
        let preferences = &self.request.preferences;
        let has_replicas = !self.config.db_uri_read_replicas.is_empty();
        Batch::assemble(Parts {
            settings: write_settings(SqlBuf::new(), &circumstances),
            pre_request: self.config.db_pre_request.as_ref().map(write_pre_request),
            estimate: main.estimate,
            main: main.statement,
            access: main.access,
            body: self.body_form(main.routine),
            end: self.transaction_end(),
            isolation: isolation.unwrap_or(IsolationLevel::ReadCommitted),
            defaults: self.catalog.transaction_defaults,
            is_explicit: main.is_explicit,
            resets_session,
            // What stands before it promises nothing.
            is_repeatable: main.is_read && self.config.db_pre_request.is_none(),
            overrides: main.overrides,
            is_streamed,
            is_replicable: main.is_read && has_replicas && !preferences.is_strong(),
            tells_position: main.access == AccessMode::ReadWrite
                && preferences.consistency == Some(ConsistencyPreference::Session),
        })
    }

    /// What may be said of the response where a main statement is quiet, or is not.
    pub(super) fn overrides(&self, is_quiet: bool) -> Overrides {
        match is_quiet && self.config.db_pre_request.is_none() {
            true => Overrides::Impossible,
            false => Overrides::Possible,
        }
    }

    fn body_form(&self, routine: Option<&Routine>) -> BodyForm {
        let Some(Payload { content, .. }) = &self.request.payload else {
            return BodyForm::default();
        };
        match (content, routine) {
            (Content::Raw(bytes), Some(routine)) if routine.takes_bytes() => bytes_as_text(bytes),
            _ => content.body_form().unwrap_or_default(),
        }
    }

    /// How the rows that a read gives are represented.
    pub(super) fn negotiate(
        &self,
        target: &QualifiedName,
        read: &ReadPlan<'_>,
        body: BodyWanted,
    ) -> Result<Negotiated<'_>, Error> {
        let wanted = Wanted {
            accept: &self.request.accept,
            target,
            whole_rows: read.selects_whole_rows(),
            plan_enabled: self.config.db_plan_enabled,
        };
        let mut negotiated = negotiate(self.catalog, &wanted)?;
        if body == BodyWanted::No {
            negotiated.representation = Representation::Nothing;
        }
        Ok(negotiated)
    }

    /// Whether rows that could come as a whole are wished one by one.
    pub(super) fn wishes_rows(&self, negotiated: &Negotiated<'_>) -> bool {
        let always = match negotiated.representation {
            Representation::Json(_) => self.config.db_stream_rows,
            _ => false,
        };
        always || self.request.preferences.stream
    }

    /// How the rows of a read are sent, given what stands around them if it is one by one.
    pub(super) fn rows_sent(&self, frame: Option<Frame>, read: &ReadPlan<'_>) -> RowsSent {
        match frame {
            None => RowsSent::Together,
            Some(_) => RowsSent::OneByOne {
                total_tells: read.is_counted_as_read(),
                rows_max: self.config.db_max_rows,
            },
        }
    }

    pub(super) fn pending(
        &self,
        expected: Expected,
        check: RowsCheck,
        deprecated_names: &[(&Ident, &Ident)],
    ) -> Pending {
        Pending {
            expected,
            check,
            error: ErrorStyle::of(self.config, self.identity),
            deprecation: Deprecation::new(deprecated_names),
            precedent: Precedent::default(),
            varies_by_token: !self.config.db_uri_read_replicas.is_empty(),
        }
    }

    pub(super) fn refuse_unknown_preferences(&self) -> Result<(), Error> {
        let preferences = &self.request.preferences;
        let strict = preferences.handling == Some(HandlingPreference::Strict);
        if strict && !preferences.invalid.is_empty() {
            return Err(Error::InvalidPreferences {
                preferences: preferences.invalid.clone(),
            });
        }
        Ok(())
    }

    /// `Prefer: tx=…` where `db-tx-end` lets it decide, else what `db-tx-end` says.
    pub(super) fn transaction_end(&self) -> TransactionEnd {
        match self.request.preferences.transaction {
            Some(TransactionPreference::Commit) => TransactionEnd::Commit,
            Some(TransactionPreference::Rollback) => TransactionEnd::Rollback,
            None if self.config.db_tx_end.rollback_by_default() => TransactionEnd::Rollback,
            None => TransactionEnd::Commit,
        }
    }
}
