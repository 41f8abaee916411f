// SPDX-License-Identifier: GPL-2.0

//! What a Base Address Register holds (PCI 3.0 sec 6.2.5.1).

/// The kind of addresses that a register is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    /// I/O; the two lowest bits say so.
    Io,
    /// Memory below 4 GiB; the four lowest bits say so.
    Memory,
    /// Memory anywhere; the next register has the upper half.
    Memory64,
}

/// Returns `true` if a register, and for a 64-bit address the one after it, holds the address.
pub(crate) const fn holds(space: Space, low: u32, high: u32, address: u64) -> bool {
    let kind = match space {
        Space::Io => 0x3,
        Space::Memory | Space::Memory64 => 0xf,
    };
    let high = match space {
        Space::Memory64 => high,
        Space::Io | Space::Memory => 0,
    };
    // CAST: Widening.
    ((high as u64) << 32) | (low & !kind) as u64 == address
}

#[cfg(test)]
mod tests {
    use super::{
        holds,
        Space, //
    };

    #[test]
    fn the_kind_is_not_part_of_the_address() {
        assert!(holds(Space::Io, 0xc041, 0, 0xc040));
        assert!(holds(Space::Memory, 0xfe00_0008, 0, 0xfe00_0000));
        assert!(holds(Space::Memory64, 0xfe00_000c, 0x80, 0x80_fe00_0000));
    }

    #[test]
    fn the_register_after_it_belongs_to_a_wide_one_only() {
        assert!(holds(Space::Memory, 0xfe00_0000, 0xffff_ffff, 0xfe00_0000));
        assert!(!holds(Space::Memory64, 0xfe00_0000, 1, 0xfe00_0000));
    }

    #[test]
    fn lost_and_missing_registers_hold_nothing() {
        for space in [Space::Io, Space::Memory, Space::Memory64] {
            assert!(!holds(space, 0, 0, 0xc000));
            assert!(!holds(space, u32::MAX, u32::MAX, 0xc000));
        }
    }
}
