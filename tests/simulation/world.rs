//! Who is there, who waits, and what time it is.

use crate::pipe::{Backlog, Pipe};
use crate::poll::{AlarmState, PollState};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::thread::{self, Thread};
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

/// The state of the world of one run. Nothing in it is shuttle's, so that looking at it is one
/// step; [`step`] comes before each look.
#[derive(Default)]
pub struct World {
    /// Since the beginning.
    pub(crate) now: Duration,
    /// Threads that have begun and not ended.
    tasks: usize,
    /// In the order in which they have begun to.
    waiting: Vec<Waiting>,
    ended: HashMap<usize, bool>,
    next_task: usize,
    has_changed_silently: bool,
    /// Everybody waited without end. Whoever catches the panic that says so meets the next one.
    is_stuck: bool,
    pub(crate) pipes: Vec<Pipe>,
    pub(crate) backlogs: Vec<Backlog>,
    pub(crate) bells: Vec<u64>,
    pub(crate) alarms: Vec<AlarmState>,
    pub(crate) polls: Vec<PollState>,
    pub(crate) conditions: Vec<u64>,
}

struct Waiting {
    thread: Thread,
    until: Option<Duration>,
}

thread_local! {
    /// All threads of a run are one of the operating system's.
    static WORLD: RefCell<World> = RefCell::new(World::default());
}

impl World {
    /// A new world, with the calling thread in it. Call it first in a run.
    pub fn begin() {
        WORLD.with_borrow_mut(|world| {
            *world = World {
                tasks: 1,
                ..World::default()
            };
        });
    }

    /// Looks at the world, or changes it, in one step.
    pub(crate) fn with<T>(work: impl FnOnce(&mut World) -> T) -> T {
        step();
        WORLD.with_borrow_mut(work)
    }

    /// Changes the world, and wakes those who wait, for it may be what they wait for.
    pub(crate) fn change<T>(work: impl FnOnce(&mut World) -> T) -> T {
        let (result, woken) = World::with(|world| (work(world), world.take_waiting()));
        wake(woken);
        result
    }

    /// Changes the world while something is dropped, perhaps after a panic or the end of a run,
    /// where nobody else can come in. Those who wait look again as soon as this thread waits.
    pub(crate) fn change_silently(work: impl FnOnce(&mut World)) {
        // The world may be about to end itself, with what is in it.
        let _ = WORLD.try_with(|world| {
            if let Ok(mut world) = world.try_borrow_mut() {
                work(&mut world);
                world.has_changed_silently = true;
            }
        });
    }

    /// Waits until there is something, or until the time has come.
    ///
    /// # Panics
    /// If everybody waits, and nobody has an end to it.
    pub(crate) fn wait<T>(
        until: Option<Duration>,
        mut ready: impl FnMut(&mut World) -> Option<T>,
    ) -> Option<T> {
        step();
        loop {
            let thread = thread::current();
            let woken = WORLD.with_borrow_mut(|world| {
                let id = thread.id();
                world.waiting.retain(|waiting| waiting.thread.id() != id);
                std::mem::take(&mut world.has_changed_silently).then(|| world.take_waiting())
            });
            wake(woken.unwrap_or_default());
            let looked = WORLD.with_borrow_mut(|world| {
                assert!(!world.is_stuck, "all threads wait without end");
                if let Some(result) = ready(world) {
                    return Err(Some(result));
                }
                if until.is_some_and(|until| until <= world.now) {
                    return Err(None);
                }
                let waiting = Waiting {
                    thread: thread.clone(),
                    until,
                };
                world.waiting.push(waiting);
                Ok(world.pass_time_if_all_wait())
            });
            match looked {
                Err(result) => return result,
                Ok(None) => thread::park(),
                // Time has gone on, and this thread looks again like the others.
                Ok(Some(mut woken)) => {
                    woken.retain(|other| other.id() != thread.id());
                    wake(woken);
                }
            }
        }
    }

    fn take_waiting(&mut self) -> Vec<Thread> {
        let waiting = self.waiting.drain(..);
        waiting.map(|waiting| waiting.thread).collect()
    }

    /// Lets time go on to the next deadline, if nothing else can happen, and returns those who look
    /// again then.
    fn pass_time_if_all_wait(&mut self) -> Option<Vec<Thread>> {
        if self.waiting.len() < self.tasks {
            return None;
        }
        let alarms = self.alarms.iter().filter_map(|alarm| alarm.due);
        let alarms = alarms.filter(|due| *due > self.now);
        let deadlines = self.waiting.iter().filter_map(|waiting| waiting.until);
        let next = deadlines.chain(alarms).min();
        let Some(next) = next else {
            self.is_stuck = true;
            panic!("all {} threads wait without end", self.tasks);
        };
        self.now = self.now.max(next);
        Some(self.take_waiting())
    }
}

/// Not while the world is looked at: each is a place where another thread may come in between.
fn wake(threads: Vec<Thread>) {
    threads.iter().for_each(Thread::unpark);
}

/// A place where another thread may come in between.
pub fn step() {
    AtomicBool::new(false).load(Ordering::SeqCst);
}

/// A thread of the world.
#[derive(Debug)]
pub struct Task(usize);

/// Starts a thread of the world.
pub fn spawn(work: impl FnOnce() + Send + 'static) -> Task {
    let number = World::with(|world| {
        world.tasks += 1;
        world.next_task += 1;
        world.ended.insert(world.next_task, false);
        world.next_task
    });
    thread::spawn(move || {
        work();
        World::change(|world| {
            world.tasks -= 1;
            world.ended.insert(number, true);
        });
    });
    Task(number)
}

impl Task {
    /// Waits until it has ended.
    pub fn join(self) {
        World::wait(None, |world| world.ended[&self.0].then_some(()));
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        World::with(|world| world.ended[&self.0])
    }
}

/// One of so many numbers, from 0.
pub fn choose(count: usize) -> usize {
    thread_rng().gen_range(0..count)
}

/// Whether something happens that does in one of so many cases.
pub fn is_lucky(one_of: usize) -> bool {
    choose(one_of) == 0
}
