// SPDX-License-Identifier: GPL-2.0

//! device/registry.rs.

use super::{claimed, hold};
use crate::{
    device::{
        claimed::Claimed,
        registry::{self, Registry},
    },
    prelude::*,
    pure::sbdf::Sbdf,
    stand_in::context::{below, World},
    sync::Arc,
};
use shuttle::thread::spawn;
use std::sync::Mutex;

/// What is certain of a device, beside what the registry says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It may be there: it is being entered or taken out.
    OnItsWay,
    /// It was entered.
    There,
    /// It was taken out.
    Gone,
}

/// All devices that there ever were. Its lock is none of shuttle's: nobody else runs meanwhile.
#[derive(Default)]
struct Book(Mutex<Vec<(Arc<Claimed>, Stage)>>);

type Shared = std::sync::Arc<Book>;

fn address(slot: u8) -> Sbdf {
    Sbdf::new(0, 0, slot * 8)
}

impl Book {
    fn note(&self, device: &Arc<Claimed>, stage: Stage) {
        let mut list = self.0.lock().expect("no failure");
        match list.iter_mut().find(|(own, _)| Arc::ptr_eq(own, device)) {
            Some((_, now)) => *now = stage,
            None => list.push((device.clone(), stage)),
        }
    }

    fn in_stage(&self, stage: Stage) -> Vec<Arc<Claimed>> {
        let list = self.0.lock().expect("no failure");
        let devices = list.iter().filter(|(_, now)| *now == stage);
        devices.map(|(device, _)| device.clone()).collect()
    }

    /// Looks devices up, and holds what is found against what was certain all the time. `covers`
    /// says which devices are asked for.
    fn judge(
        &self,
        covers: impl Fn(&Claimed) -> bool,
        look_up: impl FnOnce() -> Option<Vec<Arc<Claimed>>>,
    ) {
        let gone = self.in_stage(Stage::Gone);
        let before = self.in_stage(Stage::There);
        let Some(found) = look_up() else {
            return; // No memory.
        };
        let there = self.in_stage(Stage::There);
        let is_in = |list: &[Arc<Claimed>], device: &Arc<Claimed>| {
            list.iter().any(|other| Arc::ptr_eq(other, device))
        };
        for device in &found {
            assert!(!is_in(&gone, device), "it was taken out before");
        }
        for device in before.iter().filter(|device| covers(device)) {
            let all_the_time = is_in(&there, device);
            assert!(!all_the_time || is_in(&found, device), "it was there");
        }
    }
}

/// Claims and releases the devices of a slot, as the driver core does: one after the other.
fn claim_and_release(book: &Book, slot: u8) {
    for _ in 0..2 {
        let device = claimed(slot);
        book.note(&device, Stage::OnItsWay);
        match registry::enter(device.clone()) {
            Ok(()) => book.note(&device, Stage::There),
            Err(error) => {
                assert_eq!(error, ENOMEM);
                book.note(&device, Stage::Gone);
                continue;
            }
        }
        assert!(registry::has(&device));
        book.note(&device, Stage::OnItsWay);
        registry::leave(device.sbdf);
        book.note(&device, Stage::Gone);
        assert!(!registry::has(&device));
    }
}

/// Looks up, in each of the ways.
fn look_up(book: &Book) {
    for _ in 0..2 {
        let wanted = address(below(2) as u8);
        let covers = |device: &Claimed| device.sbdf == wanted;
        book.judge(covers, || {
            Some(registry::find(wanted).into_iter().collect())
        });
        book.judge(
            |_| true,
            || match registry::all() {
                Ok(all) => {
                    let ascending = all.windows(2).all(|pair| pair[0].sbdf < pair[1].sbdf);
                    assert!(ascending, "in ascending order, each once");
                    Some(all.iter().cloned().collect())
                }
                Err(error) => {
                    assert_eq!(error, ENOMEM);
                    None
                }
            },
        );
        let known = registry::query(wanted, |claimed| claimed.sbdf);
        assert!(known == Ok(wanted) || known == Err(ENODEV));
    }
}

fn come_go_and_look(world: World) {
    hold(world, move || {
        let registry = Registry::new();
        let book = Shared::default();
        let threads: Vec<_> = (0..2u8)
            .map(|slot| {
                let book = book.clone();
                spawn(move || claim_and_release(&book, slot))
            })
            .collect();
        look_up(&book);
        for thread in threads {
            thread.join().expect("no failure");
        }
        assert!(registry::all().is_ok_and(|all| all.is_empty()) || world.memory_is_short);
        drop(registry);
    });
}

#[test]
fn no_lookup_finds_what_was_taken_out_before() {
    come_go_and_look(World::default());
}

#[test]
fn the_same_where_memory_is_short() {
    come_go_and_look(World {
        memory_is_short: true,
        ..World::default()
    });
}

#[test]
fn an_address_is_claimed_once() {
    hold(World::default(), || {
        let registry = Registry::new();
        let threads = [0; 3].map(|_| {
            spawn(|| {
                let device = claimed(0);
                let result = registry::enter(device.clone());
                assert!(matches!(result, Ok(()) | Err(EBUSY)));
                result.map(|()| device)
            })
        });
        let results = threads.map(|thread| thread.join().expect("no failure"));
        let entered: Vec<_> = results.iter().flatten().collect();
        assert_eq!(entered.len(), 1);
        assert!(registry::has(entered[0]));
        drop(registry);
    });
}

/// Whoever enters a device at that time has it entered and forgotten, or hears of it.
#[test]
fn the_end_comes_at_any_time() {
    hold(World::default(), || {
        let registry = Registry::new();
        let other = spawn(|| {
            let result = registry::enter(claimed(0));
            assert!(matches!(result, Ok(()) | Err(ENODEV)));
            registry::leave(address(0));
            assert!(registry::find(address(0)).is_none());
        });
        drop(registry);
        assert!(registry::find(address(0)).is_none());
        assert!(registry::all().is_ok_and(|all| all.is_empty()));
        assert_eq!(registry::query(address(0), |_| ()), Err(ENODEV));
        other.join().expect("no failure");
    });
}
