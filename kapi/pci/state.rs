// SPDX-License-Identifier: GPL-2.0

//! Saved configuration space.

use super::{ats::AtsControl, raw, Command, Locked};
use core::ptr::NonNull;
use kernel::{bindings, error::to_result, prelude::*};

/// A copy of a device's configuration: the header and the capabilities that the kernel knows how
/// to restore.
///
/// # Invariants
///
/// `state` owns a `struct pci_saved_state` made by `pci_store_saved_state()`.
pub(crate) struct SavedState {
    state: NonNull<bindings::pci_saved_state>,
    command: Command,
}

// SAFETY: Plain memory, owned; any thread may free it.
unsafe impl Send for SavedState {}

// SAFETY: Never written after it was made.
unsafe impl Sync for SavedState {}

impl SavedState {
    /// Saves the configuration as it is now.
    ///
    /// # Errors
    ///
    /// - `EIO`: the device doesn't answer.
    /// - `ENOMEM`: no memory.
    /// - The errno of `pci_save_state()`.
    pub(crate) fn save(locked: &Locked<'_>) -> Result<Self> {
        let command = Command::read(locked).ok_or(EIO)?;
        // SAFETY: The device is valid and its lock is held.
        to_result(unsafe { bindings::pci_save_state(raw(locked.device())) })?;
        // SAFETY: As above. Null means no memory: a state was just saved.
        let stored = unsafe { bindings::pci_store_saved_state(raw(locked.device())) };
        // INVARIANT: A non-null result is ours to free.
        Ok(Self {
            state: NonNull::new(stored).ok_or(ENOMEM)?,
            command,
        })
    }

    /// Writes the saved configuration back, BARs before the Command register. `ats` is what Xen
    /// had set before a reset, about which the kernel knows nothing.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the device's capabilities are no longer those saved.
    /// - `EIO`: the device doesn't answer, or didn't take its decode bits back.
    pub(super) fn restore_with(&self, locked: &Locked<'_>, ats: Option<AtsControl>) -> Result {
        // SAFETY: The device is valid, its lock is held, and by the type invariant so is the state.
        to_result(unsafe {
            bindings::pci_load_saved_state(raw(locked.device()), self.state.as_ptr())
        })?;
        // SAFETY: As above.
        unsafe { bindings::pci_restore_state(raw(locked.device())) };
        if let Some(ats) = ats {
            ats.restore(locked);
        }
        match Command::read(locked) {
            Some(now) if now.decodes_like(self.command) => Ok(()),
            _ => Err(EIO),
        }
    }

    /// Writes the saved configuration back to a device that was not reset; it decodes nothing
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// As for [`SavedState::restore_with`].
    pub(crate) fn restore(&self, locked: &Locked<'_>) -> Result {
        Command::QUIET.write(locked);
        self.restore_with(locked, None)
    }
}

impl Drop for SavedState {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this owns the memory, which came from kzalloc().
        unsafe { bindings::kfree(self.state.as_ptr().cast()) };
    }
}
