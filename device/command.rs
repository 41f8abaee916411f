// SPDX-License-Identifier: GPL-2.0

//! The Command register: what a function decodes, and whether it masters the bus.

use crate::kapi::{
    fault,
    pci::Locked, //
};
use kernel::bindings;

/// Bits of the Command register (PCI 3.0 sec 6.2.2).
const DECODE: u16 = (bindings::PCI_COMMAND_IO | bindings::PCI_COMMAND_MEMORY) as u16;
const MASTER: u16 = bindings::PCI_COMMAND_MASTER as u16;
const INTX_DISABLE: u16 = bindings::PCI_COMMAND_INTX_DISABLE as u16;
/// Offset of the register.
const COMMAND: i32 = bindings::PCI_COMMAND as i32;

/// A value of the Command register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Command(u16);

impl Command {
    /// What is written to a device before a reset: no decode, no bus mastering and no
    /// INTx, as the kernel does (`pci_dev_save_and_disable()`).
    ///
    /// Xen needs the decode off for a reason of its own: its vPCI ignores writes to the BARs of a
    /// device that decodes, so restoring them would fail silently. The restore that must follow
    /// turns the decode on again.
    pub(crate) const QUIET: Self = Self(INTX_DISABLE);

    /// Reads the register; `None` from a device that doesn't answer.
    pub(crate) fn read(locked: &Locked<'_>) -> Option<Self> {
        fault::point("read of Command").ok()?;
        Self::of(locked.read_u16(COMMAND))
    }

    /// Takes what was read; `None` from a device that didn't answer.
    pub(crate) fn of(value: u16) -> Option<Self> {
        // A device that is gone reads as all ones, which this register never holds.
        (value != u16::MAX).then_some(Self(value))
    }

    /// Returns the value as it is in the register.
    pub(crate) fn bits(self) -> u16 {
        self.0
    }

    /// Returns `true` if the function neither decodes anything nor masters the bus.
    pub(crate) fn is_quiet(self) -> bool {
        self.0 & (DECODE | MASTER) == 0
    }

    /// Writes the register; lost on a device that doesn't answer.
    pub(crate) fn write(self, locked: &Locked<'_>) {
        locked.write_u16(COMMAND, self.0);
    }

    /// Returns `true` if bus mastering is on.
    pub(crate) fn masters(self) -> bool {
        self.0 & MASTER != 0
    }

    /// Returns the value with bus mastering off and all else as it is.
    pub(crate) fn without_master(self) -> Self {
        Self(self.0 & !MASTER)
    }

    /// Returns the value with bus mastering on and all else as it is.
    pub(crate) fn with_master(self) -> Self {
        Self(self.0 | MASTER)
    }

    /// Returns the value with what `other` decodes and all else as it is.
    pub(crate) fn with_decode_of(self, other: Self) -> Self {
        Self(self.0 & !DECODE | other.0 & DECODE)
    }

    /// Returns `true` if this decodes what `other` does.
    pub(crate) fn decodes_like(self, other: Self) -> bool {
        (self.0 ^ other.0) & DECODE == 0
    }
}
