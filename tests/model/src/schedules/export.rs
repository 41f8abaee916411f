// SPDX-License-Identifier: GPL-2.0

//! backend/export.rs and backend/give_back.rs: a guest that gets a device, while the system goes to
//! sleep (device/pm.rs, stub/pm.rs), or right after it has given the device back.

use super::{
    export::{export, Export, NotExported},
    give_back::give_back,
    guests,
};
use crate::{
    device::{claimed::Claimed, registry, registry::Registry},
    kapi::notifier::PmListener,
    prelude::*,
    pure::{device_state::Holder, domid::DomId},
    schedules::{claimed, hold},
    stand_in::context::World,
    stub::pm::UsedDevices,
    sync::Arc,
};
use shuttle::thread::{spawn, yield_now};

fn domain(number: u16) -> DomId {
    DomId::new(number).expect("a domain")
}

/// Returns a claimed device, and the registry that knows it.
fn enter() -> (Registry, Arc<Claimed>) {
    let registry = Registry::new();
    let device = claimed(0);
    registry::enter(device.clone()).expect("memory");
    (registry, device)
}

/// Exports the device as a guest that is reconciled does, again whenever it is scheduled.
fn export_at_last(device: &Claimed, to: DomId) -> Export {
    loop {
        let times = guests::times();
        match export(device.sbdf, to, &[], None) {
            Ok(export) => break export,
            Err(NotExported::Later { retry: true }) => yield_now(),
            Err(NotExported::Later { retry: false }) => guests::wait(times),
            Err(NotExported::Refused(_, why)) => panic!("refused: {why}"),
            Err(NotExported::UsedBy(_)) => panic!("refused: another domain uses it"),
            Err(NotExported::Failed(error)) => panic!("failed: {error:?}"),
        }
    }
}

/// The guest gets it before, which prevents the sleep, or afterwards.
#[test]
fn no_device_is_given_while_the_system_sleeps() {
    hold(World::default(), || {
        let (registry, device) = enter();
        let guest = spawn({
            let device = device.clone();
            move || drop(export_at_last(&device, domain(7)))
        });
        match UsedDevices::about_to_sleep() {
            Ok(()) => {
                for _ in 0..3 {
                    assert!(device.holder() == Holder::Nobody, "given while it sleeps");
                    yield_now();
                }
                UsedDevices::woke();
            }
            Err(error) => assert_eq!(error, EBUSY),
        }
        guest.join().expect("no failure");
        assert!(device.holder() == Holder::Domain(domain(7)));
        drop(registry);
    });
}

/// A guest's directory is removed and made again, and the device listed in it: it waits until its
/// own last use has ended, which is no other domain's, and then has the device.
#[test]
fn listed_again_while_it_is_given_back() {
    hold(World::default(), || {
        let (registry, device) = enter();
        let used = export_at_last(&device, domain(7));
        assert!(device.begin_leaving(domain(7)));
        let cleaning = spawn(move || {
            let mut exports = KVec::new();
            exports.push(used, GFP_KERNEL).expect("memory");
            give_back(exports, domain(7));
        });
        drop(export_at_last(&device, domain(7)));
        assert!(device.holder() == Holder::Domain(domain(7)));
        cleaning.join().expect("no failure");
        assert!(device.holder() == Holder::Domain(domain(7)), "and keeps it");
        drop(registry);
    });
}
