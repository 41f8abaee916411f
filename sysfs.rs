// SPDX-License-Identifier: GPL-2.0

//! The attributes: [`driver`] and [`settings`] in the driver's directory, [`device`] in that of
//! each claimed device. (The `gsi` file, which every PCI device gets, is in [`crate::gsi::files`].)
//!
//! Formats and errors are described in Documentation/ABI/testing/sysfs-driver-pciback.

#![deny(unsafe_code)]

pub(crate) mod device;
pub(crate) mod driver;
mod parse;
mod settings;

use crate::{
    kapi::{
        attr::{
            DeviceAttribute,
            DriverAttribute,
            Groups, //
        },
        pci_driver::Attributes, //
    },
    stub::Stub, //
};

impl Attributes for Stub {
    const DRIVER_GROUPS: &'static Groups<DriverAttribute> = &driver::GROUPS;
    const DEVICE_GROUPS: &'static Groups<DeviceAttribute> = &device::GROUPS;
}
