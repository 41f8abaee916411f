// SPDX-License-Identifier: GPL-2.0

//! Releasing virtual functions when their physical function loses its driver.
//!
//! Some drivers remove their virtual functions when they are unbound; others leave them, although
//! they no longer work. Either way a claimed one is released, but one of the latter not while a
//! guest has it or is about to get it.

use crate::{
    device::{
        claimed::Claimed,
        registry,
        reservation::Reservation,
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
    pure::device_state::Holder, //
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

/// Releases a virtual function in the background, if nobody holds it, or after it was cleaned.
fn release_later(claimed: Arc<Claimed>) {
    match claimed.holder() {
        Holder::Nobody | Holder::Leaving(_) | Holder::Cleaning(_) => {}
        Holder::Gone => return,
        Holder::Assigned => {
            dev_warn!(
                &claimed.device,
                "its physical function is unbound from its driver while this one is given to a guest\n"
            );
            return;
        }
        Holder::Domain(domain) => {
            dev_warn!(
                &claimed.device,
                "its physical function is unbound from its driver while domain {domain} uses this one\n"
            );
            return;
        }
    }
    let device = claimed.device.clone();
    let release = move || {
        if let Err(error) = release(&claimed) {
            dev_err!(&claimed.device, "not released ({})\n", error.to_errno());
        }
    };
    if let Err(error) = workers::spawn(release) {
        dev_err!(&device, "not released ({})\n", error.to_errno());
    }
}

/// How often a virtual function is to be reserved, each time for ten seconds at most: the kernel
/// gives a device a minute to come back (`PCIE_RESET_READY_POLL_MS`, drivers/pci/pci.h), on each
/// rung.
const TRIES: u32 = 20;

/// Releases a virtual function, unless by now it was removed or somebody holds it. It is reserved
/// meanwhile, so that nobody gets it.
///
/// # Errors
///
/// - `EAGAIN`: it takes too long to clean or to reset it.
/// - `ENOMEM`: no memory.
fn release(claimed: &Arc<Claimed>) -> Result {
    claimed.wait_left()?;
    let mut tries = 1;
    let _reserved = loop {
        match Reservation::take([claimed.clone()].into_iter()) {
            // A reset that fails may take longer than one attempt.
            Err(EAGAIN) if tries < TRIES => tries += 1,
            reserved => break reserved?,
        }
    };
    if registry::has(claimed) && claimed.holder() == Holder::Nobody {
        release_driver(&claimed.device);
    }
    Ok(())
}
