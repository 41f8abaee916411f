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

/// User space writes.
fn written(device: &Device, text: &CStr) {
    let bytes = text.to_bytes();
    // SAFETY: The device is there, and the text is that long.
    let done = unsafe {
        bindings::__device_set_driver_override(raw_dev(device), bytes.as_ptr().cast(), bytes.len())
    };
    assert_eq!(done, 0);
}

/// What user space writes stays, whenever it comes, also if it is the same.
#[test]
fn what_user_space_writes_stays() {
    for theirs in [THEIRS, OURS] {
        hold(World::default(), move || {
            let device = Device::new(Sbdf::new(0, 0, 0));
            let user = spawn({
                let device = device.clone();
                move || written(&device, theirs)
            });
            if let Some(ours) = override_driver(&device, OURS).expect("memory") {
                withdraw_override(&device, OURS, ours);
            }
            user.join().expect("no failure");
            assert_eq!(shown(&device).as_deref(), Some(theirs));
        });
    }
}

/// Only once, and nothing is freed twice.
#[test]
fn one_is_set_and_withdrawn() {
    hold(World::default(), || {
        let device = Device::new(Sbdf::new(0, 0, 0));
        let set_and_withdraw = |device: &Device| {
            let ours = override_driver(device, OURS).expect("memory");
            let set = ours.is_some();
            if let Some(ours) = ours {
                assert_eq!(shown(device).as_deref(), Some(OURS));
                withdraw_override(device, OURS, ours);
            }
            set
        };
        let other = spawn({
            let device = device.clone();
            move || set_and_withdraw(&device)
        });
        let first = set_and_withdraw(&device);
        assert!(first | other.join().expect("no failure"));
        assert_eq!(shown(&device), None);
    });
}
