// SPDX-License-Identifier: GPL-2.0

//! A base address register (PCI 3.0 sec 6.2.5), and the addresses that it is for.

use super::{
    super::base_address::Space,
    state::BarNumber, //
};

/// Addresses that the kernel gave the device. What has none yet, or was given up, is no resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// The first address.
    pub(crate) address: u64,
    /// How many there are.
    pub(crate) size: u64,
    /// Their kind.
    pub(crate) space: Space,
    /// The lowest four bits of the register (`PCI_REGION_FLAG_MASK`); for a ROM, whether it is on.
    pub(crate) flags: u8,
}

/// A base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    /// Which one.
    pub(crate) number: BarNumber,
    /// What it shows.
    pub(crate) value: u32,
    /// What it shows when it is asked for the size.
    pub(crate) length: u32,
    /// The bits that don't matter when all ones are written to ask for it.
    pub(super) ignored: u32,
    /// There are addresses.
    pub(super) is_there: bool,
}

impl Bar {
    pub(super) const fn empty(number: BarNumber, ignored: u32) -> Self {
        Self {
            number,
            value: 0,
            length: 0,
            ignored,
            is_there: false,
        }
    }

    /// The lower half, or all, of a register for that.
    pub(super) const fn low(number: BarNumber, resource: Resource, ignored: u32) -> Self {
        let flags = (resource.flags & 0x0f) as u32; // CAST: Widening.

        // CAST: The upper half is in the next register, if anywhere.
        let (address, length) = (
            resource.address as u32,
            resource.size.wrapping_neg() as u32, // A size reads as its negative.
        );
        Self {
            number,
            value: address | flags,
            length: length | flags,
            ignored,
            is_there: true,
        }
    }

    /// The upper half of a wide one.
    pub(super) const fn high(number: BarNumber, resource: Resource) -> Self {
        // CAST: 32 bits are left.
        let (value, length) = (
            (resource.address >> 32) as u32,
            (resource.size.wrapping_neg() >> 32) as u32,
        );
        Self {
            number,
            value,
            length,
            ignored: 0,
            is_there: true,
        }
    }

    /// Returns `true` if a value asks for the size.
    pub(super) const fn asks_for_size(&self, value: u32) -> bool {
        value | self.ignored == u32::MAX
    }
}
