// SPDX-License-Identifier: GPL-2.0

//! The stub driver: it takes devices so that guests can have them.

#![deny(unsafe_code)]

pub(crate) mod claim;
pub(crate) mod claimed;
mod errors;
mod fault;
pub(crate) mod registry;
mod release;
pub(crate) mod settings;
pub(crate) mod sleep;
pub(crate) mod slots;
pub(crate) mod virtual_functions;

use crate::{
    kapi::{
        attr::{DeviceAttribute, DriverAttribute, Groups},
        pci::{DeviceExt, Locked},
        pci_driver::StubDriver,
        xen,
    },
    pure::error_recovery::{Answer, Channel},
    sysfs,
};
use core::ffi::CStr;
use kernel::{device::Core, device_id::IdArray, pci, prelude::*};

/// The driver's name, which the toolstacks look for.
pub(crate) const NAME: &CStr = c"pciback";

/// The driver.
pub(crate) struct Stub;

/// Every device: which of them are taken is decided by the slots, not by the kind of device. Not
/// made by `pci_device_table!`, which would also give the module an alias for every device and so
/// have it loaded everywhere. (It must not be empty: the kernel's adapter looks up entry 0.)
const ANY: IdArray<pci::DeviceId, (), 1> = IdArray::new([(pci::DeviceId::from_class(0, 0), ())]);

impl pci::Driver for Stub {
    type IdInfo = ();
    type Data<'bound> = claim::Claim;

    const ID_TABLE: pci::IdTable<()> = &ANY;

    /// Claims the device if it is meant for this driver.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: not meant for this driver (nothing is logged), or not claimable.
    /// - The errno of the step of the claim that failed.
    fn probe<'bound>(
        device: &'bound pci::Device<Core<'_>>,
        (): &'bound (),
    ) -> impl PinInit<claim::Claim, Error> + 'bound {
        // Only once there is memory for the result: a claim that cannot be stored could not be
        // undone by a release.
        pin_init::pin_init_scope(move || {
            // The outer result is that of making an initialiser, the inner one is the initialiser.
            Ok(if is_wanted(&Locked::by_driver_core(device)) {
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
    const DRIVER_GROUPS: &'static Groups<DriverAttribute> = &sysfs::driver::GROUPS;
    const DEVICE_GROUPS: &'static Groups<DeviceAttribute> = &sysfs::device::GROUPS;

    fn error_detected(device: &Locked<'_>, channel: Channel) -> Answer {
        errors::detected(device, channel)
    }

    fn link_was_reset(device: &Locked<'_>) -> Answer {
        errors::link_was_reset(device)
    }

    fn recovered(device: &Locked<'_>) {
        errors::recovered(device);
    }
}

/// Tells whether the device is meant for this driver: by name (`driver_override`), because it is
/// listed, or because a bridge above it is.
fn is_wanted(locked: &Locked<'_>) -> bool {
    let listed = |device: &pci::Device| slots::contains(device.sbdf());
    locked.is_overridden_to(NAME)
        || listed(locked.device())
        || locked
            .bridge_above()
            .is_some_and(|bridge| bridge.towards_root().any(listed))
}

/// Refuses to go on anywhere but in an initial domain.
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
