// SPDX-License-Identifier: GPL-2.0

//! Hot-plug slots, as far as they can be reset.
//!
//! The kernel exports a reset of a slot only together with its own way of locking, saving and
//! restoring (`pci_reset_bus()`), between which nobody can look at the hardware. So the slot
//! driver's own function is called, as `pci_reset_hotplug_slot()` does.
//!
//! UPSTREAM(slot-ops): `struct hotplug_slot_ops` is mirrored, and called past
//! `pci_reset_hotplug_slot()`, which is not exported.
//!
//! C header: [`include/linux/pci_hotplug.h`](srctree/include/linux/pci_hotplug.h)

use super::{
    raw,
    CfgLocked,
    DeviceExt, //
};
use kernel::{
    bindings,
    ffi::{
        c_char,
        c_int, //
    },
    pci, //
};

type ResetSlot = unsafe extern "C" fn(*mut HotplugSlot, bool) -> c_int;

/// `struct hotplug_slot_ops`, as far as needed. (The kernel's bindings don't have it; layout.c
/// checks this against the C header when the module is built.)
#[repr(C)]
struct Operations {
    others: [usize; 8],
    reset_slot: Option<ResetSlot>,
}

/// `struct hotplug_slot`, likewise.
#[repr(C)]
struct HotplugSlot {
    ops: *const Operations,
    pci_slot: *mut bindings::pci_slot,
    owner: *mut bindings::module,
    mod_name: *const c_char,
}

/// Finds the hot-plug side of the slot that a device is in.
///
/// # Safety
///
/// The lock of the bridge above the device must be held: under it the slot's driver is taken off
/// the bridge, which frees the slot. (It can also be unbound by itself, through its own sysfs
/// file. Like the kernel's own `pci_reset_bus()`, this trusts that nobody does that meanwhile.)
unsafe fn hotplug(device: &pci::Device) -> Option<*mut HotplugSlot> {
    // SAFETY: The device is valid, and so is the slot that it is in, by the caller's promise.
    let hotplug = unsafe {
        let slot = (&raw const (*raw(device)).slot).read_volatile();
        if slot.is_null() {
            return None;
        }
        (&raw const (*slot).hotplug).read_volatile()
    };
    (!hotplug.is_null()).then(|| hotplug.cast())
}

/// Finds the function that resets the slot.
///
/// # Safety
///
/// As for [`hotplug`].
unsafe fn operation(device: &pci::Device) -> Option<(*mut HotplugSlot, ResetSlot)> {
    // SAFETY: By the caller's promise; a hot-plug slot that is not null is valid and has
    // operations.
    unsafe {
        let slot = hotplug(device)?;
        Some((slot, (*(*slot).ops).reset_slot?))
    }
}

/// Returns `true` if the slot that `inside` is in, which must be directly below `bridge`, can be
/// reset.
pub(super) fn can_reset(bridge: &CfgLocked<'_>, inside: &CfgLocked<'_>) -> bool {
    // SAFETY: The bridge's lock is held.
    is_below(bridge, inside) && unsafe { operation(inside.device()) }.is_some()
}

/// The same for whoever holds no lock, by what the two look like.
pub(super) fn could_reset(bridge: &pci::Device, inside: &pci::Device) -> bool {
    // SAFETY: The devices are valid; the pointer is not followed, and the bit is set when the
    // bridge is found.
    unsafe {
        let slot = (&raw const (*raw(inside)).slot).read_volatile();
        !slot.is_null() && bindings::pci_dev::is_pciehp_raw(raw(bridge)) != 0
    }
}

fn is_below(bridge: &CfgLocked<'_>, inside: &CfgLocked<'_>) -> bool {
    let above = inside.device().upstream_bridge();
    above.is_some_and(|above| core::ptr::eq(above, bridge.device()))
}

/// Resets the slot that `inside` is in, which must be directly below `bridge`. Returns what its
/// driver returned, `None` if there is no slot that can be reset.
pub(super) fn reset(bridge: &CfgLocked<'_>, inside: &CfgLocked<'_>) -> Option<c_int> {
    if !is_below(bridge, inside) {
        return None;
    }
    // SAFETY: The bridge's lock is held. The slot's driver is kept from being unloaded while it is
    // called, and called as `pci_reset_hotplug_slot()` calls it.
    unsafe {
        let (slot, reset_slot) = operation(inside.device())?;
        let owner = (*slot).owner;
        if !bindings::try_module_get(owner) {
            return None;
        }
        let result = reset_slot(slot, false);
        bindings::module_put(owner);
        Some(result)
    }
}
