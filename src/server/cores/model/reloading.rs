//! What the control plane and the cores agree on: snapshots, and orders.

use super::check;
use crate::auth::Authenticator;
use crate::state::orders::{Order, Orders};
use crate::state::snapshot::{Publication, Snapshot};
use crate::sync::Instant;
use corerest_config::Config;
use corerest_simulation::spawn;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A snapshot that is known by its number of rows.
fn snapshot(number: i64) -> Snapshot {
    static AUTHENTICATOR: OnceLock<Arc<Authenticator>> = OnceLock::new();
    let authenticator = AUTHENTICATOR.get_or_init(|| {
        Arc::new(Authenticator::new(&Config::default()).expect("the default is valid"))
    });
    Snapshot {
        config: Arc::new(Config {
            db_max_rows: Some(number),
            ..Config::default()
        }),
        authenticator: Arc::clone(authenticator),
        role_settings: Arc::default(),
        catalog: None,
        shapes: Arc::default(),
    }
}

fn number(snapshot: &Snapshot) -> i64 {
    snapshot.config.db_max_rows.expect("each has one")
}

/// Requests see one snapshot from start to end, never an older one than the last request did, the
/// newest one when they begin after it was published; and an old one is kept by nobody.
#[test]
fn snapshots_are_new_whole_and_not_kept() {
    const PUBLISHED: i64 = 2;
    check("snapshots_are_new_whole_and_not_kept", || {
        let publication = Arc::new(Publication::new(snapshot(0)));
        let old = Arc::downgrade(&publication.current());
        let subscriptions: Vec<_> = (0..2).map(|_| publication.subscribe()).collect();
        let threads: Vec<_> = subscriptions
            .into_iter()
            .map(|mut subscription| {
                let publication = Arc::clone(&publication);
                spawn(move || {
                    let mut last = 0;
                    for _ in 0..2 {
                        let in_use = subscription.current(&publication);
                        let begun = number(&in_use);
                        assert!(begun >= last);
                        last = begun;
                        assert_eq!(number(&in_use), begun);
                        drop(in_use);
                        subscription.renew(&publication);
                    }
                    // It is idle now, for days.
                    std::mem::forget(subscription);
                })
            })
            .collect();
        let mut late = publication.subscribe();
        for next in 1..=PUBLISHED {
            publication.publish(|_| snapshot(next));
            assert_eq!(number(&late.current(&publication)), next);
            late.renew(&publication);
        }
        threads.into_iter().for_each(|thread| thread.join());
        assert!(old.upgrade().is_none(), "somebody keeps an old snapshot");
    });
}

/// Whatever is ordered is begun after it was ordered, however orders come together.
#[test]
fn every_order_is_followed_by_its_execution() {
    check("every_order_is_followed_by_its_execution", || {
        let orders = Arc::new(Orders::default());
        let given: Vec<_> = [
            Order::ReloadCatalog,
            Order::ReloadConfig,
            Order::ReloadCatalog,
        ]
        .into_iter()
        .map(|order| {
            let orders = Arc::clone(&orders);
            spawn(move || orders.give(order))
        })
        .collect();
        let control = {
            let orders = Arc::clone(&orders);
            spawn(move || {
                let mut done = Vec::new();
                loop {
                    match orders.next(Instant::now() + Duration::from_secs(60)) {
                        Some(Order::Stop) => break,
                        Some(order) => {
                            orders.rest(order, Duration::from_millis(100));
                            done.push(order);
                        }
                        None => panic!("an order is lost"),
                    }
                }
                assert!(
                    done.contains(&Order::ReloadConfig) && done.contains(&Order::ReloadCatalog)
                );
            })
        };
        given.into_iter().for_each(|given| given.join());
        // Nothing is urgent, so what was ordered comes first, unless it rests.
        corerest_simulation::sleep(Duration::from_secs(1));
        orders.give(Order::Stop);
        control.join();
    });
}
