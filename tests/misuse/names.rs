// SPDX-License-Identifier: GPL-2.0

//! Safe code that misuses the wrappers: what is not to be named.
//!
//! See tests/misuse/check.py. These are errors of name resolution, after which the compiler looks
//! at no types.

#![allow(unused)]
#![forbid(unsafe_code)]

use crate::kapi::{attr::Pointers, bus_notifier::Arriving};
use kernel::{bindings, pci};

/// sysfs would follow them.
fn pointers_to_anywhere() -> Pointers<bindings::attribute, 2> {
    Pointers([core::ptr::dangling(), core::ptr::null()]) //~ ERROR E0423
}

fn a_device_that_does_not_arrive(device: &pci::Device) {
    let arriving = Arriving(device); //~ ERROR E0423
}
