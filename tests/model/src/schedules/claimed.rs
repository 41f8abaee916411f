// SPDX-License-Identifier: GPL-2.0

//! device/claimed.rs and device/assignment.rs: who holds a device, by its own books and by the
//! kernel's list.

use super::{assignment::NotListed, claimed::Claimed, reservation::Reservation};
use crate::{
    kapi::xen::domain_of,
    prelude::*,
    pure::{device_state::Holder, domid::DomId},
    schedules::{claimed, hold},
    stand_in::context::World,
    sync::Arc,
};
use shuttle::thread::{spawn, yield_now};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// How many domains have it.
#[derive(Default)]
struct Uses {
    now: AtomicUsize,
    over: AtomicBool,
}

fn list(device: &Arc<Claimed>, domain: DomId) -> Result<(), NotListed> {
    let _reservation = Reservation::take([device.clone()].into_iter())?;
    device.list(domain).map(drop)
}

/// A domain gets the device, uses it, and gives it back, if nobody else has it.
fn use_once(device: &Arc<Claimed>, domain: DomId, uses: &Uses) {
    match list(device, domain) {
        Ok(()) => {}
        Err(NotListed::Refused(_)) => return,
        Err(NotListed::Failed(error)) => {
            assert!(matches!(error, ENOMEM | EAGAIN | ERESTARTSYS | EBUSY));
            return;
        }
    }
    if !uses.over.load(SeqCst) {
        assert_eq!(uses.now.fetch_add(1, SeqCst), 0, "one domain at a time");
        yield_now();
        uses.now.fetch_sub(1, SeqCst);
    }
    if device.begin_leaving(domain) {
        yield_now();
        device.begin_cleaning(domain);
        device.left(domain);
    }
}

fn contend(world: World) {
    hold(world, || {
        let device = claimed(0);
        let uses = std::sync::Arc::new(Uses::default());
        let threads: Vec<_> = (1..3u16)
            .map(|number| {
                let domain = DomId::new(number).expect("a domain");
                let (device, uses) = (device.clone(), uses.clone());
                spawn(move || {
                    for _ in 0..2 {
                        use_once(&device, domain, &uses);
                        let _ = device.wait_left();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no failure");
        }
        assert!(device.holder() == Holder::Nobody);
        assert!(domain_of(&device.device).is_none(), "the lists agree");
    });
}

#[test]
fn one_domain_at_a_time() {
    contend(World::default());
}

#[test]
fn the_same_where_things_fail() {
    contend(World {
        memory_is_short: true,
        signals: true,
        time_passes: true,
        ..World::default()
    });
}

/// A device that is released at any time is nobody's from then on.
#[test]
fn released_for_good() {
    hold(World::default(), || {
        let device = claimed(0);
        let uses = std::sync::Arc::new(Uses::default());
        let user = spawn({
            let (device, uses) = (device.clone(), uses.clone());
            move || use_once(&device, DomId::new(1).expect("a domain"), &uses)
        });
        uses.over.store(true, SeqCst);
        let _ = device.release();
        assert!(!device.is_claimed());
        assert!(domain_of(&device.device).is_none());
        let domain = DomId::new(2).expect("a domain");
        assert!(matches!(list(&device, domain), Err(NotListed::Refused(_))));
        user.join().expect("no failure");
        assert!(!device.is_claimed());
        assert!(domain_of(&device.device).is_none());
    });
}
