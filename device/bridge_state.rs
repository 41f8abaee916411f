// SPDX-License-Identifier: GPL-2.0

//! The configuration of a bridge, saved before a reset and restored after it: its driver goes on
//! using it.

use super::command::Command;
use crate::kapi::{
    fault,
    pci::CfgLocked, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// Bits of Slot Control that make a port report cards that come and go and links that go up and
/// down (PCIe r6.0 sec 7.5.3.10), and the status of the latter two (sec 7.5.3.11).
const EVENTS: u16 = (bindings::PCI_EXP_SLTCTL_HPIE
    | bindings::PCI_EXP_SLTCTL_PDCE
    | bindings::PCI_EXP_SLTCTL_DLLSCE) as u16;
const CHANGED: u16 = (bindings::PCI_EXP_SLTSTA_PDC | bindings::PCI_EXP_SLTSTA_DLLSC) as u16;

/// A configuration that is in the kernel's own place for it, and must be restored.
#[must_use]
pub(crate) struct BridgeState {
    /// The Command register as it was, unless nobody answered.
    command: Option<Command>,
    /// Slot Control of a hot-plug port that was silenced.
    slot_control: Option<u16>,
}

impl CfgLocked<'_> {
    /// Saves the configuration as it is now. A device that doesn't answer keeps what its driver
    /// had the kernel save.
    ///
    /// A hot-plug port is silenced: its driver would take the link that goes down in the reset for
    /// a card that is pulled out, and remove what is below.
    ///
    /// # Errors
    ///
    /// - `EIO`: the device doesn't answer, and nothing was saved before.
    /// - `ENODEV`: it may have been removed.
    /// - The errno of `pci_save_state()`; the device is as it was.
    pub(crate) fn save_bridge(&self) -> Result<BridgeState> {
        self.check_there()?;
        let command = Command::read(self);
        if command.is_none() {
            let state = BridgeState {
                command: None,
                slot_control: None,
            };
            return self.has_saved_state().then_some(state).ok_or(EIO);
        }
        let state = BridgeState {
            command,
            slot_control: self.silence(),
        };
        let save = || {
            fault::point("pci_save_state of a bridge")?;
            self.save_state()
        };
        match save() {
            Ok(()) => Ok(state),
            Err(error) => {
                self.resume_bridge(state);
                Err(error)
            }
        }
    }

    /// Quiesces a device whose configuration was saved, as the kernel does
    /// (`pci_dev_save_and_disable()`).
    pub(crate) fn quiesce_bridge(&self) {
        Command::QUIET.write(self);
    }

    /// Restores what was saved. [`resume_bridge`](Self::resume_bridge) must follow, once what is
    /// below is back.
    pub(crate) fn restore_saved_bridge(&self, state: &BridgeState) {
        // If it has gone meanwhile there is nothing to restore.
        let _ = self.restore_state();
        // When the MSI is restored, Xen turns INTx on, which the driver had turned off.
        if let Some(command) = state.command {
            command.write(self);
        }
    }

    /// Restores a bridge that was reset together with the link above it, in the recovery from an
    /// error: by what was saved last, at its claim or by the kernel, because when the error is
    /// found the link may be in no state to save anything.
    ///
    /// # Errors
    ///
    /// - `EIO`: the bridge doesn't answer.
    /// - `ENODEV`: never of a bridge: a virtual function was removed.
    pub(crate) fn restore_bridge(&self) -> Result {
        // Xen's vPCI doesn't know of the reset, and ignores writes to the BARs of what it believes
        // to decode.
        Command::QUIET.write(self);
        // A bridge is never a virtual function, which alone may have gone.
        self.restore_state()?;
        let command = Command::read(self).ok_or(EIO)?;
        // A driver of a device below may have enabled bus mastering since (`pci_enable_bridge()`).
        // The kernel remembers that, and doesn't do it a second time.
        if self.is_busmaster() {
            command.with_master().write(self);
        }
        // Restoring used up what was saved. The errno is that of a bridge that is gone again.
        let _ = self.save_state();
        Ok(())
    }

    /// Turns the events of a hot-plug port on again, drops those meanwhile, and leaves a saved
    /// configuration behind as the port's driver did.
    pub(crate) fn resume_bridge(&self, state: BridgeState) {
        if let Some(control) = state.slot_control {
            // Written as ones to be cleared.
            self.write_express(bindings::PCI_EXP_SLTSTA, CHANGED);
            self.write_express(bindings::PCI_EXP_SLTCTL, control);
        }
        if Command::read(self).is_some() {
            // An error leaves things as without it.
            let _ = self.save_state();
        }
    }

    /// Silences a hot-plug port; returns its Slot Control as it was.
    fn silence(&self) -> Option<u16> {
        if !self.is_hotplug_port() {
            return None;
        }
        let control = self.read_express(bindings::PCI_EXP_SLTCTL);
        if control & EVENTS == 0 || control == u16::MAX {
            return None;
        }
        self.write_express(bindings::PCI_EXP_SLTCTL, control & !EVENTS);
        Some(control)
    }
}
