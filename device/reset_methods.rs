// SPDX-License-Identifier: GPL-2.0

//! Which reset methods the kernel offers for which devices. That shows whether a list of methods
//! was changed, and whether this kernel numbers the methods as we do.

use crate::{
    kapi::pci::{
        listed_methods,
        DeviceExt,
        Header,
        Locked,
        PciDevices,
        Unlocked, //
    },
    pure::reset_method::Method, //
};
use kernel::{
    bindings,
    pci,
    prelude::*, //
};

/// Returns `true` if the kernel offered any reset method when it found the device, as far as the
/// device shows it. (It doesn't show `device_specific` and `acpi`; if they were the only ones, the
/// answer is `false`.)
pub(crate) fn was_offered_method(locked: &Locked<'_>) -> bool {
    let device = locked.device();
    // Emptying the list clears its first entry only (reset_method_store()).
    let rest = listed_methods(device).numbers().into_iter().skip(1);
    rest.into_iter().any(|number| number != 0)
        || offers_bus(device)
        || offers_flr(device)
        || offers_af_flr(locked)
        || offers_pm(locked)
}

/// Returns `true` if the kernel would reset the bus for this device alone, as
/// `pci_parent_bus_reset()` decides it: nobody else is on it.
pub(crate) fn is_alone_on_its_bus(device: &pci::Device) -> bool {
    device.is_alone_on_bus() && takes_bus_reset(device)
}

/// Returns `true` if a bus reset is there for the device, whoever else is on the bus.
fn takes_bus_reset(device: &pci::Device) -> bool {
    device.header() == Header::Normal
        && device.upstream_bridge().is_some()
        && !device.never_reset_bus()
}

/// As `pci_parent_bus_reset()` decides it when it finds the device: `bus` is offered to one that
/// has no neighbour then, so to the first on a bus below a bridge.
fn offers_bus(device: &pci::Device) -> bool {
    device.is_first_on_bus() && takes_bus_reset(device)
}

/// As `pcie_reset_flr()` decides it.
fn offers_flr(device: &pci::Device) -> bool {
    device.is_flr_capable() && !device.has_flag(bindings::pci_dev_flags_PCI_DEV_FLAGS_NO_FLR_RESET)
}

/// As `pci_af_flr()` decides it.
fn offers_af_flr(locked: &Locked<'_>) -> bool {
    let wanted = (bindings::PCI_AF_CAP_TP | bindings::PCI_AF_CAP_FLR) as u8;
    let device = locked.device();
    locked.af_capabilities() & wanted == wanted
        && !device.has_flag(bindings::pci_dev_flags_PCI_DEV_FLAGS_NO_FLR_RESET)
}

/// As `pci_pm_reset()` decides it. A device that doesn't answer reads as all ones, and is offered
/// nothing.
fn offers_pm(locked: &Locked<'_>) -> bool {
    let device = locked.device();
    !device.has_flag(bindings::pci_dev_flags_PCI_DEV_FLAGS_NO_PM_RESET)
        && locked
            .pm_control()
            .is_some_and(|control| u32::from(control) & bindings::PCI_PM_CTRL_NO_SOFT_RESET == 0)
}

/// Checks that the kernel numbers reset methods as [`Method`] does, as far as the devices that are
/// there show it: a method is listed only for devices that have the capability it uses.
///
/// # Errors
///
/// - `ENOEXEC`: they aren't, which is in the log.
pub(crate) fn check_reset_methods() -> Result {
    for device in PciDevices::while_they_change() {
        let listed = listed_methods(&device);
        let has = |method| match method {
            Method::Flr => device.is_flr_capable(),
            Method::Pm => device.has_pm_capability(),
            _ => true,
        };
        if let Some(method) = listed.methods().find(|method| !has(*method)) {
            let errno = ENOEXEC.to_errno();
            pr_err!(
                "{} lists the reset method {}, which it lacks: this kernel numbers reset methods differently ({errno})\n",
                device.sbdf(),
                method.name()
            );
            return Err(ENOEXEC);
        }
    }
    Ok(())
}
