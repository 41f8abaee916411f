// SPDX-License-Identifier: GPL-2.0

//! Walking all PCI devices, or those right below a bridge, and keeping them from coming and going
//! meanwhile.
//!
//! UPSTREAM(pci-get-device): neither `pci_get_device()` nor `pci_lock_rescan_remove()` has a
//! wrapper, nor has `device_for_each_child()`.

use super::{
    raw_dev,
    Registered, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    ffi::{
        c_int,
        c_void, //
    },
    pci,
    prelude::*,
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

/// Calls `visit` with each PCI device right below a bridge until it fails: those of its bus, and
/// virtual functions of those, also where they are on buses of their own. (The kernel gives these
/// the parent of their physical function: `pci_iov_add_virtfn()`.) Any other device has none below.
///
/// Each device that is there from beginning to end is visited once, a physical function before its
/// virtual ones. One is found later than by [`PciDevices`], at the end of its registration
/// (`device_add()`), and goes earlier.
///
/// Only the list's spinlock is taken, and not during the calls. (`pci_walk_bus()` holds
/// `pci_bus_sem`, under which error recovery waits for device locks.)
///
/// # Errors
///
/// - That of `visit`.
pub(crate) fn for_each_child<F>(bridge: &pci::Device, visit: F) -> Result
where
    F: FnMut(&pci::Device) -> Result,
{
    /// The function to be called, and what came of it.
    struct Visit<F> {
        visit: F,
        result: Result,
    }

    /// # Safety
    ///
    /// To be called by `device_for_each_child()`: `data` is a `Visit`, used by nobody else.
    unsafe extern "C" fn one<F>(child: *mut bindings::device, data: *mut c_void) -> c_int
    where
        F: FnMut(&pci::Device) -> Result,
    {
        // SAFETY: By the caller's promise. The walk holds a reference to the child.
        let (visit, child) = unsafe {
            (
                &mut *data.cast::<Visit<F>>(),
                kernel::device::Device::from_raw(child),
            )
        };
        if let Ok(child) = <&pci::Device>::try_from(child) {
            visit.result = (visit.visit)(child);
        }
        c_int::from(visit.result.is_err())
    }

    let mut visit = Visit {
        visit,
        result: Ok(()),
    };
    // SAFETY: The bridge is valid; `one` is called with the visit, which outlives the call.
    unsafe {
        bindings::device_for_each_child(raw_dev(bridge), (&raw mut visit).cast(), Some(one::<F>));
    }
    visit.result
}
