//! The replicas, as far as is known: which of them will do for reads, and how far each has come.
//!
//! ```text
//!              ┌──looked at: within the lag──▶ usable ──a request has lost it──┐
//!  left out ───┤  (and well for long enough)     │                             │
//!     ▲        └──looked at: not─────────────────┘ looked at: not, or mute     │
//!     └────────────────────────────────────────────────────────────────────────┘
//! ```
//! One that has failed has to be well for a while before it is usable again, for longer each time
//! ([`Record`]), or a replica that comes and goes would hold up reads whenever it goes; unless
//! there is nobody else to ask.
//!
//! A thread of the control plane looks at each server once a second (`control/following`); the
//! cores read what it has found, and say when they have lost one. How far a replica is behind is
//! measured by our clock alone: since when the primary has had something that the replica has not.
//! While the primary is away nothing is added to that, for there is nothing to be behind of.
//!
//! Invariant: what parked reads wait for is stored in one total order with the queue of those
//! reads (`SeqCst`): whoever changes it looks for them after that.

use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Instant, Mutex, lock};
use corerest_api::{Position, Standing};
use std::collections::VecDeque;
use std::thread::Thread;
use std::time::Duration;

/// How often each server is looked at.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// How long a replica must have been well for its failures not to count any more. It is longer than
/// [`WELL_MAX`], so that there is something behind that.
const FORGIVEN: Duration = Duration::from_secs(60);

/// How long it has to be well before it is usable again, after its first failure and at the most.
const WELL_MIN: Duration = Duration::from_secs(1);
const WELL_MAX: Duration = Duration::from_secs(30);

const _: () = assert!(WELL_MAX.as_secs() < FORGIVEN.as_secs());

/// After how long without a sign of it the primary is taken for away.
const MISSED_AFTER: Duration = LOOK.saturating_mul(3);

/// What is not known of a lag.
const UNKNOWN: u64 = u64::MAX;

/// The replicas.
#[derive(Debug)]
pub(crate) struct Fleet {
    replicas: Vec<Replica>,
    lag_max: Duration,
    falls_back: bool,
    /// The newest timeline that any server was seen on.
    timeline: AtomicU64,
    primary: Mutex<Primary>,
    /// How many looks at the primary have begun.
    primary_looks: AtomicU64,
    /// Whoever looks at the servers.
    watchers: Mutex<Vec<Thread>>,
}

/// What is known of a replica.
#[derive(Debug)]
pub(crate) struct Replica {
    /// What it is called in metrics and in the log.
    name: String,
    is_usable: AtomicBool,
    lag_milliseconds: AtomicU64,
    replayed: AtomicU64,
    /// How often it was left out.
    left_out: AtomicU64,
    record: Mutex<Record>,
}

/// How a replica has done of late.
///
/// ```text
/// well ──fails──▶ failed ──seen──▶ on probation ──well for 1, 2, 4 … 30 s──▶ well
///                   ▲                    │                                    │
///                   └───────fails────────┘      for a minute: its failures are forgiven
/// ```
#[derive(Debug, Default)]
struct Record {
    /// How often it has failed while it was asked.
    failures: u32,
    /// Since when it has answered whoever looks at it, if it does.
    well_since: Option<Instant>,
}

/// Where the primary was.
#[derive(Debug, Default)]
struct Primary {
    /// Which cluster it is a part of, and on which timeline.
    whose: Option<(String, u32)>,
    /// When it had written how much, the oldest first.
    samples: VecDeque<(Instant, u64)>,
    /// When it was seen the last time.
    seen: Option<Instant>,
    /// How far the log went then.
    end: Option<Position>,
}

/// Why a replica will not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It is too far behind.
    Lags(Duration),
    /// Nobody knows how far it is behind: the primary was not seen yet.
    Unmeasured,
    /// It is a part of another cluster.
    Foreign,
    /// It is a primary whose time is over, or follows one.
    Astray,
    /// It has failed, and has to be well for so long first.
    OnProbation(Duration),
}

