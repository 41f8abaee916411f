// SPDX-License-Identifier: GPL-2.0

//! Virtual functions go when the driver of their physical function does.
//!
//! Some drivers take their virtual functions away when they go; others leave them, without anybody
//! to serve them. Either way a claimed one that no guest uses is released.

use crate::{
    device::{
        claimed::Claimed,
        registry,
        workers, //
    },
    kapi::{
        notifier::{
            BusListener,
            BusRegistration, //
        },
        pci::{
            release_driver,
            DeviceExt,
            Unlocked, //
        },
    },
};
use kernel::{
    pci,
    prelude::*,
    sync::Arc, //
};

/// The registration, held as long as the driver is.
pub(crate) type SriovWatch = BusRegistration<PhysicalFunctions>;

/// Physical functions that lose their drivers.
pub(crate) struct PhysicalFunctions;

impl BusListener for PhysicalFunctions {
    /// The physical function's lock is held, and that of the notifier chain, so the release of a
    /// virtual function, which takes its lock and calls the chain, is left to others.
    fn unbinding(device: &pci::Device) {
        if device.is_virtual_function() {
            return;
        }
        let result = registry::all().map(|all| {
            for claimed in all {
                if claimed.device.is_virtual_function_of(device) {
                    release_later(claimed);
                }
            }
        });
        if let Err(error) = result {
            dev_err!(
                device,
                "its virtual functions are not released ({})\n",
                error.to_errno()
            );
        }
    }
}

/// Releases a virtual function in the background, if no guest uses it.
fn release_later(claimed: Arc<Claimed>) {
    if let Some(domain) = claimed.holder().domain() {
        dev_warn!(
            &claimed.device,
            "its physical function is unbound from its driver while domain {domain} uses this one\n"
        );
        return;
    }
    let device = claimed.device.clone();
    let release = move || {
        // It may have gone with its physical function by now, or been given to a guest.
        if registry::has(&claimed) && claimed.holder().domain().is_none() {
            release_driver(&claimed.device);
        }
    };
    if let Err(error) = workers::spawn(release) {
        dev_err!(&device, "not released ({})\n", error.to_errno());
    }
}
