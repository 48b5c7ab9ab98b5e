//! GET and HEAD of a table or view: a read, and, if the client wants it, how many rows there would
//! be without a limit.

use super::asked::{Asked, BodyWanted, Question};
use super::pending::{Expected, Prepared};
use crate::error::Error;
use crate::plan::{PlannedRead, Root, RootRows, RowsCheck, find_table, is_quiet, plan_read};
use crate::query::{AccessMode, Count, write_count_estimate, write_read};
use crate::request::preferences::CountPreference;
use crate::response::{ExplainPending, ReadPending};
use corerest_sql::QualifiedName;

impl Asked<'_, '_> {
    pub(super) fn prepare_read(
        &self,
        name: &QualifiedName,
        headers_only: bool,
    ) -> Result<Prepared, Error> {
        let Asked {
            config,
            catalog,
            request,
            ..
        } = *self;
        let root = Root {
            name: &find_table(catalog, name)?.name,
            rows: RootRows::Table,
        };
        let PlannedRead {
            plan,
            deprecated_names,
        } = plan_read(config, catalog, request, root)?;
        let body = if headers_only {
            BodyWanted::No
        } else {
            BodyWanted::Yes
        };
        let mut negotiated = self.negotiate(root.name, &plan, body)?;
        negotiated.send_row_by_row(None, self.wishes_rows(&negotiated));
        self.refuse_unknown_preferences()?;
        let count = Count {
            preference: request.preferences.count,
            rows_max: config.db_max_rows,
        };
        let is_estimated = matches!(
            count.preference,
            Some(CountPreference::Planned | CountPreference::Estimated)
        );
        let overrides = self.overrides(is_quiet(catalog, &plan, &negotiated));
        let batch = self.batch(Question {
            statement: write_read(&plan, &negotiated, count, overrides),
            estimate: (is_estimated && negotiated.plan.is_none())
                .then(|| write_count_estimate(&plan)),
            access: AccessMode::ReadOnly,
            routine: None,
            overrides,
            is_read: true,
            is_explicit: false,
        });
        let expected = match negotiated.plan {
            Some(_) => Expected::Plan(Box::new(ExplainPending::new(
                request,
                negotiated.media_type,
            ))),
            None => {
                let media_type = negotiated.media_type;
                let sent = self.rows_sent(negotiated.frame, &plan);
                let read =
                    ReadPending::new(config, request, root.name, headers_only, media_type, sent);
                Expected::Read(Box::new(read))
            }
        };
        let pending = self.pending(expected, RowsCheck::default(), &deprecated_names);
        Ok(Prepared::Ask(batch, pending))
    }
}