impl Fleet {
    /// None of them is known yet.
    pub(crate) fn new(names: Vec<String>, lag_max: Duration, falls_back: bool) -> Fleet {
        let names = distinct(names);
        let replica = |name| Replica {
            name,
            is_usable: AtomicBool::new(false),
            lag_milliseconds: AtomicU64::new(UNKNOWN),
            replayed: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
            record: Mutex::default(),
        };
        Fleet {
            replicas: names.into_iter().map(replica).collect(),
            lag_max,
            falls_back,
            timeline: AtomicU64::new(0),
            primary: Mutex::new(Primary::default()),
            primary_looks: AtomicU64::new(0),
            watchers: Mutex::new(Vec::new()),
        }
    }

    /// The replicas, in the order of the configuration.
    pub(crate) fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// Whether reads may go to the primary when no replica will do.
    pub(crate) fn falls_back(&self) -> bool {
        self.falls_back
    }

    /// Whether any replica will do.
    pub(crate) fn has_usable(&self) -> bool {
        self.replicas.iter().any(Replica::is_usable)
    }

    /// The newest timeline that any server was seen on; 0 if none was.
    pub(crate) fn timeline(&self) -> u32 {
        u32::try_from(self.timeline.load(Ordering::SeqCst)).unwrap_or(u32::MAX)
    }

    /// Whether a replica may have replayed what a token names: not if that is of a timeline that
    /// has ended, for what was written at its end may be lost.
    pub(crate) fn can_tell(&self, position: Position) -> bool {
        position.timeline >= self.timeline()
    }

    /// Whoever looks at a server is to be waked when there may be a reason to look again.
    pub(crate) fn add_watcher(&self, thread: Thread) {
        lock(&self.watchers).push(thread);
    }

    /// There may be a reason to look again.
    pub(crate) fn hurry(&self) {
        lock(&self.watchers).iter().for_each(Thread::unpark);
    }

    /// A request has lost a replica, or it could not be reached: nobody else is to try before it
    /// was seen again. Returns whether that is news.
    pub(crate) fn lose(&self, replica: usize) -> bool {
        let replica = &self.replicas[replica];
        let is_news = replica.leave_out();
        lock(&replica.record).on_failure(is_news);
        if is_news {
            self.hurry();
        }
        is_news
    }

    /// How far the primary's log is known to go.
    pub(crate) fn end(&self) -> Option<Position> {
        lock(&self.primary).end
    }

    /// How many looks at the primary have begun.
    pub(crate) fn primary_looks(&self) -> u64 {
        self.primary_looks.load(Ordering::SeqCst)
    }

    /// One more begins. Says which it is.
    pub(crate) fn begin_primary_look(&self) -> u64 {
        1 + self.primary_looks.fetch_add(1, Ordering::SeqCst)
    }

    /// The primary was seen.
    pub(crate) fn on_primary(&self, standing: &Standing, now: Instant) {
        self.note_timeline(standing.timeline);
        let mut primary = lock(&self.primary);
        let whose = (standing.system.clone(), standing.timeline);
        if primary.whose.as_ref() != Some(&whose) {
            primary.whose = Some(whose);
            // Positions of different timelines cannot be compared.
            primary.samples.clear();
        }
        primary.seen = Some(now);
        let end = Position {
            timeline: standing.timeline,
            lsn: standing.end,
        };
        primary.end = primary.end.max(Some(end));
        primary.samples.push_back((now, standing.lsn));
        let kept = self.lag_max + 2 * LOOK;
        while let Some((at, _)) = primary.samples.front()
            && now.saturating_duration_since(*at) > kept
        {
            primary.samples.pop_front();
        }
    }

    /// A server is on this timeline.
    fn note_timeline(&self, timeline: u32) {
        self.timeline
            .fetch_max(u64::from(timeline), Ordering::SeqCst);
    }

