// SPDX-License-Identifier: GPL-2.0

//! The stub driver: it takes devices so that guests can have them.

#![deny(unsafe_code)]

pub(crate) mod aer;
pub(crate) mod arrivals;
pub(crate) mod claim;
pub(crate) mod claimed;
mod fault;
mod guest_interrupts;
pub(crate) mod journal;
pub(crate) mod registry;
mod release;
pub(crate) mod settings;
pub(crate) mod sleep;
pub(crate) mod slots;
pub(crate) mod together;
pub(crate) mod virtual_functions;

use crate::{
    kapi::{
        attr::{DeviceAttribute, DriverAttribute, Groups},
        pci::{DeviceExt, Exclusive, Locked},
        pci_driver::StubDriver,
        xen,
    },
    pure::{
        error_recovery::{Answer, Channel},
        sbdf::Sbdf,
    },
    reset::kernels,
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
            let wanted = is_wanted(&Locked::by_driver_core(device));
            Ok(if wanted && !together::collected(device) {
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
        aer::error_detected(device, channel)
    }

    fn slot_reset(device: &Locked<'_>) -> Answer {
        aer::slot_reset(device)
    }

    fn resume(device: &Locked<'_>) {
        aer::resume(device);
    }

    fn reset_prepare(device: &Exclusive<'_>) {
        kernels::prepare(device);
    }

    fn reset_done(device: &Exclusive<'_>) {
        kernels::done(device);
    }
}

/// Tells whether the device is meant for this driver: by name (`driver_override`), or because it
/// is [listed](listed_for).
fn is_wanted(locked: &Locked<'_>) -> bool {
    locked.is_overridden_to(NAME)
        || listed_for(locked.device(), locked.physical_function()).is_some()
}

/// Returns the listed address for which a device is meant for this driver: its own, that of the
/// `physical` function that it is a virtual one of, or that of a bridge above.
fn listed_for(device: &pci::Device, physical: Option<&pci::Device>) -> Option<Sbdf> {
    let listed = |sbdf: &Sbdf| slots::contains(*sbdf);
    let above = physical.unwrap_or(device).towards_root();
    let own = Some(device.sbdf()).filter(listed);
    own.or_else(|| above.map(DeviceExt::sbdf).find(listed))
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
