// SPDX-License-Identifier: GPL-2.0

//! device/reservation.rs, and what of device/claimed.rs it is made of.

use super::{claimed, hold};
use crate::{
    device::claimed::Claimed,
    device::reservation::Reservation,
    prelude::*,
    stand_in::context::{below, World},
    sync::Arc,
    time::{msecs_to_jiffies, passed},
};
use shuttle::thread::{spawn, yield_now};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

const DEVICES: usize = 3;

/// Devices, and how many hold each.
struct Bench {
    devices: Vec<Arc<Claimed>>,
    holders: Vec<AtomicUsize>,
}

type Shared = std::sync::Arc<Bench>;

fn bench() -> Shared {
    std::sync::Arc::new(Bench {
        devices: (0..DEVICES).map(|slot| claimed(slot as u8)).collect(),
        holders: (0..DEVICES).map(|_| AtomicUsize::new(0)).collect(),
    })
}

impl Bench {
    /// Reserves some of the devices, at least one, and sees that nobody else has them.
    fn use_some(&self) -> Result {
        let chosen = 1 + below((1 << DEVICES) - 1);
        let chosen: Vec<usize> = (0..DEVICES).filter(|bit| chosen >> bit & 1 == 1).collect();
        let devices = chosen.iter().map(|number| self.devices[*number].clone());
        let reservation = Reservation::take(devices)?;
        for number in &chosen {
            assert_eq!(self.holders[*number].fetch_add(1, SeqCst), 0, "one holder");
        }
        yield_now();
        for number in &chosen {
            self.holders[*number].fetch_sub(1, SeqCst);
        }
        drop(reservation);
        Ok(())
    }

    fn is_free(&self) -> bool {
        let mut devices = self.devices.iter();
        devices.all(|device| device.reserve(0) == Ok(0))
    }
}

/// Three that want some devices twice, each.
fn three_at_once(judge: fn(Result)) {
    let bench = bench();
    let user = |bench: Shared| {
        move || {
            for _ in 0..2 {
                judge(bench.use_some());
            }
        }
    };
    let threads: Vec<_> = (0..3).map(|_| spawn(user(bench.clone()))).collect();
    for thread in threads {
        thread.join().expect("no failure");
    }
    assert!(bench.is_free());
}

/// And everybody gets what he waits for: a deadlock fails the test.
#[test]
fn one_holder_at_a_time() {
    hold(World::default(), || {
        three_at_once(|result| assert_eq!(result, Ok(())));
    });
}

#[test]
fn whoever_fails_gives_back_what_he_has() {
    let world = World {
        memory_is_short: true,
        signals: true,
        time_passes: true,
        ..World::default()
    };
    hold(world, || {
        three_at_once(|result| {
            assert!(matches!(
                result,
                Ok(()) | Err(EAGAIN | ENOMEM | ERESTARTSYS)
            ));
        });
    });
}

/// Nobody waits for more than ten seconds in all, whatever others do.
#[test]
fn waiting_ends() {
    let world = World {
        time_passes: true,
        ..World::default()
    };
    hold(world, || {
        let bench = bench();
        let last = bench.devices[DEVICES - 1].clone();
        let forever = Reservation::take([last].into_iter()).expect("it is free");
        let ended = std::sync::Arc::new(AtomicBool::new(false));
        let users: Vec<_> = (0..2)
            .map(|_| {
                let bench = bench.clone();
                spawn(move || {
                    let all = bench.devices.iter().cloned();
                    assert_eq!(Reservation::take(all).err(), Some(EAGAIN));
                    assert!(passed() <= msecs_to_jiffies(10_000));
                })
            })
            .collect();
        // One that comes and goes, so that some waits end early.
        let (there, until) = (bench.clone(), ended.clone());
        let busy = spawn(move || {
            while !until.load(SeqCst) {
                let first = there.devices[0].clone();
                drop(Reservation::take([first].into_iter()));
                yield_now();
            }
        });
        for user in users {
            user.join().expect("no failure");
        }
        ended.store(true, SeqCst);
        busy.join().expect("no failure");
        drop(forever);
        assert!(bench.is_free());
    });
}
