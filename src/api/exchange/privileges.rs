//! What the role may do with the relations of a schema: a question of the console. The description
//! tells which of them the role may use at all, and which methods they could take.

use super::asked::{Asked, Question};
use super::pending::{ErrorStyle, Expected, Pending, Prepared};
use super::precedent::Precedent;
use crate::plan::RowsCheck;
use crate::query::{AccessMode, write_privileges};

impl Asked<'_, '_> {
    pub(super) fn prepare_privileges(&self) -> Prepared {
        let batch = self.batch(Question {
            statement: write_privileges(&self.request.schema),
            estimate: None,
            access: AccessMode::ReadOnly,
            routine: None,
            overrides: self.overrides(true),
            // They must agree with the catalog, which is the primary's.
            is_read: false,
            is_explicit: false,
        });
        let pending = Pending {
            expected: Expected::Privileges,
            check: RowsCheck::default(),
            error: ErrorStyle::of(self.config, self.identity),
            deprecation: None,
            precedent: Precedent::default(),
            varies_by_token: false,
        };
        Prepared::Ask(batch, pending)
    }
}
