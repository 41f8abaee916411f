// SPDX-License-Identifier: GPL-2.0

//! What is kept of a guest's writes, from the beginning of a use of the device to its end.

/// What one use of a device leaves behind in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Latched {
    /// The Command register as the guest wrote it last; before that, as it was found.
    pub(super) command: u16,
    /// The interrupt that the guest is told in the Interrupt Line register: no write changes it.
    interrupt_line: u8,
    /// The base address registers whose size the guest asked for, a bit each.
    sizing: u8,
}

/// Which base address register: 0 to 5, and 6 for that of the ROM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BarNumber(u8);

impl BarNumber {
    /// The register of the expansion ROM.
    pub(crate) const ROM: Self = Self(6);
    /// The others, in order.
    pub(crate) const ALL: [Self; 6] = [Self(0), Self(1), Self(2), Self(3), Self(4), Self(5)];

    const fn bit(self) -> u8 {
        match self.0 {
            0 => 0x01,
            1 => 0x02,
            2 => 0x04,
            3 => 0x08,
            4 => 0x10,
            5 => 0x20,
            _ => 0x40,
        }
    }
}

impl Latched {
    pub(super) const fn new(command: u16, interrupt_line: u8) -> Self {
        Self {
            command,
            interrupt_line,
            sizing: 0,
        }
    }

    /// Returns what the Interrupt Line register says.
    pub(crate) const fn interrupt_line(&self) -> u8 {
        self.interrupt_line
    }

    /// Returns `true` if the register shows its size.
    pub(super) const fn shows_size(&self, bar: BarNumber) -> bool {
        self.sizing & bar.bit() != 0
    }

    /// From now on the register shows its size, or its address.
    pub(super) fn show_size(&mut self, bar: BarNumber, shows: bool) {
        if shows {
            self.sizing |= bar.bit();
        } else {
            self.sizing &= !bar.bit();
        }
    }
}
