// SPDX-License-Identifier: GPL-2.0

//! What one needs to know of devices that others own, to judge whether a reset may reach them.
//!
//! No lock is held while these are asked, so each answer is one of the moment. None follows a
//! pointer that the device doesn't keep valid.

use super::{
    drivers::find_driver,
    listed_methods,
    raw,
    raw_dev,
    slot,
    DeviceExt,
    Header,
    PciDevices, //
};
use crate::pure::reset_method::Method;
use kernel::{
    bindings,
    ffi::c_int,
    pci,
    prelude::*,
    str::CString, //
};

/// The kinds of drivers that a device can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DriverKind {
    /// None.
    None,
    /// The kernel's driver for PCI Express ports.
    Port,
    /// Any other.
    Other,
}

/// The kernel's driver for PCI Express ports, which is never unloaded.
#[derive(Clone, Copy)]
pub(crate) struct PortDriver(*const bindings::device_driver);

impl PortDriver {
    /// Finds it.
    pub(crate) fn find() -> Self {
        // SAFETY: The bus exists, and the name is a C string.
        let driver = unsafe {
            bindings::driver_find(c"pcieport".as_char_ptr(), &raw const bindings::pci_bus_type)
        };
        Self(driver)
    }
}

/// Questions about any device, at any time.
pub(crate) trait Unlocked: DeviceExt {
    /// Returns `true` if both are the same device.
    fn is(&self, other: &pci::Device) -> bool;

    /// Returns what kind of driver the device has.
    fn driver(&self, ports: PortDriver) -> DriverKind;

    /// Returns the name of its driver, if it has one.
    fn driver_name(&self) -> Option<CString>;

    /// Returns `true` if this is a virtual function of `other`.
    fn is_virtual_function_of(&self, other: &pci::Device) -> bool;

    /// Returns `true` if the device is in a hot-plug slot of `bridge`, the one above it, that can be
    /// reset, as far as that can be told.
    fn is_in_slot_of(&self, bridge: &pci::Device) -> bool;

    /// Returns `true` if the kernel knows that the device doesn't survive a bus reset.
    fn never_reset_bus(&self) -> bool;

    /// Returns `true` if the kernel offered any reset method when it found the device, as far as that
    /// can be told from what it offers them for (not for `device_specific` and `acpi`, unless
    /// there were others besides).
    fn was_offered_method(&self) -> bool;

    /// Returns `true` if the kernel gave the device up: it was pulled out.
    fn is_disconnected(&self) -> bool;
}

impl Unlocked for pci::Device {
    fn is(&self, other: &pci::Device) -> bool {
        core::ptr::eq(self, other)
    }

    fn driver(&self, ports: PortDriver) -> DriverKind {
        // SAFETY: The device is valid. The pointer is compared, not followed.
        let driver = unsafe { (&raw const (*raw_dev(self)).driver).read_volatile() };
        if driver.is_null() {
            DriverKind::None
        } else if core::ptr::eq(driver, ports.0) {
            DriverKind::Port
        } else {
            DriverKind::Other
        }
    }

    fn driver_name(&self) -> Option<CString> {
        // SAFETY: The device is valid. The pointer is compared, not followed: the driver may go.
        let wanted = unsafe { (&raw const (*raw_dev(self)).driver).read_volatile() };
        find_driver(|candidate| {
            if !core::ptr::eq(candidate, wanted) {
                return None;
            }
            // SAFETY: The driver is registered during the call, and its name is a C string.
            let name = unsafe { CStr::from_char_ptr((*candidate).name) };
            Some(CString::try_from(name).ok())
        })
        .flatten()
    }

    fn is_virtual_function_of(&self, other: &pci::Device) -> bool {
        // SAFETY: The device is valid; the bit is set before a virtual function is added. Only
        // such a function has this member of the union; it is compared, not followed.
        unsafe {
            bindings::pci_dev::is_virtfn_raw(raw(self)) != 0
                && core::ptr::eq((*raw(self)).__bindgen_anon_1.physfn, raw(other))
        }
    }

    fn is_in_slot_of(&self, bridge: &pci::Device) -> bool {
        slot::could_reset(bridge, self)
    }

    fn never_reset_bus(&self) -> bool {
        has_flag(self, bindings::pci_dev_flags_PCI_DEV_FLAGS_NO_BUS_RESET)
    }

    fn was_offered_method(&self) -> bool {
        // Emptying the list clears its first entry only (reset_method_store()).
        let rest = listed_methods(self).numbers().into_iter().skip(1);
        rest.into_iter().any(|number| number != 0)
            || offers_bus(self)
            || offers_flr(self)
            || offers_af_flr(self)
            || offers_pm(self)
    }

