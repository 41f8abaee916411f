// SPDX-License-Identifier: GPL-2.0

//! kapi/xenbus/watch.rs, between the kernel's thread for events and a xenstored that may still have
//! a watch of the same name.

use super::{
    raw,
    watch::{WatchRegistration, Watcher},
};
use crate::{
    prelude::*,
    schedules::hold,
    stand_in::context::{below, World},
};
use shuttle::thread::{spawn, yield_now};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// What is in xenstore.
#[derive(Default)]
struct Store {
    version: AtomicUsize,
    seen: AtomicUsize,
    over: AtomicBool,
}

shuttle::lazy_static! {
    static ref STORE: Store = Store::default();
}

struct Directory;

impl Watcher for Directory {
    const PATH: &'static CStr = c"backend/pci";

    fn changed() {
        assert!(!STORE.over.load(SeqCst), "called after the end");
        let version = STORE.version.load(SeqCst);
        yield_now();
        STORE.seen.fetch_max(version, SeqCst);
    }
}

fn write_twice() {
    for _ in 0..2 {
        STORE.version.fetch_add(1, SeqCst);
        yield_now();
        raw::write();
    }
}

/// What is registered while others write, and perhaps not at the first try.
fn register(world: World) {
    hold(world, move || {
        if below(2) == 0 {
            raw::has_the_next();
        }
        let xenwatch = spawn(raw::xenwatch_thread);
        let writer = spawn(write_twice);
        let watch = WatchRegistration::<Directory>::new();
        writer.join().expect("no failure");
        raw::end();
        // It has handled all events then, those of what was freed included.
        xenwatch.join().expect("no failure");
        match &watch {
            Ok(_) => assert_eq!(STORE.seen.load(SeqCst), 2, "no change is missed"),
            Err(error) => assert!(world.memory_is_short && *error == ENOMEM),
        }
        drop(watch);
    });
}

#[test]
fn no_event_of_a_watch_that_was_freed() {
    register(World::default());
}

#[test]
fn the_same_where_memory_is_short() {
    register(World {
        memory_is_short: true,
        ..World::default()
    });
}

#[test]
fn no_event_after_the_end() {
    hold(World::default(), || {
        let xenwatch = spawn(raw::xenwatch_thread);
        let watch = WatchRegistration::<Directory>::new().expect("memory");
        let writer = spawn(write_twice);
        drop(watch);
        STORE.over.store(true, SeqCst);
        writer.join().expect("no failure");
        raw::end();
        xenwatch.join().expect("no failure");
    });
}
