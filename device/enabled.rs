// SPDX-License-Identifier: GPL-2.0

//! An enabled PCI device.

use super::command::Command;
use crate::kapi::pci::{
    EnableCount,
    Locked, //
};
use kernel::prelude::*;

/// A device on which `pci_enable_device()` was called, and what its Command register was before.
pub(crate) struct Enabled {
    found: Command,
    count: EnableCount,
}

impl Enabled {
    /// Enables the device, which is awake: I/O and memory decode, and its interrupt's route. Bus
    /// mastering, which firmware or an earlier driver may have left on, is turned off.
    ///
    /// # Errors
    ///
    /// - `EIO`: the device doesn't answer.
    /// - `ENODEV`: it may have been removed.
    /// - The errno of `pci_enable_device()`, such as `EINVAL` for a device whose BARs have no
    ///   addresses.
    pub(crate) fn new(locked: &Locked<'_>) -> Result<Self> {
        let found = Command::read(locked).ok_or(EIO)?;
        if found.masters() {
            // Enabling a device doesn't turn that on.
            found.without_master().write(locked);
        }
        let count = EnableCount::new(locked).inspect_err(|_| found.write(locked))?;
        Ok(Self { found, count })
    }

    /// Gives the enable count back; the decode stays on (turning it off under a guest or Xen is
    /// what XSA-120 was about). May be called again, to no effect.
    pub(crate) fn disable(&self, locked: &Locked<'_>) {
        self.count.give_back(locked);
    }

    /// Undoes [`Enabled::new`] before anybody used the device: the Command register is as it was
    /// found. A device that has lost its addresses is left decoding nothing.
    pub(crate) fn undo(&self, locked: &Locked<'_>) {
        self.end(locked, self.found, false);
    }

    /// Leaves the device as it was found, but with bus mastering off (its next driver turns it on):
    /// a guest may have set up DMA to addresses that are no longer its own. A device that has lost
    /// its own addresses is left decoding nothing. `is_restored`: it was seen to have them when its
    /// configuration was restored just before.
    pub(crate) fn leave(&self, locked: &Locked<'_>, is_restored: bool) {
        self.end(locked, self.found.without_master(), is_restored);
    }

    fn end(&self, locked: &Locked<'_>, command: Command, is_restored: bool) {
        self.disable(locked);
        if is_restored || locked.has_addresses() {
            command.write(locked);
        } else {
            Command::QUIET.write(locked);
            dev_err!(
                locked.device(),
                "has lost its addresses, left disabled: remove it and rescan\n"
            );
        }
    }
}
