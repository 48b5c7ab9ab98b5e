//! What a request wants to be done, and with what: its method and its path, understood. Body and
//! preferences are read differently for each action.

use super::media_type::MediaType;
use super::query_params::FilterStyle;
use corerest_sql::{Ident, QualifiedName};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// GET and HEAD of a table or view.
    ReadRelation {
        /// The table or view.
        name: QualifiedName,
        /// Whether it was HEAD.
        headers_only: bool,
    },
    /// POST, PUT, PATCH and DELETE of a table or view.
    MutateRelation {
        /// The table or view.
        name: QualifiedName,
        /// What is done to it.
        mutation: Mutation,
    },
    /// GET, HEAD and POST of a function.
    CallRoutine {
        /// The function.
        name: QualifiedName,
        /// How it is called.
        invocation: Invocation,
    },
    /// GET and HEAD of the root: the description of a schema.
    ReadSchema {
        /// The schema.
        schema: Ident,
        /// Whether it was HEAD.
        headers_only: bool,
    },
    /// OPTIONS of a table or view.
    RelationInfo {
        /// The table or view.
        name: QualifiedName,
    },
    /// OPTIONS of a function.
    RoutineInfo {
        /// The function.
        name: QualifiedName,
    },
    /// OPTIONS of the root.
    SchemaInfo,
}

/// What is done to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// POST
    Create,
    /// PUT
    SingleUpsert,
    /// PATCH
    Update,
    /// DELETE
    Delete,
}

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// With its arguments in the body.
    Post,
    /// With its arguments in the query string, and changing nothing.
    Read {
        /// Whether it was HEAD.
        headers_only: bool,
    },
}

impl Action {
    /// Whether the parameters `columns` and `on_conflict` mean anything to it.
    pub(super) fn counts(&self, parameter: &str, content_type: &MediaType) -> bool {
        let (inserts, takes_columns) = match self {
            Action::MutateRelation { mutation, .. } => match mutation {
                Mutation::Create => (true, true),
                Mutation::Update => (false, true),
                Mutation::SingleUpsert | Mutation::Delete => (false, false),
            },
            Action::CallRoutine { invocation, .. } => (false, *invocation == Invocation::Post),
            Action::ReadRelation { .. }
            | Action::ReadSchema { .. }
            | Action::RelationInfo { .. }
            | Action::RoutineInfo { .. }
            | Action::SchemaInfo => (false, false),
        };
        match parameter {
            "on_conflict" => inserts,
            // CSV and forms say themselves what they are for.
            _ => takes_columns && *content_type == MediaType::ApplicationJson,
        }
    }

    pub(super) fn filter_style(&self) -> FilterStyle {
        match self {
            Action::CallRoutine {
                invocation: Invocation::Read { .. },
                ..
            } => FilterStyle::OrArgument,
            Action::CallRoutine {
                invocation: Invocation::Post,
                ..
            }
            | Action::ReadRelation { .. }
            | Action::MutateRelation { .. }
            | Action::ReadSchema { .. }
            | Action::RelationInfo { .. }
            | Action::RoutineInfo { .. }
            | Action::SchemaInfo => FilterStyle::OperatorNeeded,
        }
    }
}
