// SPDX-License-Identifier: GPL-2.0

//! The configuration of a device that goes on being used by its driver, over a reset: a bridge's.

use super::{
    raw,
    CfgLocked,
    Command, //
};
use crate::kapi::fault;
use kernel::{
    bindings,
    error::to_result,
    ffi::c_int,
    prelude::*, //
};

/// Bits of Slot Control that have a port tell of cards that come and go and of links that go up and
/// down (PCIe r6.0 sec 7.5.3.10), and the status of the latter two (sec 7.5.3.11).
const EVENTS: u16 = (bindings::PCI_EXP_SLTCTL_HPIE
    | bindings::PCI_EXP_SLTCTL_PDCE
    | bindings::PCI_EXP_SLTCTL_DLLSCE) as u16;
const CHANGED: u16 = (bindings::PCI_EXP_SLTSTA_PDC | bindings::PCI_EXP_SLTSTA_DLLSC) as u16;

/// A configuration that is in the kernel's own place for it, and must be restored.
#[must_use]
pub(crate) struct LiveState {
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
    pub(crate) fn save_live(&self) -> Result<LiveState> {
        self.check_there()?;
        let command = Command::read(self);
        if command.is_none() {
            // SAFETY: The device is valid; the bit is set and cleared by whoever holds its lock.
            let saved = unsafe { bindings::pci_dev::state_saved_raw(raw(self.device())) != 0 };
            let state = LiveState {
                command: None,
                slot_control: None,
            };
            return saved.then_some(state).ok_or(EIO);
        }
        let state = LiveState {
            command,
            slot_control: self.silence(),
        };
        let save = || {
            fault::point("pci_save_state of a bridge")?;
            // SAFETY: The device is valid and its lock is held.
            to_result(unsafe { bindings::pci_save_state(raw(self.device())) })
        };
        match save() {
            Ok(()) => Ok(state),
            Err(error) => {
                self.resume(state);
                Err(error)
            }
        }
    }

    /// Quiesces a device whose configuration was saved, as the kernel does
    /// (`pci_dev_save_and_disable()`).
    pub(crate) fn quiesce_live(&self) {
        Command::QUIET.write(self);
    }

    /// Restores what was saved. [`resume`](Self::resume) must follow, once what is below is back.
    pub(crate) fn restore_live(&self, state: &LiveState) {
        // Where it went meanwhile there is nothing to restore.
        if self.check_there().is_ok() {
            // SAFETY: The device is valid and there, and its lock is held.
            unsafe { bindings::pci_restore_state(raw(self.device())) };
        }
        // When the MSI is restored, Xen turns INTx on, which the driver had turned off.
        if let Some(command) = state.command {
            command.write(self);
        }
    }

    /// Restores a bridge that was reset together with the link above it, in the recovery from an
    /// error: by what was saved last, at its claim or by the kernel, because when the error is found
    /// the link may be in no state to save anything.
    ///
    /// # Errors
    ///
    /// - `EIO`: the bridge doesn't answer.
    pub(crate) fn restore_bridge(&self) -> Result {
        let device = raw(self.device());
        // Xen's vPCI doesn't know of the reset, and ignores writes to the BARs of what it believes to
        // decode.
        Command::QUIET.write(self);
        // SAFETY: The device is valid and its lock is held.
        unsafe { bindings::pci_restore_state(device) };
        let command = Command::read(self).ok_or(EIO)?;
        // A driver of a device below may have had bus mastering turned on since
        // (`pci_enable_bridge()`), which the kernel remembers, and does no second time.
        // SAFETY: The device is valid. The bit is set by who enables a device below.
        if unsafe { bindings::pci_dev::is_busmaster_raw(device) != 0 } {
            command.with_master().write(self);
        }
        // Restoring used up what was saved. The errno is that of a bridge that is gone again.
        // SAFETY: As above.
        unsafe { bindings::pci_save_state(device) };
        Ok(())
    }

    /// Has a hot-plug port tell of events again, but not of those meanwhile, and leaves a saved
    /// configuration behind as the port's driver did.
    pub(crate) fn resume(&self, state: LiveState) {
        let device = raw(self.device());
        // SAFETY: The device is valid and its lock is held. Errors of the accesses are those of a
        // device that is gone again; an error of saving leaves things as without it.
        unsafe {
            if let Some(control) = state.slot_control {
                // Written as ones to be cleared.
                bindings::pcie_capability_write_word(
                    device,
                    bindings::PCI_EXP_SLTSTA as c_int,
                    CHANGED,
                );
                bindings::pcie_capability_write_word(
                    device,
                    bindings::PCI_EXP_SLTCTL as c_int,
                    control,
                );
            }
            if self.check_there().is_ok() && Command::read(self).is_some() {
                bindings::pci_save_state(device);
            }
        }
    }

    /// Silences a hot-plug port; returns its Slot Control as it was.
    fn silence(&self) -> Option<u16> {
        let device = raw(self.device());
        let mut control = 0;
        // SAFETY: The device is valid and its lock is held. A failed read leaves 0 or all ones.
        unsafe {
            if bindings::pci_dev::is_pciehp_raw(device) == 0 {
                return None;
            }
            let register = bindings::PCI_EXP_SLTCTL as c_int;
            bindings::pcie_capability_read_word(device, register, &mut control);
            if control & EVENTS == 0 || control == u16::MAX {
                return None;
            }
            bindings::pcie_capability_write_word(device, register, control & !EVENTS);
        }
        Some(control)
    }
}
