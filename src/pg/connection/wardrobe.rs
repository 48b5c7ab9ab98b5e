//! What a session wears: settings of requests that are made for the session, and not for each
//! transaction anew.
//!
//! ```text
//!        a while of quiet batches with the same role ──the next one makes its settings──▶ dressed
//! bare ◀──a batch that is not quiet, or with another role, comes, or a second is over──────┘
//! ```
//! PostgreSQL takes a third of its time for a lookup to make the settings of the transaction and to
//! take them back, and most of that for the role and the search path. Requests that follow each
//! other on a connection have the same of these, as a rule, and often the same of all. So what is
//! made already is left out of a quiet batch, and what else it wants is made for its transaction.
//! It finds what it would have found, to the letter, but for `default_transaction_read_only`. A
//! batch that fails changes nothing of what is worn, for that was made by a transaction that has
//! succeeded.
//!
//! Whatever is not quiet finds a session as it was opened: it may leave something, and a statement
//! that makes settings is executed with the rights of the login role. A second is the longest that
//! a role is worn which may have been taken from the login role meanwhile.
//!
//! A session whose undressing fails, for it was cancelled, goes on with the batch behind it as it
//! is. It is lost then, and nothing that this batch writes can stay: transactions are read-only by
//! default while something is worn.
//!
//! Behind a pooler sessions are somebody else's, too, so nothing is worn there.

use crate::sync::Instant;
use corerest_sql::{Difference, Guise, SqlText, Statement};
use std::borrow::Cow;
use std::time::Duration;

/// Back to how the session was opened. The second leaves the role as it is; and what the first
/// does must not be left to `SET SESSION AUTHORIZATION`: before 15.9, and the like, PostgreSQL
/// comes back to the role when the next transaction ends that takes one on (CVE-2024-10978).
pub(super) const UNDRESS: &str = "RESET ROLE; RESET ALL";

/// How many statements that is.
pub(super) const UNDRESS_STATEMENTS: usize = 2;

/// How many quiet batches have to come in a row. Undressing costs half of what a settings statement
/// does, so that where every sixteenth request is not quiet, dressing still spares something.
const STREAK_MIN: u32 = match cfg!(feature = "model") {
    // Fewer are sent in a simulation.
    true => 1,
    false => 16,
};

const WORN_MAX: Duration = Duration::from_secs(1);

/// A batch that only reads, and may be carried out twice.
#[derive(Clone, Copy, Debug)]
pub struct ReadBatch<'b> {
    /// The first makes the settings.
    pub statements: &'b [Statement],
    /// The body of the request, if a statement has it as a parameter.
    pub request_body: &'b [u8],
    /// How its settings can be made for the session; `None` if they cannot, as where code of the
    /// database's own may run.
    pub guise: Option<&'b Guise>,
}

/// What is worn, and what leads to it.
#[derive(Debug, Default)]
pub(super) struct Wardrobe {
    worn: Option<Worn>,
    /// What will be worn if the batch that is the last one sent succeeds.
    trying: Option<Worn>,
    /// What the last batch would have worn.
    wanted: Option<Statement>,
    /// How many have wanted the same.
    streak: u32,
    /// Whether what is worn is taken off before the batch begins.
    is_undressing: bool,
    /// Whether there was a role that may not make settings.
    is_refused: bool,
}

#[derive(Debug)]
struct Worn {
    /// Makes the same for a transaction.
    settings: Statement,
    since: Instant,
}

/// How the settings of a quiet batch are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Making {
    /// By its own statement.
    Whole,
    /// For the session.
    ForSession,
    /// As far as they differ from those that are worn.
    Rest(Difference),
}

