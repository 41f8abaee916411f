// SPDX-License-Identifier: GPL-2.0

//! Safe code that misuses the wrappers: what the types refuse.
//!
//! See tests/misuse/check.py. Functions without a mark are uses as they should be.

#![allow(unused)]
#![forbid(unsafe_code)]

use crate::kapi::{
    attr::{DeviceAttribute, DriverAttribute, Group, Groups},
    device_file::NumberFile,
    pci::{ConfigAccess, DeviceLocks, Exclusive, HotplugLock, Locked, Registered},
};
use kernel::{pci, prelude::*};

fn needs_send<T: Send>() {}

/// The lock is given back by the thread that took it, and what stands for it stays there too.
fn a_lock_leaves_its_thread() {
    needs_send::<Locked<'static>>(); //~ ERROR E0277
    needs_send::<Exclusive<'static>>(); //~ ERROR E0277
    needs_send::<DeviceLocks>(); //~ ERROR E0277
    needs_send::<ConfigAccess<'static>>(); //~ ERROR E0277
    needs_send::<HotplugLock>(); //~ ERROR E0277
    needs_send::<Registered<'static>>(); //~ ERROR E0277
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
