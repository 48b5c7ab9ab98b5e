//! GET and HEAD of the root: the description of a schema. PostgreSQL says what the role may use,
//! and the document is made of that when it has answered.

use super::asked::{Asked, Question};
use super::pending::{ErrorStyle, Expected, Pending, Prepared};
use super::precedent::{AnswerSize, Precedent};
use crate::error::Error;
use crate::plan::RowsCheck;
use crate::query::{AccessMode, write_openapi};
use crate::response::OpenApiPending;
use corerest_config::OpenApiMode;
use corerest_sql::Ident;

impl Asked<'_, '_> {
    pub(super) fn prepare_schema(
        &self,
        schema: &Ident,
        headers_only: bool,
    ) -> Result<Prepared, Error> {
        let expected = OpenApiPending::new(self.config, self.request, schema, headers_only)?;
        // A HEAD says nothing of what is in the schema, and need not look for it.
        let mode = if headers_only {
            OpenApiMode::IgnorePrivileges
        } else {
            self.config.openapi_mode
        };
        let batch = self.batch(Question {
            statement: write_openapi(expected.version(), mode, schema),
            estimate: None,
            access: AccessMode::ReadOnly,
            routine: None,
            overrides: self.overrides(true),
            // The document must agree with the catalog, which is the primary's.
            is_read: false,
            is_explicit: false,
        });
        let pending = Pending {
            expected: Expected::Schema(Box::new(expected)),
            check: RowsCheck::default(),
            error: ErrorStyle::of(self.config, self.identity),
            deprecation: None,
            // It is made here: 7 MB in 40 ms for 3,000 tables and as many functions. Not each of
            // the many ways to ask for it has a shape.
            precedent: Precedent::of_shape(AnswerSize::Large, None),
            varies_by_token: false,
        };
        Ok(Prepared::Ask(batch, pending))
    }
}
