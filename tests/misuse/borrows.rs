// SPDX-License-Identifier: GPL-2.0

//! Safe code that misuses the wrappers: what the borrow checker refuses, and what is `unsafe`.
//!
//! See tests/misuse/check.py. Functions without a mark are uses as they should be.

#![allow(unused)]
#![deny(unsafe_code)]

use crate::{
    kapi::{
        attr::{
            DriverAttribute,
            Pointers, //
        },
        global::Global,
        pci::{
            ConfigAccess,
            DeviceExt,
            DeviceLocks,
            Locked,
            RescanRemoveLock, //
        },
        xenbus::XenbusDevice, //
    },
    pure::xenbus::State, //
};
use kernel::{
    device::Core,
    pci,
    prelude::*, //
};

fn a_device_outlives_its_locks(locks: DeviceLocks) {
    let Some(first) = locks.get(0) else { return };
    drop(locks); //~ ERROR E0505
    first.quiesce();
}

fn what_is_exclusive_outlives_the_access(device: &pci::Device<Core<'_>>) {
    let locked = Locked::by_driver_core(device);
    let exclusive = {
        let access = ConfigAccess::block(&locked);
        access.cfg_locked() //~ ERROR E0597
    };
    exclusive.quiesce();
}

fn the_access_outlives_the_lock(locks: DeviceLocks) {
    let Some(first) = locks.get(0) else { return };
    let access = ConfigAccess::block(&first);
    drop(first); //~ ERROR E0505
    access.cfg_locked().quiesce();
}

fn a_physical_function_outlives_the_lock(locks: DeviceLocks) {
    let Some(first) = locks.get(0) else { return };
    let physical = first.physical_function();
    drop(locks); //~ ERROR E0505
    physical.map(DeviceExt::sbdf);
}

fn a_device_stays_longer_than_the_lock(lock: RescanRemoveLock) {
    let mut found = None;
    lock.for_each_device(|device| found = Some(device)); //~ ERROR E0521
}

fn a_device_stays_without_its_lock(locks: DeviceLocks) {
    let Some(first) = locks.get(0) else { return };
    let registered = first.registered();
    drop(locks); //~ ERROR E0505
    registered.map(|device| device.sbdf());
}

/// Any thread may have such a reference, so two could write at the same time.
fn a_state_is_written_by_many(device: &XenbusDevice) {
    device.show_state(State::Closed); //~ ERROR E0596
}

/// The kernel reads on until it finds the end.
static ENDLESS: Pointers<DriverAttribute, 0> = Pointers::new([]); //~ ERROR E0080

kernel::sync::global_lock! {
    unsafe(uninit) static LOCK: Mutex<()> = ();
}

/// Each would initialise the lock, also while it is held.
static ONE: Global<LOCK> = Global::new(&LOCK); //~ ERROR E0133
static TWO: Global<LOCK> = Global::new(&LOCK); //~ ERROR E0133
