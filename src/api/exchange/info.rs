//! OPTIONS: which methods there are. The catalog knows, so no database is asked, and privileges are
//! not looked at.

use super::asked::Asked;
use super::pending::Prepared;
use crate::error::Error;
use crate::plan::{RoutineCall, argument_names, find_routine, find_table};
use crate::request::Invocation;
use crate::response::{relation_info, routine_info};
use corerest_sql::QualifiedName;

impl Asked<'_, '_> {
    pub(super) fn prepare_relation_info(&self, name: &QualifiedName) -> Result<Prepared, Error> {
        let table = find_table(self.catalog, name)?;
        Ok(Prepared::Reply(relation_info(table)))
    }

    /// Parity: what a HEAD of the function would be refused for, this is, too.
    pub(super) fn prepare_routine_info(&self, name: &QualifiedName) -> Result<Prepared, Error> {
        let invocation = Invocation::Read { headers_only: true };
        self.prepare_call(name, invocation)?;
        let call = RoutineCall {
            name,
            arguments: &argument_names(self.request, invocation),
            content_type: &self.request.content_type,
            invocation,
        };
        let routine = find_routine(self.catalog, &call)?;
        Ok(Prepared::Reply(routine_info(routine)))
    }
}
