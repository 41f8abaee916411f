// SPDX-License-Identifier: GPL-2.0

//! Saved configuration space.

use super::{raw, Locked};
use core::ptr::NonNull;
use kernel::{bindings, error::to_result, pci, prelude::*};

/// A copy of a device's configuration: the header and the capabilities that the kernel knows how
/// to restore.
///
/// # Invariants
///
/// The pointer owns a `struct pci_saved_state` made by `pci_store_saved_state()`.
pub(crate) struct SavedState(NonNull<bindings::pci_saved_state>);

// SAFETY: Plain memory, owned; any thread may free it.
unsafe impl Send for SavedState {}

// SAFETY: Never written after it was made.
unsafe impl Sync for SavedState {}

impl SavedState {
    /// Saves the configuration as it is now.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    /// - The errno of `pci_save_state()`.
    pub(crate) fn save(device: &pci::Device, _: &Locked<'_>) -> Result<Self> {
        // SAFETY: The device is valid and its lock is held.
        to_result(unsafe { bindings::pci_save_state(raw(device)) })?;
        // SAFETY: As above. Null means no memory: a state was just saved.
        let stored = unsafe { bindings::pci_store_saved_state(raw(device)) };
        // INVARIANT: A non-null result is ours to free.
        Ok(Self(NonNull::new(stored).ok_or(ENOMEM)?))
    }

    /// Writes the saved configuration back, BARs before the Command register.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the device's capabilities are no longer those saved.
    pub(crate) fn restore(&self, device: &pci::Device, _: &Locked<'_>) -> Result {
        // SAFETY: The device is valid, its lock is held, and by the type invariant so is the state.
        to_result(unsafe { bindings::pci_load_saved_state(raw(device), self.0.as_ptr()) })?;
        // SAFETY: As above.
        unsafe { bindings::pci_restore_state(raw(device)) };
        Ok(())
    }
}

impl Drop for SavedState {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this owns the memory, which came from kzalloc().
        unsafe { bindings::kfree(self.0.as_ptr().cast()) };
    }
}
