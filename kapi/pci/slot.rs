// SPDX-License-Identifier: GPL-2.0

//! Hot-plug slots, as far as they can be reset.
//!
//! The kernel exports a reset of a slot only together with its own way of locking, saving and
//! restoring (`pci_reset_bus()`), between which nobody can look at the hardware. So the slot
//! driver's own function is called, as `pci_reset_hotplug_slot()` does.
//!
//! C header: [`include/linux/pci_hotplug.h`](srctree/include/linux/pci_hotplug.h)

use super::{raw, Exclusive};
use kernel::{bindings, ffi, pci};

/// `struct hotplug_slot_ops`, as far as needed. (The kernel's bindings don't have it; layout.c
/// checks this against the C header when the module is built.)
#[repr(C)]
struct Operations {
    others: [usize; 8],
    reset_slot: Option<unsafe extern "C" fn(*mut HotplugSlot, bool) -> ffi::c_int>,
}

/// `struct hotplug_slot`, likewise.
#[repr(C)]
struct HotplugSlot {
    ops: *const Operations,
    pci_slot: *mut bindings::pci_slot,
    owner: *mut bindings::module,
    mod_name: *const ffi::c_char,
}

/// Finds the hot-plug side of the slot that a device is in.
fn hotplug(device: &pci::Device) -> Option<*mut HotplugSlot> {
    // SAFETY: The device is valid, and so is the slot that it is in: the kernel takes the pointer
    // away before it frees a slot, which happens when the port's hot-plug driver is unbound. Like
    // the kernel's own resets (`pci_reset_bus()`), this trusts that nobody does that meanwhile.
    let hotplug = unsafe {
        let slot = (&raw const (*raw(device)).slot).read_volatile();
        if slot.is_null() {
            return None;
        }
        (&raw const (*slot).hotplug).read_volatile()
    };
    (!hotplug.is_null()).then(|| hotplug.cast())
}

/// Tells whether the slot that a device is in can be reset.
pub(super) fn can_reset(device: &pci::Device) -> bool {
    // SAFETY: A hot-plug slot that is not null is valid and has operations, see `hotplug`.
    hotplug(device).is_some_and(|slot| unsafe { (*(*slot).ops).reset_slot.is_some() })
}

/// Resets the slot that a device is in. Returns what its driver returned, `None` if there is no
/// slot that can be reset.
pub(super) fn reset(device: &Exclusive<'_>) -> Option<ffi::c_int> {
    let slot = hotplug(device.device())?;
    // SAFETY: As in `can_reset`. The driver is kept from being unloaded while it is called, and
    // called as `pci_reset_hotplug_slot()` calls it, with the locks of all devices in the slot
    // held by the caller.
    unsafe {
        let reset_slot = (*(*slot).ops).reset_slot?;
        let owner = (*slot).owner;
        if !bindings::try_module_get(owner) {
            return None;
        }
        let result = reset_slot(slot, false);
        bindings::module_put(owner);
        Some(result)
    }
}
