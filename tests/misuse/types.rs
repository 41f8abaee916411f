// SPDX-License-Identifier: GPL-2.0

//! Safe code that misuses the wrappers: what the types refuse.
//!
//! See tests/misuse/check.py. Functions without a mark are uses as they should be.

#![allow(unused)]
#![forbid(unsafe_code)]

use crate::kapi::{
    attr::{
        DeviceAttribute,
        DriverAttribute,
        Group,
        Groups, //
    },
    device_file::NumberFile,
    gsi_hook::{
        GsiHook,
        GsiSource, //
    },
    pci::{
        CfgLocked,
        ConfigAccess,
        DeviceLocks,
        Locked,
        Registered,
        RescanRemoveLock, //
    },
    physdev::{
        physdev_op,
        PrepareMsix, //
    },
    xen::{
        Dom0,
        Dom0Kind, //
    },
};
use kernel::{
    pci,
    prelude::*, //
};

fn needs_send<T: Send>() {}

/// The lock is given back by the thread that took it, and what stands for it stays there too.
fn a_lock_leaves_its_thread() {
    needs_send::<Locked<'static>>(); //~ ERROR E0277
    needs_send::<CfgLocked<'static>>(); //~ ERROR E0277
    needs_send::<DeviceLocks>(); //~ ERROR E0277
    needs_send::<ConfigAccess<'static>>(); //~ ERROR E0277
    needs_send::<RescanRemoveLock>(); //~ ERROR E0277
    needs_send::<Registered<'static>>(); //~ ERROR E0277
}

/// Outside of Xen there is nobody to call.
fn a_hypercall_by_anybody(mut op: PrepareMsix) {
    physdev_op(&mut op); //~ ERROR E0061
}

fn a_domain_that_nobody_looked_up() -> Dom0 {
    Dom0::Pv //~ ERROR E0599
}

/// The place may be another driver's.
fn a_hook_without_the_driver<T: GsiSource>() -> GsiHook<T> {
    GsiHook::new() //~ ERROR E0061
}

fn a_device_that_nothing_keeps(device: &pci::Device) {
    let registered = Registered { device }; //~ ERROR -
}

/// The directory may be gone, or not be there yet.
fn a_file_of_any_device(device: &pci::Device) -> Result<NumberFile> {
    NumberFile::new(device, c"number", 1) //~ ERROR E0308
}

/// Its callbacks would take a driver for a device.
fn the_attributes_of_something_else(group: &'static Group<DeviceAttribute>) {
    let groups: Groups<DriverAttribute> = Groups::of(group); //~ ERROR E0308
}
