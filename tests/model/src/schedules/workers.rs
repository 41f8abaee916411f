// SPDX-License-Identifier: GPL-2.0

//! device/workers.rs.

use super::hold;
use crate::{
    device::workers::{self, Wait, Workers},
    prelude::*,
    stand_in::context::{below, World},
};
use shuttle::{
    sync::{Condvar, Mutex},
    thread::{spawn, yield_now},
};
use std::sync::{
    atomic::{AtomicUsize, Ordering::SeqCst},
    Arc,
};

/// How often each item was worked on, and what comes of it.
struct Items {
    runs: Vec<AtomicUsize>,
    fails: Vec<bool>,
}

fn some_items() -> Arc<Items> {
    let many = below(4);
    Arc::new(Items {
        runs: (0..many).map(|_| AtomicUsize::new(0)).collect(),
        fails: (0..many).map(|_| below(2) == 0).collect(),
    })
}

impl Items {
    /// Works on an item; each has an errno of its own.
    fn work(&self, item: usize) -> Result {
        yield_now();
        self.runs[item].fetch_add(1, SeqCst);
        if self.fails[item] {
            Err(Error(1000 + item as i32))
        } else {
            Ok(())
        }
    }

    fn for_all(self: &Arc<Self>, wait: Wait) -> Result {
        let list: Vec<usize> = (0..self.runs.len()).collect();
        let items = self.clone();
        workers::for_all(&list, wait, move |item| items.work(*item))
    }

    /// What is to come of all.
    fn expected(&self) -> Result {
        let first = self.fails.iter().position(|fails| *fails);
        first.map_or(Ok(()), |item| Err(Error(1000 + item as i32)))
    }

    fn ran(&self, times: usize) -> bool {
        self.runs.iter().all(|runs| runs.load(SeqCst) == times)
    }
}

/// Opens the queue, for which there is memory some time.
fn open() -> Workers {
    loop {
        if let Ok(workers) = Workers::new() {
            break workers;
        }
    }
}

/// Two at the same time, as two writes to sysfs can be.
fn to_the_end(world: World) {
    hold(world, move || {
        let queue = open();
        let groups = [some_items(), some_items()];
        let threads = groups.clone().map(|items| {
            spawn(move || {
                let result = items.for_all(Wait::ToTheEnd);
                if world.memory_is_short && result == Err(ENOMEM) {
                    assert!(items.ran(0), "ENOMEM says that nothing was done");
                } else {
                    assert!(items.ran(1), "each once, all by now");
                    assert_eq!(result, items.expected());
                }
            })
        });
        for thread in threads {
            thread.join().expect("no failure");
        }
        drop(queue);
    });
}

#[test]
fn each_item_once_and_the_first_failure_in_order() {
    to_the_end(World::default());
}

#[test]
fn the_same_where_memory_is_short() {
    to_the_end(World {
        memory_is_short: true,
        ..World::default()
    });
}

#[test]
fn the_same_where_workers_are_few() {
    to_the_end(World {
        few_workers: true,
        ..World::default()
    });
}

/// Work of one request that waits for what another does, as a reset may wait for a device's lock,
/// holds the other's up with no queue, however few workers there are; nor does work in the
/// background.
#[test]
fn nobody_waits_for_work_that_has_not_begun() {
    let world = World {
        few_workers: true,
        ..World::default()
    };
    hold(world, || {
        let queue = open();
        let (done, ended) = (Arc::new((Mutex::new(false), Condvar::new())), some_pair());
        let wait = |done: &(Mutex<bool>, Condvar)| {
            let mut is_done = done.0.lock().expect("no failure");
            while !*is_done {
                is_done = done.1.wait(is_done).expect("no failure");
            }
        };
        let waiting = done.clone();
        workers::spawn(move || wait(&waiting)).expect("the queue is there");
        let waiting = done.clone();
        let other = spawn(move || {
            workers::for_all(&[0, 1, 2], Wait::ToTheEnd, move |_| {
                wait(&waiting);
                Ok(())
            })
        });
        assert_eq!(ended.for_all(Wait::ToTheEnd), Ok(()));
        assert!(ended.ran(1));
        *done.0.lock().expect("no failure") = true;
        done.1.notify_all();
        assert_eq!(other.join().expect("no failure"), Ok(()));
        drop(queue);
    });
}

/// The module's end waits for it.
#[test]
fn after_a_signal_the_work_goes_on() {
    let world = World {
        signals: true,
        ..World::default()
    };
    hold(world, || {
        let queue = open();
        let items = some_items();
        let result = items.for_all(Wait::Interruptibly);
        if result != Err(EINTR) {
            assert!(items.ran(1));
            assert_eq!(result, items.expected());
        }
        drop(queue);
        assert!(items.ran(1));
    });
}

/// Whoever has it done has returned by then: those parts of the module go before its workers, and
/// no such work has other work done.
#[test]
fn the_end_waits_for_work_in_the_background() {
    hold(World::default(), || {
        let queue = open();
        let ended = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 {
            let ended = ended.clone();
            workers::spawn(move || {
                yield_now();
                ended.fetch_add(1, SeqCst);
            })
            .expect("the queue is there");
        }
        drop(queue);
        assert_eq!(ended.load(SeqCst), 3);
        assert_eq!(workers::spawn(|| unreachable!()), Err(ENODEV));
        assert_eq!(some_pair().for_all(Wait::ToTheEnd), Err(ENODEV));
    });
}

fn some_pair() -> Arc<Items> {
    Arc::new(Items {
        runs: (0..2).map(|_| AtomicUsize::new(0)).collect(),
        fails: vec![false; 2],
    })
}
