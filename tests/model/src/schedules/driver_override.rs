// SPDX-License-Identifier: GPL-2.0

//! kapi/pci/driver_override.rs, while user space writes to the same file.

use super::driver_override::{override_driver, withdraw_override};
use crate::{
    bindings,
    pci::{raw_dev, Device},
    prelude::*,
    pure::sbdf::Sbdf,
    schedules::hold,
    stand_in::context::World,
};
use shuttle::thread::spawn;
use std::ffi::CString;

const OURS: &CStr = c"pciback";
const THEIRS: &CStr = c"vfio-pci";

/// Returns what user space reads.
fn shown(device: &Device) -> Option<CString> {
    // SAFETY: The device is there.
    unsafe { bindings::driver_override_show(raw_dev(device)) }
}

/// What user space writes stays, whenever it comes.
#[test]
fn what_user_space_writes_stays() {
    hold(World::default(), || {
        let device = Device::new(Sbdf::new(0, 0, 0));
        override_driver(&device, OURS).expect("memory");
        let user = spawn({
            let device = device.clone();
            move || override_driver(&device, THEIRS).expect("memory")
        });
        withdraw_override(&device, OURS);
        user.join().expect("no failure");
        assert_eq!(shown(&device).as_deref(), Some(THEIRS));
    });
}

/// Only once, and nothing is freed twice.
#[test]
fn two_withdraw_it() {
    hold(World::default(), || {
        let device = Device::new(Sbdf::new(0, 0, 0));
        override_driver(&device, OURS).expect("memory");
        let other = spawn({
            let device = device.clone();
            move || withdraw_override(&device, OURS)
        });
        withdraw_override(&device, OURS);
        other.join().expect("no failure");
        assert_eq!(shown(&device), None);
    });
}
