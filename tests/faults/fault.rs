//! What a fault is: an entry in a table.

use crate::load::Habits;
use crate::stage::Stage;
use crate::world::World;

/// A fault, and what may come of it.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// What it is called, in the report and on the command line.
    pub name: &'static str,
    /// What stands around the server.
    pub stage: Stage,
    /// Settings of the server besides the usual ones.
    pub settings: &'static [(&'static str, &'static str)],
    /// How the clients ask.
    pub habits: Habits,
    /// Makes it, lets it last, and ends it.
    pub act: fn(&mut World),
    /// How often, and in which form of the suite.
    pub effort: Effort,
    /// Which errors there may be: statuses, and what stands for them where there was none.
    pub errors: &'static [u16],
    /// Whether reads may not fail, but for those with a token: that names how far the log went when
    /// it was given, and what others had written of it by then may be lost with the primary.
    pub reads_go_on: bool,
    /// Whether answers may be wrong: nobody notices a changed byte in a value.
    pub may_be_wrong: bool,
    /// What is promised.
    pub limits: Limits,
}

/// How often a fault is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// In both forms; as often as is asked for.
    Quick,
    /// In the long form alone; as often as is asked for.
    Long,
    /// In the long form alone, and not more often than this, for it takes its time.
    AtMost(u32),
}

/// In seconds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the end of the fault to the first good answer, and to the last error.
    pub back: f64,
    /// The longest request.
    pub longest: f64,
    /// How long `/ready` says otherwise than a request does, after the end of the fault.
    pub ready: f64,
}

impl Limits {
    /// Of faults that are over in a moment.
    pub const USUAL: Limits = Limits {
        back: 1.5,
        longest: 2.0,
        ready: 2.5,
    };

    /// For a machine that is busy.
    #[must_use]
    pub fn times(self, factor: f64) -> Limits {
        Limits {
            back: self.back * factor,
            longest: self.longest * factor,
            ready: self.ready * factor,
        }
    }
}

impl Fault {
    /// What most entries begin with: `act` and a name have to be given.
    pub const USUAL: Fault = Fault {
        name: "",
        stage: Stage::Direct,
        settings: &[],
        habits: Habits::USUAL,
        act: |_| {},
        effort: Effort::Quick,
        errors: &[503],
        reads_go_on: false,
        may_be_wrong: false,
        limits: Limits::USUAL,
    };
}
