// SPDX-License-Identifier: GPL-2.0

//! backend/queue.rs.

use super::{
    connection::Connection,
    queue::{self, Workers},
};
use crate::{prelude::*, schedules::hold, stand_in::context::World, sync::Arc};
use shuttle::thread::{spawn, yield_now};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// What is looked at.
#[derive(Default)]
struct Store {
    version: AtomicUsize,
    seen: AtomicUsize,
    lookers: AtomicUsize,
    over: AtomicBool,
}

fn connection(store: &std::sync::Arc<Store>) -> Arc<Connection> {
    let store = store.clone();
    let look = move || {
        assert!(!store.over.load(SeqCst), "looks after the end");
        assert_eq!(store.lookers.fetch_add(1, SeqCst), 0, "one at a time");
        let version = store.version.load(SeqCst);
        yield_now();
        store.seen.store(version, SeqCst);
        store.lookers.fetch_sub(1, SeqCst);
    };
    Arc::new(Connection::new(look), GFP_KERNEL).expect("memory")
}

/// Whatever changes while it is being looked at is looked at again.
#[test]
fn no_change_is_missed() {
    hold(World::default(), || {
        let workers = Workers::new().expect("memory");
        let store = std::sync::Arc::new(Store::default());
        let connection = connection(&store);
        let threads = [0; 2].map(|_| {
            let (store, connection) = (store.clone(), connection.clone());
            spawn(move || {
                for _ in 0..2 {
                    store.version.fetch_add(1, SeqCst);
                    yield_now();
                    queue::look_round(&connection);
                }
            })
        });
        for thread in threads {
            thread.join().expect("no failure");
        }
        drop(workers);
        assert_eq!(store.seen.load(SeqCst), 4);
    });
}

/// Not even where work has more work done.
#[test]
fn nothing_begins_or_goes_on_after_the_end() {
    hold(World::default(), || {
        let workers = Workers::new().expect("memory");
        let store = std::sync::Arc::new(Store::default());
        let connection = connection(&store);
        let other = spawn({
            let (store, connection) = (store.clone(), connection.clone());
            move || {
                let work = move || {
                    assert!(!store.over.load(SeqCst), "runs after the end");
                    queue::look_round(&connection);
                };
                let result = queue::spawn(work);
                assert!(matches!(result, Ok(()) | Err(ENODEV)));
            }
        });
        queue::look_round(&connection);
        drop(workers);
        store.over.store(true, SeqCst);
        queue::look_round(&connection);
        assert_eq!(queue::spawn(|| unreachable!()), Err(ENODEV));
        other.join().expect("no failure");
    });
}
