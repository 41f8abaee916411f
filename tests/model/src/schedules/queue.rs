// SPDX-License-Identifier: GPL-2.0

//! backend/queue.rs.

use super::{
    guest::Guest,
    queue::{self, BackendQueue, Scanner},
};
use crate::{
    prelude::*,
    schedules::hold,
    stand_in::context::World,
    sync::Arc,
    workqueue::{freeze_workqueues, thaw_workqueues, WorkItem},
};
use shuttle::thread::{spawn, yield_now};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// What is looked at.
#[derive(Default)]
struct Store {
    version: AtomicUsize,
    seen: AtomicUsize,
    lookers: AtomicUsize,
    asleep: AtomicBool,
    over: AtomicBool,
}

impl Store {
    fn look(&self) {
        assert!(!self.over.load(SeqCst), "looks after the end");
        assert!(!self.asleep.load(SeqCst), "looks while the system sleeps");
        assert_eq!(self.lookers.fetch_add(1, SeqCst), 0, "one at a time");
        let version = self.version.load(SeqCst);
        yield_now();
        self.seen.store(version, SeqCst);
        self.lookers.fetch_sub(1, SeqCst);
    }
}

fn guest(store: &std::sync::Arc<Store>) -> Arc<Guest> {
    let store = store.clone();
    Arc::new(Guest::new(move || store.look()), GFP_KERNEL).expect("memory")
}

/// Two change something and say so, again and again.
fn change(store: &std::sync::Arc<Store>, say: impl Fn() + Clone + Send + 'static) {
    let threads = [0; 2].map(|_| {
        let (store, say) = (store.clone(), say.clone());
        spawn(move || {
            for _ in 0..2 {
                store.version.fetch_add(1, SeqCst);
                yield_now();
                say();
            }
        })
    });
    for thread in threads {
        thread.join().expect("no failure");
    }
}

/// Whatever changes while it is being looked at is looked at again.
#[test]
fn no_change_is_missed() {
    hold(World::default(), || {
        let queue = BackendQueue::new().expect("memory");
        let store = std::sync::Arc::new(Store::default());
        let guest = guest(&store);
        change(&store, move || queue::schedule(&guest));
        drop(queue);
        assert_eq!(store.seen.load(SeqCst), 4);
    });
}

shuttle::lazy_static! {
    /// What a scan looks at.
    static ref SCANNED: std::sync::Arc<Store> = std::sync::Arc::new(Store::default());
}

/// `crate::backend::guests`.
impl WorkItem for Scanner {
    type Pointer = Arc<Self>;

    fn run(_: Arc<Self>) {
        SCANNED.look();
    }
}

/// The same of new guests. (That the table is there until the queue has ended is the order of the
/// fields in backend.rs.)
#[test]
fn no_new_guest_is_missed() {
    hold(World::default(), || {
        let queue = BackendQueue::new().expect("memory");
        let store = SCANNED.clone();
        change(&store, queue::schedule_scan);
        queue::schedule_scan();
        drop(queue);
        assert_eq!(store.seen.load(SeqCst), 4);
    });
}

/// What changes while the system sleeps is looked at afterwards.
#[test]
fn nothing_is_looked_at_while_the_system_sleeps() {
    hold(World::default(), || {
        let queue = BackendQueue::new().expect("memory");
        let store = std::sync::Arc::new(Store::default());
        let guest = guest(&store);
        let system = spawn({
            let store = store.clone();
            move || {
                freeze_workqueues();
                store.asleep.store(true, SeqCst);
                yield_now();
                store.asleep.store(false, SeqCst);
                thaw_workqueues();
            }
        });
        change(&store, move || queue::schedule(&guest));
        system.join().expect("no failure");
        drop(queue);
        assert_eq!(store.seen.load(SeqCst), 4);
    });
}

/// Not even where work has more work done.
#[test]
fn nothing_begins_or_goes_on_after_the_end() {
    hold(World::default(), || {
        let queue = BackendQueue::new().expect("memory");
        let store = std::sync::Arc::new(Store::default());
        let guest = guest(&store);
        let other = spawn({
            let (store, guest) = (store.clone(), guest.clone());
            move || {
                let work = move || {
                    assert!(!store.over.load(SeqCst), "runs after the end");
                    queue::schedule(&guest);
                };
                let result = queue::spawn(work);
                assert!(matches!(result, Ok(()) | Err(ENODEV)));
            }
        });
        queue::schedule(&guest);
        drop(queue);
        store.over.store(true, SeqCst);
        queue::schedule(&guest);
        assert_eq!(queue::spawn(|| unreachable!()), Err(ENODEV));
        other.join().expect("no failure");
    });
}