    /// A replica was seen. Returns what is wrong with it.
    pub(crate) fn on_replica(
        &self,
        replica: usize,
        standing: &Standing,
        now: Instant,
    ) -> Option<Unfit> {
        self.note_timeline(standing.timeline);
        let probation = lock(&self.replicas[replica].record).on_answer(now);
        let lag = self.lag(standing, now);
        let fit = match (&lag, probation) {
            (Ok(_), Err(first)) if self.has_others(replica, now) => Err(Unfit::OnProbation(first)),
            (Ok(_), _) => Ok(()),
            (Err(unfit), _) => Err(unfit.clone()),
        };
        let replica = &self.replicas[replica];
        replica.replayed.store(standing.lsn, Ordering::SeqCst);
        let milliseconds = match lag {
            Ok(lag) | Err(Unfit::Lags(lag)) => u64::try_from(lag.as_millis()).unwrap_or(UNKNOWN),
            Err(_) => UNKNOWN,
        };
        replica
            .lag_milliseconds
            .store(milliseconds, Ordering::Relaxed);
        match fit {
            Ok(()) => replica.is_usable.store(true, Ordering::SeqCst),
            Err(_) => _ = replica.leave_out(),
        }
        fit.err()
    }

    /// Whether reads can be asked of somebody else.
    fn has_others(&self, replica: usize, now: Instant) -> bool {
        let mut others = self.replicas.iter().enumerate();
        let by_replica = others.any(|(other, known)| other != replica && known.is_usable());
        by_replica || self.falls_back && self.is_primary_there(now)
    }

    fn is_primary_there(&self, now: Instant) -> bool {
        let seen = lock(&self.primary).seen;
        seen.is_some_and(|seen| now.saturating_duration_since(seen) < MISSED_AFTER)
    }

    /// How far a server is behind, if it will do.
    fn lag(&self, standing: &Standing, now: Instant) -> Result<Duration, Unfit> {
        let primary = lock(&self.primary);
        let (Some((system, _)), Some(seen)) = (&primary.whose, primary.seen) else {
            return Err(Unfit::Unmeasured);
        };
        if *system != standing.system {
            return Err(Unfit::Foreign);
        }
        if !standing.recovers {
            // It was promoted, or a pool that prefers standbys has found none.
            return match standing.timeline >= self.timeline() {
                true => Ok(Duration::ZERO),
                false => Err(Unfit::Astray),
            };
        }
        let until = now.min(seen);
        let mut samples = primary.samples.iter();
        let missing = samples.find(|(_, lsn)| *lsn > standing.lsn);
        match missing {
            None => Ok(Duration::ZERO),
            Some((since, _)) => {
                let lag = until.saturating_duration_since(*since);
                match lag <= self.lag_max {
                    true => Ok(lag),
                    false => Err(Unfit::Lags(lag)),
                }
            }
        }
    }

    /// Whether a usable replica has come so far, when it was last looked at.
    pub(crate) fn has_replayed(&self, position: Position) -> bool {
        let mut usable = self.replicas.iter().filter(|replica| replica.is_usable());
        usable.any(|replica| replica.replayed() >= position.lsn)
    }
}

impl Record {
    /// It has failed, perhaps while it was asked.
    fn on_failure(&mut self, was_asked: bool) {
        self.well_since = None;
        if was_asked {
            self.failures = self.failures.saturating_add(1);
        }
    }

    /// It has answered. Whether it has done so for long enough, or for how long it has to.
    fn on_answer(&mut self, now: Instant) -> Result<(), Duration> {
        let well_since = *self.well_since.get_or_insert(now);
        let well_for = now.saturating_duration_since(well_since);
        if well_for >= FORGIVEN {
            self.failures = 0;
        }
        let first = self.to_be_well_for();
        match well_for >= first {
            true => Ok(()),
            false => Err(first),
        }
    }

    fn to_be_well_for(&self) -> Duration {
        match self.failures.checked_sub(1) {
            None => Duration::ZERO,
            Some(earlier) => WELL_MIN
                .saturating_mul(2_u32.saturating_pow(earlier))
                .min(WELL_MAX),
        }
    }
}