impl Making {
    /// The text of the statement, if there is one.
    pub(super) fn text<'b>(self, batch: ReadBatch<'b>) -> Option<&'b SqlText> {
        match (self, batch.guise) {
            (Making::Whole, _) | (_, None) => batch.statements.first().map(|first| &first.text),
            (Making::ForSession, Some(guise)) => Some(&guise.for_session),
            (Making::Rest(difference), Some(guise)) => guise.difference_text(difference),
        }
    }

    /// The statement itself, which takes the place of this one.
    pub(super) fn statement<'b>(
        self,
        settings: &'b Statement,
        guise: Option<&Guise>,
    ) -> Option<Cow<'b, Statement>> {
        match (self, guise) {
            (Making::Whole, _) | (_, None) => Some(Cow::Borrowed(settings)),
            (Making::ForSession, Some(guise)) => Some(Cow::Owned(Statement {
                text: guise.for_session.clone(),
                params: settings.params.clone(),
            })),
            (Making::Rest(difference), Some(guise)) => {
                guise.make_up(settings, difference).map(Cow::Owned)
            }
        }
    }
}

impl Wardrobe {
    /// Whether something is worn, or being put on: reports of settings are about that, then.
    pub(super) fn is_dressed(&self) -> bool {
        self.worn.is_some() || self.trying.is_some()
    }

    /// Something comes that is not quiet.
    pub(super) fn interrupt(&mut self) {
        self.streak = 0;
    }

    /// Takes off what is worn, and says whether there is something.
    pub(super) fn take_off(&mut self) -> bool {
        self.is_undressing = self.worn.is_some();
        if self.is_undressing {
            self.interrupt();
        }
        self.is_undressing
    }

    pub(super) fn is_undressing(&self) -> bool {
        self.is_undressing
    }

    /// Nothing of what was to be sent was: the session wears what it wore.
    pub(super) fn on_not_sent(&mut self) {
        self.is_undressing = false;
        self.trying = None;
    }

    /// The session is as it was opened.
    pub(super) fn on_bare(&mut self) {
        self.is_undressing = false;
        self.worn = None;
    }

    /// Whether it was worn for long enough.
    pub(super) fn is_outworn(&self) -> bool {
        let worn = self.worn.as_ref();
        worn.is_some_and(|worn| worn.since.elapsed() >= WORN_MAX)
    }

    /// How the settings of this batch are made with what is worn; `None` if they cannot be.
    pub(super) fn fit(&self, batch: ReadBatch<'_>) -> Option<Making> {
        let Some(worn) = self.worn.as_ref().filter(|_| !self.is_undressing) else {
            return Some(Making::Whole);
        };
        let difference = batch
            .guise?
            .difference(&batch.statements[0], &worn.settings);
        difference.map(Making::Rest)
    }

    /// Takes note of what a batch wants that is about to be sent, and says whether enough of them
    /// in a row have wanted the same role and path.
    pub(super) fn is_worth_dressing(&mut self, batch: ReadBatch<'_>) -> bool {
        let Some(guise) = batch.guise else {
            self.streak = 0;
            return false;
        };
        let settings = &batch.statements[0];
        let wanted = self.wanted.as_ref();
        if wanted.is_some_and(|wanted| guise.difference(settings, wanted).is_some()) {
            self.streak = self.streak.saturating_add(1);
        } else {
            self.wanted = Some(settings.clone());
            self.streak = 0;
        }
        self.streak >= STREAK_MIN
    }

    /// The last batch that is sent makes its settings for the session.
    pub(super) fn try_on(&mut self, batch: ReadBatch<'_>) {
        self.trying = Some(Worn {
            settings: batch.statements[0].clone(),
            since: Instant::now(),
        });
    }

    /// The last batch that was sent is over.
    pub(super) fn on_over(&mut self, has_failed: bool) {
        if let Some(trying) = self.trying.take() {
            self.worn = Some(trying).filter(|_| !has_failed);
        }
    }

    /// A role that is worn may not make settings, so that nothing is worn any more.
    pub(super) fn refuse(&mut self) {
        self.is_refused = true;
    }

    pub(super) fn is_refused(&self) -> bool {
        self.is_refused
    }
}
