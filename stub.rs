// SPDX-License-Identifier: GPL-2.0

//! The stub driver: it takes devices so that guests can have them.

#![deny(unsafe_code)]

pub(crate) mod aer;
pub(crate) mod bulk;
pub(crate) mod claim;
mod guest_interrupts;
pub(crate) mod hotplug;
pub(crate) mod pm;
mod release;
pub(crate) mod sriov;

use self::hotplug::listed_for;
use crate::{
    device,
    kapi::{
        compat,
        pci::{
            CfgLocked,
            Locked, //
        },
        pci_driver::StubDriver,
        xen, //
    },
    pure::error_recovery::{
        Channel,
        ErsResult, //
    },
    reset::kernel_reset, //
};
use kernel::{
    device::Core,
    pci,
    prelude::*, //
};

/// The driver.
pub(crate) struct Stub;

impl pci::Driver for Stub {
    type IdInfo = ();
    type Data<'bound> = claim::Claim;

    /// Every device: which of them are taken is decided by the slots, not by the kind of device.
    const ID_TABLE: pci::IdTable<()> = &compat::ANY_DEVICE;

    /// Claims the device if it is meant for this driver.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: not meant for this driver (nothing is logged), or not claimable.
    /// - The errno of the step of the claim that failed.
    fn probe<'bound>(
        device: &'bound pci::Device<Core<'_>>,
        _info: compat::IdInfo<'bound>,
    ) -> impl PinInit<claim::Claim, Error> + 'bound {
        // Only once there is memory for the result: a claim that cannot be stored could not be
        // undone by a release.
        pin_init::pin_init_scope(move || {
            // The outer result is that of making an initialiser, the inner one is the initialiser.
            let wanted = is_wanted(&Locked::by_driver_core(device));
            Ok(if wanted && !bulk::defer(device) {
                claim::claim(device)
            } else {
                Err(ENODEV)
            })
        })
    }

    fn unbind<'bound>(device: &'bound pci::Device<Core<'_>>, claim: Pin<&claim::Claim>) {
        release::release(device, &claim);
    }
}

impl StubDriver for Stub {
    fn error_detected(device: &Locked<'_>, channel: Channel) -> ErsResult {
        aer::error_detected(device, channel)
    }

    fn slot_reset(device: &Locked<'_>) -> ErsResult {
        aer::slot_reset(device)
    }

    fn resume(device: &Locked<'_>) {
        aer::resume(device);
    }

    fn reset_prepare(device: &CfgLocked<'_>) {
        kernel_reset::prepare(device);
    }

    fn reset_done(device: &CfgLocked<'_>) {
        kernel_reset::done(device);
    }
}

/// Returns `true` if the device is meant for this driver: by name (`driver_override`), or because
/// it is [listed](listed_for).
fn is_wanted(locked: &Locked<'_>) -> bool {
    locked.is_overridden_to(device::NAME)
        || listed_for(locked.device(), locked.physical_function()).is_some()
}

/// Fails anywhere but in the initial domain.
///
/// # Errors
///
/// - `ENODEV`: this is bare metal or a guest.
pub(crate) fn require_initial_domain() -> Result {
    if xen::initial_domain().is_none() {
        pr_err!("not the initial domain of Xen: nothing to do here\n");
        return Err(ENODEV);
    }
    Ok(())
}