/// Names that stand in labels of metrics: without quotes, and no two alike.
fn distinct(names: Vec<String>) -> Vec<String> {
    let names = names
        .iter()
        .map(|name| name.replace(['"', '\\', '\n'], "?"));
    let names: Vec<String> = names.collect();
    let numbered = names.iter().enumerate().map(|(at, name)| {
        let earlier = names[..at].iter().filter(|other| *other == name);
        match earlier.count() {
            0 => name.clone(),
            earlier => format!("{name} ({})", earlier + 1),
        }
    });
    numbered.collect()
}

impl Replica {
    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it will do.
    pub(crate) fn is_usable(&self) -> bool {
        self.is_usable.load(Ordering::SeqCst)
    }

    /// How far it is behind, if that is known.
    pub(crate) fn lag(&self) -> Option<Duration> {
        match self.lag_milliseconds.load(Ordering::Relaxed) {
            UNKNOWN => None,
            milliseconds => Some(Duration::from_millis(milliseconds)),
        }
    }

    /// How far it had come when it was last looked at.
    pub(crate) fn replayed(&self) -> u64 {
        self.replayed.load(Ordering::SeqCst)
    }

    /// How often it was left out.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    fn leave_out(&self) -> bool {
        let was_usable = self.is_usable.swap(false, Ordering::SeqCst);
        if was_usable {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        was_usable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(recovers: bool, lsn: u64, timeline: u32) -> Standing {
        Standing {
            system: "7".to_owned(),
            recovers,
            lsn,
            end: lsn,
            timeline,
        }
    }

    fn fleet() -> Fleet {
        let names = vec!["a".to_owned(), "b".to_owned()];
        Fleet::new(names, Duration::from_secs(10), true)
    }

    #[test]
    fn a_replica_is_behind_since_the_primary_had_what_it_has_not() {
        let (fleet, start) = (fleet(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let look = |lsn, seconds| fleet.on_replica(0, &standing(true, lsn, 1), at(seconds));
        assert_eq!(look(5, 0), Some(Unfit::Unmeasured));
        for second in 0..=20 {
            fleet.on_primary(&standing(false, 100 + second, 1), at(second));
        }
        assert_eq!(look(120, 20), None);
        assert_eq!(fleet.replicas()[0].lag(), Some(Duration::ZERO));
        assert_eq!(look(110, 20), None);
        assert_eq!(fleet.replicas()[0].lag(), Some(Duration::from_secs(9)));
        let lags = Unfit::Lags(Duration::from_secs(11));
        assert_eq!(look(108, 20), Some(lags));
        assert!(!fleet.replicas()[0].is_usable());
        assert_eq!(fleet.replicas()[0].left_out(), 1);
    }

    #[test]
    fn no_two_replicas_have_the_same_name() {
        let names = ["a:1", "b\"", "a:1", "a:1"].map(str::to_owned).to_vec();
        assert_eq!(distinct(names), ["a:1", "b?", "a:1 (2)", "a:1 (3)"]);
    }

    #[test]
    fn nobody_is_further_behind_because_the_primary_is_away() {
        let (fleet, start) = (fleet(), Instant::now());
        fleet.on_primary(&standing(false, 100, 1), start);
        let much_later = start + Duration::from_secs(1000);
        assert_eq!(
            fleet.on_replica(0, &standing(true, 90, 1), much_later),
            None
        );
        assert!(fleet.has_usable());
    }

    #[test]
    fn who_is_of_another_cluster_or_an_old_primary_will_not_do() {
        let (fleet, now) = (fleet(), Instant::now());
        fleet.on_primary(&standing(false, 100, 2), now);
        let foreign = Standing {
            system: "8".to_owned(),
            ..standing(true, 100, 2)
        };
        assert_eq!(fleet.on_replica(0, &foreign, now), Some(Unfit::Foreign));
        let old = standing(false, 300, 1);
        assert_eq!(fleet.on_replica(0, &old, now), Some(Unfit::Astray));
        let promoted = standing(false, 300, 3);
        assert_eq!(fleet.on_replica(0, &promoted, now), None);
        assert_eq!(fleet.timeline(), 3);
    }

    #[test]
    fn a_new_timeline_begins_a_new_measurement() {
        let (fleet, now) = (fleet(), Instant::now());
        fleet.on_primary(&standing(false, 500, 1), now);
        fleet.on_primary(&standing(false, 400, 2), now);
        let later = now + Duration::from_secs(60);
        fleet.on_primary(&standing(false, 410, 2), later);
        assert_eq!(fleet.on_replica(0, &standing(true, 410, 1), later), None);
        let token = |timeline| Position { timeline, lsn: 1 };
        assert_eq!(
            (fleet.can_tell(token(1)), fleet.can_tell(token(2))),
            (false, true)
        );
    }

    /// A replica that is frozen and thawed for so many seconds by turns, for ten minutes: how often
    /// it was left out, and for how many seconds it was usable. A freeze is noticed in its third
    /// second.
    fn flap(frozen: u64, thawed: u64) -> (u64, usize) {
        let (fleet, start) = (fleet(), Instant::now());
        let is_frozen = |second: u64| second % (frozen + thawed) < frozen;
        let usable = (0..600).filter(|second| {
            let now = start + Duration::from_secs(*second);
            fleet.on_primary(&standing(false, 100, 1), now);
            if !is_frozen(*second) {
                fleet.on_replica(0, &standing(true, 100, 1), now);
            } else if second.checked_sub(2).is_some_and(is_frozen) {
                fleet.lose(0);
            }
            fleet.replicas()[0].is_usable()
        });
        let usable = usable.count();
        (fleet.replicas()[0].left_out(), usable)
    }

    #[test]
    fn one_that_comes_and_goes_is_left_alone_more_and_more() {
        for thawed in 1..=30 {
            let (left_out, _) = flap(4, thawed);
            assert!(left_out <= 6, "{thawed}: {left_out}");
        }
        // One that is well for longer is asked after half a minute, and no later.
        let (left_out, usable) = flap(4, 50);
        assert!(left_out <= 12 && usable > 200, "{left_out}, {usable}");
        // Now and then is not often.
        let (left_out, usable) = flap(4, 96);
        assert!(left_out == 5 && usable > 550, "{left_out}, {usable}");
    }

    #[test]
    fn one_on_probation_is_asked_when_there_is_nobody_else() {
        let names = vec!["a".to_owned(), "b".to_owned()];
        let (fleet, now) = (
            Fleet::new(names, Duration::from_secs(10), false),
            Instant::now(),
        );
        let look = |replica| fleet.on_replica(replica, &standing(true, 100, 1), now);
        fleet.on_primary(&standing(false, 100, 1), now);
        assert_eq!((look(0), look(1)), (None, None));
        fleet.lose(0);
        assert_eq!(look(0), Some(Unfit::OnProbation(WELL_MIN)));
        fleet.lose(1);
        // The primary may not be asked, so one of the two is.
        assert_eq!(look(1), None);
        assert_eq!(look(0), Some(Unfit::OnProbation(WELL_MIN)));
    }

    #[test]
    fn one_that_was_lost_is_left_out_until_it_was_seen() {
        let (fleet, now) = (fleet(), Instant::now());
        fleet.on_primary(&standing(false, 100, 1), now);
        fleet.on_replica(1, &standing(true, 100, 1), now);
        let position = Position {
            timeline: 1,
            lsn: 99,
        };
        assert!(fleet.has_replayed(position));
        assert!(fleet.lose(1));
        assert!(!fleet.lose(1) && !fleet.has_usable() && !fleet.has_replayed(position));
        let look = |now| fleet.on_replica(1, &standing(true, 100, 1), now);
        assert_eq!(look(now), Some(Unfit::OnProbation(WELL_MIN)));
        assert!(!fleet.has_usable());
        assert_eq!(look(now + WELL_MIN), None);
        assert!(fleet.has_usable());
        // While the primary is away there is nobody else.
        fleet.lose(1);
        assert_eq!(look(now + 2 * MISSED_AFTER), None);
    }
}
