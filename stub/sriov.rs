// SPDX-License-Identifier: GPL-2.0

//! Releasing virtual functions when their physical function loses its driver.
//!
//! Some drivers remove their virtual functions when they are unbound; others leave them, although
//! they no longer work. Either way a claimed one that no guest uses is released.

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
    /// Called with the locks of the physical function and of the notifier chain held. To release a
    /// virtual function takes its lock and calls the chain, so that is done in the background.
    fn unbinding(device: &pci::Device) {
        if !device.is_physical_function() {
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
        // By now it may have been removed, or a guest may use it.
        if registry::has(&claimed) && claimed.holder().domain().is_none() {
            release_driver(&claimed.device);
        }
    };
    if let Err(error) = workers::spawn(release) {
        dev_err!(&device, "not released ({})\n", error.to_errno());
    }
}
