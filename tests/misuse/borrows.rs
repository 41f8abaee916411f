// SPDX-License-Identifier: GPL-2.0

//! Safe code that misuses the wrappers: what the borrow checker refuses, and what is `unsafe`.
//!
//! See tests/misuse/check.py. Functions without a mark are uses as they should be.

#![allow(unused)]
#![deny(unsafe_code)]

use crate::kapi::{
    attr::{DriverAttribute, Pointers},
    global::Global,
    pci::{ConfigAccess, DeviceExt, DeviceLocks, HotplugLock, Locked, PciDevices},
};
use kernel::{device::Core, pci, prelude::*};

fn a_device_outlives_its_locks(locks: DeviceLocks) {
    let Some(first) = locks.get(0) else { return };
    drop(locks); //~ ERROR E0505
    first.quiesce();
}

fn what_is_exclusive_outlives_the_access(device: &pci::Device<Core<'_>>) {
    let locked = Locked::by_driver_core(device);
    let exclusive = {
        let access = ConfigAccess::block(&locked);
        access.exclusive() //~ ERROR E0597
    };
    exclusive.quiesce();
}

fn the_access_outlives_the_lock(locks: DeviceLocks) {
    let Some(first) = locks.get(0) else { return };
    let access = ConfigAccess::block(&first);
    drop(first); //~ ERROR E0505
    access.exclusive().quiesce();
}

fn a_physical_function_outlives_the_lock(locks: DeviceLocks) {
    let Some(first) = locks.get(0) else { return };
    let physical = first.physical_function();
    drop(locks); //~ ERROR E0505
    physical.map(DeviceExt::sbdf);
}

fn devices_that_stay_without_the_lock(lock: HotplugLock) {
    let mut devices = PciDevices::new(&lock);
    drop(lock); //~ ERROR E0505
    devices.next();
}

/// The kernel reads on until it finds the end.
static ENDLESS: Pointers<DriverAttribute, 0> = Pointers::new([]); //~ ERROR E0080

kernel::sync::global_lock! {
    unsafe(uninit) static LOCK: Mutex<()> = ();
}

/// Each would initialise the lock, also while it is held.
static ONE: Global<LOCK> = Global::new(&LOCK); //~ ERROR E0133
static TWO: Global<LOCK> = Global::new(&LOCK); //~ ERROR E0133
