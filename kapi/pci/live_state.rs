// SPDX-License-Identifier: GPL-2.0

//! The configuration of a device that goes on being used by its driver, over a reset: a bridge's.

use super::{raw, Command, Exclusive};
use kernel::{bindings, error::to_result, prelude::*};

/// A configuration that was saved in the kernel's own place for it, and must be restored.
#[must_use]
pub(crate) struct LiveState(());

impl Exclusive<'_> {
    /// Saves the configuration as it is now, and quiesces the device, as the kernel does
    /// (`pci_dev_save_and_disable()`).
    ///
    /// # Errors
    ///
    /// - The errno of `pci_save_state()`; the device is as it was.
    pub(crate) fn save_live(&self) -> Result<LiveState> {
        // SAFETY: The device is valid and its lock is held.
        to_result(unsafe { bindings::pci_save_state(raw(self.device())) })?;
        Command::QUIET.write(self);
        Ok(LiveState(()))
    }

    /// Restores what was saved.
    pub(crate) fn restore_live(&self, state: LiveState) {
        let LiveState(()) = state;
        // SAFETY: As above.
        unsafe { bindings::pci_restore_state(raw(self.device())) };
    }
}