    fn is_disconnected(&self) -> bool {
        // SAFETY: The device is valid; the state is a number that the kernel sets atomically.
        let state = unsafe { (&raw const (*raw(self)).error_state).read_volatile() };
        state == bindings::pci_channel_io_perm_failure
    }
}

/// Returns `true` if a flag is set that a quirk sets when the device is found.
fn has_flag(device: &pci::Device, flag: bindings::pci_dev_flags) -> bool {
    // CAST: The flags asked for are in the lower bits.
    let flag = flag as bindings::pci_dev_flags_t;
    // SAFETY: The device is valid.
    unsafe { (*raw(device)).dev_flags & flag != 0 }
}

/// As `pci_parent_bus_reset()` decides it when it finds the device: `bus` is offered to one that
/// has no neighbour then, so to the first on a bus below a bridge.
fn offers_bus(device: &pci::Device) -> bool {
    // SAFETY: The device is valid and keeps its bus valid. The list's head is compared with the
    // address of the device's own entry; nothing is followed.
    let first = unsafe {
        let head = (&raw const (*(*raw(device)).bus).devices.next).read_volatile();
        core::ptr::eq(head, &raw const (*raw(device)).bus_list)
    };
    first
        && device.header() == Header::Normal
        && device.upstream_bridge().is_some()
        && !device.never_reset_bus()
}

/// Sees to it that the kernel's numbers of reset methods are those of [`Method`], as far as the
/// devices that are there show it: a method is listed for those only that have what it works with.
///
/// # Errors
///
/// - `ENOEXEC`: they aren't, which is in the log.
pub(crate) fn check_reset_methods() -> Result {
    for device in PciDevices::while_they_change() {
        let listed = listed_methods(&device);
        let has = |method| match method {
            Method::Flr => is_flr_capable(&device),
            Method::Pm => power_management(&device).is_some(),
            _ => true,
        };
        if let Some(method) = listed.methods().find(|method| !has(*method)) {
            let errno = ENOEXEC.to_errno();
            pr_err!(
                "{} lists the reset method {} and can't have it: this kernel numbers them otherwise ({errno})\n",
                device.sbdf(),
                method.name()
            );
            return Err(ENOEXEC);
        }
    }
    Ok(())
}

/// Returns `true` if the function has a Function Level Reset (PCIe r6.0 sec 7.5.3.3).
fn is_flr_capable(device: &pci::Device) -> bool {
    // SAFETY: The device is valid; the field is set when it is found.
    unsafe { (*raw(device)).devcap & bindings::PCI_EXP_DEVCAP_FLR != 0 }
}

/// Returns where the function's power management capability is, if it has one.
fn power_management(device: &pci::Device) -> Option<c_int> {
    // SAFETY: The device is valid; the field is set when it is found.
    let at = unsafe { (*raw(device)).pm_cap };
    (at != 0).then(|| c_int::from(at))
}

/// As `pcie_reset_flr()` decides it.
fn offers_flr(device: &pci::Device) -> bool {
    is_flr_capable(device) && !has_flag(device, bindings::pci_dev_flags_PCI_DEV_FLAGS_NO_FLR_RESET)
}

/// As `pci_af_flr()` decides it.
fn offers_af_flr(device: &pci::Device) -> bool {
    let wanted = (bindings::PCI_AF_CAP_TP | bindings::PCI_AF_CAP_FLR) as u8;
    let mut capability = 0u8;
    // SAFETY: The device is valid. A failed read leaves 0 or all ones; of the latter, the look for
    // the capability would have failed before.
    unsafe {
        let at = bindings::pci_find_capability(raw(device), bindings::PCI_CAP_ID_AF as c_int);
        if at != 0 {
            let at = c_int::from(at).saturating_add(bindings::PCI_AF_CAP as c_int);
            bindings::pci_read_config_byte(raw(device), at, &mut capability);
        }
    }
    capability & wanted == wanted
        && !has_flag(device, bindings::pci_dev_flags_PCI_DEV_FLAGS_NO_FLR_RESET)
}

/// As `pci_pm_reset()` decides it.
fn offers_pm(device: &pci::Device) -> bool {
    let Some(at) = power_management(device) else {
        return false;
    };
    if has_flag(device, bindings::pci_dev_flags_PCI_DEV_FLAGS_NO_PM_RESET) {
        return false;
    }
    let at = at.saturating_add(bindings::PCI_PM_CTRL as c_int);
    let mut control = u16::MAX;
    // SAFETY: The device is valid. From one that doesn't answer, all ones are read, in which case
    // nothing is offered.
    unsafe { bindings::pci_read_config_word(raw(device), at, &mut control) };
    u32::from(control) & bindings::PCI_PM_CTRL_NO_SOFT_RESET == 0
}
