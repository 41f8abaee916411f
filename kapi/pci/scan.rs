// SPDX-License-Identifier: GPL-2.0

//! Walking all PCI devices, and keeping them from coming and going meanwhile.
//!
//! UPSTREAM(pci-get-device): neither `pci_get_device()` nor `pci_lock_rescan_remove()` has a
//! wrapper.

use super::Registered;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    pci,
    sync::aref::ARef, //
};

/// While this lives, no PCI device is added or removed (`pci_lock_rescan_remove()`).
///
/// # Examples
///
/// ```ignore
/// let no_changes = RescanRemoveLock::new();
/// no_changes.for_each_device(|device| dev_info!(device, "is there\n"));
/// ```
pub(crate) struct RescanRemoveLock(PhantomData<*mut ()>);

impl RescanRemoveLock {
    /// Waits for additions and removals under way. Must not be called in a device's callback.
    pub(crate) fn new() -> Self {
        // SAFETY: Takes a mutex.
        unsafe { bindings::pci_lock_rescan_remove() };
        Self(PhantomData)
    }

    /// Calls `visit` with each device, in the order of the kernel's list.
    pub(crate) fn for_each_device(&self, mut visit: impl FnMut(Registered<'_>)) {
        for device in PciDevices::while_they_change() {
            // SAFETY: A device is in the list from when it is in sysfs until it is removed, for
            // which the lock held here would be needed (`pci_stop_and_remove_bus_device()` asserts
            // it). A driver that takes its virtual functions along without it, as igb does when it
            // is unbound, breaks that rule for the kernel's own walks as well.
            visit(unsafe { Registered::assume(&device) });
        }
    }
}

impl Drop for RescanRemoveLock {
    fn drop(&mut self) {
        // SAFETY: `new` took the mutex in this thread.
        unsafe { bindings::pci_unlock_rescan_remove() };
    }
}

/// An iterator over all PCI devices, in the order of the kernel's list.
pub(crate) struct PciDevices {
    last: Option<ARef<pci::Device>>,
}

impl PciDevices {
    /// Starts at the first device while others may come and go. Every device that is there from
    /// beginning to end is found, bridges before what is below them; when one is removed in
    /// between, some may be found twice.
    pub(crate) fn while_they_change() -> Self {
        Self { last: None }
    }
}

impl Iterator for PciDevices {
    type Item = ARef<pci::Device>;

    fn next(&mut self) -> Option<Self::Item> {
        let from = match self.last.take() {
            None => core::ptr::null_mut(),
            Some(device) => ARef::into_raw(device).as_ptr().cast(),
        };
        // SAFETY: `from` is null or a valid device, a reference to which is given away here:
        // pci_get_device() drops it and returns the next device with one of its own.
        let found = unsafe { bindings::pci_get_device(u32::MAX, u32::MAX, from) };
        let found = NonNull::new(found.cast::<pci::Device>())?;
        // SAFETY: A valid device, and the reference is ours.
        let device = unsafe { ARef::from_raw(found) };
        self.last = Some(device.clone());
        Some(device)
    }
}
