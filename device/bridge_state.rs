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

/// Bits of Slot Control that make a port report events: buttons, faults, latches, cards that come
/// and go, commands that are done, links that go up and down (PCIe r6.0 sec 7.5.3.10). Not Hot-Plug
/// Interrupt Enable: pciehp keeps the last value that it wrote, made of what it read, and takes no
/// interrupt while that bit is missing there.
const EVENTS: u16 = (bindings::PCI_EXP_SLTCTL_ABPE
    | bindings::PCI_EXP_SLTCTL_PFDE
    | bindings::PCI_EXP_SLTCTL_MRLSCE
    | bindings::PCI_EXP_SLTCTL_PDCE
    | bindings::PCI_EXP_SLTCTL_CCIE
    | bindings::PCI_EXP_SLTCTL_DLLSCE) as u16;

/// The status of cards that came or went, and of links that went up or down (sec 7.5.3.11).
const CHANGED: u16 = (bindings::PCI_EXP_SLTSTA_PDC | bindings::PCI_EXP_SLTSTA_DLLSC) as u16;

/// Bits of Link Control that make a port report changes of its bandwidth (sec 7.5.3.7), by the same
/// interrupt, at which the driver of hot-plug ports looks for its own events.
const BANDWIDTH: u16 = (bindings::PCI_EXP_LNKCTL_LBMIE | bindings::PCI_EXP_LNKCTL_LABIE) as u16;

/// A hot-plug port that was silenced.
struct Silenced {
    /// Which of [`EVENTS`] it had.
    events: u16,
    /// Which of [`BANDWIDTH`] it had.
    bandwidth: u16,
    /// What was in its slot before.
    slot: Slot,
}

/// What is in the slot of a port.
#[derive(PartialEq, Eq)]
struct Slot {
    /// A card is.
    occupied: bool,
    /// The link to it is up; `false` from a port that can't say.
    link: bool,
}

/// A configuration that is in the kernel's own place for it, and must be restored.
#[must_use]
pub(crate) struct BridgeState {
    /// The Command register as it was, unless nobody answered.
    command: Option<Command>,
    /// For a hot-plug port that was silenced.
    silenced: Option<Silenced>,
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
    /// - `ENODEV`: it may have been removed, or is a bridge for which there was no bus number.
    /// - The errno of `pci_save_state()`; the device is as it was.
    pub(crate) fn save_bridge(&self) -> Result<BridgeState> {
        self.check_there()?;
        let command = Command::read(self);
        if command.is_none() {
            let state = BridgeState {
                command: None,
                silenced: None,
            };
            return self.has_saved_state().then_some(state).ok_or(EIO);
        }
        let state = BridgeState {
            command,
            silenced: self.silence(),
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
    /// - `ENODEV`: it may have been removed.
    pub(crate) fn restore_bridge(&self) -> Result {
        // Xen's vPCI doesn't know of the reset, and ignores writes to the BARs of what it believes
        // to decode.
        Command::QUIET.write(self);
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

    /// Turns the events of a hot-plug port on again, and leaves a saved configuration behind as the
    /// port's driver did. Events meanwhile are those of the reset, and dropped, unless the slot
    /// isn't as it was: then its driver gets them, if the port still has them. (After its own
    /// resets `pciehp_ignore_link_change()` makes one up, and sees that another card is there.) A
    /// port that doesn't answer stays as it is.
    pub(crate) fn resume_bridge(&self, state: BridgeState) {
        if Command::read(self).is_none() {
            return;
        }
        if let Some(before) = state.silenced {
            if self.slot() == before.slot {
                // Written as ones to be cleared.
                self.write_express(bindings::PCI_EXP_SLTSTA, CHANGED);
            }
            self.set_express(bindings::PCI_EXP_SLTCTL, before.events);
            if before.bandwidth != 0 {
                self.set_express(bindings::PCI_EXP_LNKCTL, before.bandwidth);
            }
        }
        // An error leaves things as without it.
        let _ = self.save_state();
    }

    /// Reads what is in the slot.
    fn slot(&self) -> Slot {
        let has = |register, bit| u32::from(self.read_express(register)) & bit != 0;
        Slot {
            occupied: has(bindings::PCI_EXP_SLTSTA, bindings::PCI_EXP_SLTSTA_PDS),
            link: has(bindings::PCI_EXP_LNKSTA, bindings::PCI_EXP_LNKSTA_DLLLA),
        }
    }

    /// Silences a hot-plug port; returns what it was before.
    fn silence(&self) -> Option<Silenced> {
        if !self.is_hotplug_port() {
            return None;
        }
        let control = self.read_express(bindings::PCI_EXP_SLTCTL);
        if control & EVENTS == 0 || control == u16::MAX {
            return None;
        }
        let silenced = Silenced {
            events: control & EVENTS,
            bandwidth: self.read_express(bindings::PCI_EXP_LNKCTL) & BANDWIDTH,
            slot: self.slot(),
        };
        self.clear_express(bindings::PCI_EXP_SLTCTL, EVENTS);
        if silenced.bandwidth != 0 {
            self.clear_express(bindings::PCI_EXP_LNKCTL, BANDWIDTH);
        }
        Some(silenced)
    }
}
