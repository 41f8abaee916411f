// SPDX-License-Identifier: GPL-2.0

//! The list of capabilities of a device: followed once, and from then on as it was found.
//!
//! A guest follows the list too, and some would do so for ever. What it reads of the pointers is
//! therefore not what the hardware says, but what is computed from the list that was found: each
//! pointer leads on to the next one, and the last to none.

use super::super::bounded::Bounded;
use super::{
    access::{
        Error,
        Place,
        Size, //
    },
    device::Registers, //
};

/// Power Management.
pub(crate) const PM: u8 = 0x01;
/// Vital Product Data.
pub(crate) const VPD: u8 = 0x03;
/// Message Signalled Interrupts.
pub(crate) const MSI: u8 = 0x05;
/// MSI-X.
pub(crate) const MSIX: u8 = 0x11;

/// The Status register and the bit that says that there is a list.
const STATUS: Place = Place::register(0x06, Size::Word);
const STATUS_LIST: u32 = 0x10;
/// Where the first pointer is, in types 0 and 1.
const POINTER: Place = Place::register(0x34, Size::Byte);
/// No capability is in the header.
const LOWEST: u8 = 0x40;
/// The dwords from there to the end of what a pointer reaches.
const MOST: usize = 48;
/// What is read where nothing answers.
const NO_ID: u8 = 0xff;

/// A capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capability {
    /// What it is.
    pub(crate) id: u8,
    /// Where it is: at or above 40, a multiple of 4.
    pub(crate) at: u8,
}

/// All of them in the order of the hardware, each place once.
#[derive(Clone, Debug)]
pub(crate) struct Capabilities(Bounded<Capability, MOST>);

impl Capabilities {
    /// None.
    pub(crate) const NONE: Self = Self(Bounded::new(Capability { id: 0, at: 0 }));

    /// Follows the list. It ends where a pointer leads into the header or back, or where nothing
    /// answers.
    ///
    /// # Errors
    ///
    /// - Those of reading.
    pub(crate) fn find_all(registers: &impl Registers) -> Result<Self, Error> {
        let mut found = Self::NONE;
        if registers.read(STATUS)? & STATUS_LIST == 0 {
            return Ok(found);
        }
        let [mut pointer, ..] = registers.read(POINTER)?.to_le_bytes();
        loop {
            let at = pointer & !3; // The two lowest bits are reserved (PCI 3.0 sec 6.7).
            if at < LOWEST || found.position(at.into()).is_some() {
                return Ok(found);
            }
            let [id, next, ..] = registers
                .read(Place::register(at, Size::Word))?
                .to_le_bytes();
            if id == NO_ID || found.0.push(Capability { id, at }).is_err() {
                return Ok(found);
            }
            pointer = next;
        }
    }

    /// Returns them in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Capability> {
        self.0.as_slice().iter()
    }

    /// Returns the place of the first one of a kind.
    pub(crate) fn place_of(&self, id: u8) -> Option<u8> {
        self.iter().find(|one| one.id == id).map(|one| one.at)
    }

    fn position(&self, at: u16) -> Option<usize> {
        self.iter().position(|one| u16::from(one.at) == at)
    }

    /// Returns what a guest reads as the pointer in the byte at `offset`, if there is one.
    fn pointer(&self, offset: u16) -> Option<u8> {
        let next = if offset == POINTER.offset() {
            0
        } else {
            self.position(offset.checked_sub(1)?)?.checked_add(1)?
        };
        Some(self.0.as_slice().get(next).map_or(0, |one| one.at))
    }

    /// Puts the pointers in the place of those that the hardware shows.
    pub(crate) fn with_pointers(&self, place: Place, shown: u32) -> u32 {
        // A capability's pointer is the second byte of a dword.
        let pointers = [POINTER.offset(), place.offset() & !3 | 1];
        pointers.iter().fold(shown, |shown, offset| {
            let byte = Place::new(*offset, Size::Byte);
            match (byte, self.pointer(*offset)) {
                (Some(byte), Some(pointer)) => place.merged(shown, byte, pointer.into()),
                _ => shown,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Capabilities,
        Error,
        Place,
        Registers,
        Size, //
    };

    struct Image([u8; 256]);

    impl Image {
        fn new(bytes: &[(usize, u8)]) -> Self {
            let mut image = [0; 256];
            image[6] = 0x10;
            for (at, byte) in bytes {
                image[*at] = *byte;
            }
            Self(image)
        }

        fn places(&self) -> Vec<u8> {
            let found = Capabilities::find_all(self).unwrap();
            found.iter().map(|one| one.at).collect()
        }
    }

    impl Registers for Image {
        fn read(&self, place: Place) -> Result<u32, Error> {
            Ok((place.offset()..place.end()).rev().fold(0, |value, at| {
                value << 8 | u32::from(self.0[usize::from(at)])
            }))
        }
    }

    #[test]
    fn lists_that_do_not_end_end() {
        let ring = [(0x34, 0x40), (0x41, 0x50), (0x51, 0x40)];
        assert_eq!(Image::new(&ring).places(), [0x40, 0x50]);
        assert_eq!(Image::new(&[(0x34, 0x40), (0x41, 0x43)]).places(), [0x40]);
        assert_eq!(Image::new(&[(0x34, 0x40), (0x41, 0x3c)]).places(), [0x40]);
        assert!(Image::new(&[(0x34, 0x10)]).places().is_empty());
        let gone = [(0x34, 0x40), (0x41, 0x50), (0x50, 0xff), (0x51, 0xff)];
        assert_eq!(Image::new(&gone).places(), [0x40]);
        let all: Vec<(usize, u8)> = (0x40..0x100)
            .step_by(4)
            .map(|at| (at + 1, (at + 4) as u8))
            .chain([(0x34, 0x40)])
            .collect();
        assert_eq!(Image::new(&all).places().len(), 48);
    }

    #[test]
    fn no_list_without_the_bit() {
        let mut image = Image::new(&[(0x34, 0x40)]);
        image.0[6] = 0;
        assert!(image.places().is_empty());
    }

    #[test]
    fn pointers_are_those_of_the_list_that_was_found() {
        let image = Image::new(&[(0x34, 0x43), (0x40, 9), (0x41, 0x51), (0x51, 0x40)]);
        let found = Capabilities::find_all(&image).unwrap();
        let dword = |at| Place::register(at, Size::Dword);
        assert_eq!(found.with_pointers(dword(0x34), 0xaabb_ccdd), 0xaabb_cc40);
        assert_eq!(found.with_pointers(dword(0x40), 0xaabb_ccdd), 0xaabb_50dd);
        assert_eq!(found.with_pointers(dword(0x50), 0xaabb_ccdd), 0xaabb_00dd);
        assert_eq!(found.with_pointers(dword(0x54), 0xaabb_ccdd), 0xaabb_ccdd);
        let byte = Place::register(0x41, Size::Byte);
        assert_eq!(found.with_pointers(byte, 0xee), 0x50);
        let id = Place::register(0x40, Size::Byte);
        assert_eq!(found.with_pointers(id, 9), 9);
        let word = Place::register(0x42, Size::Word);
        assert_eq!(found.with_pointers(word, 0xffff), 0xffff);
    }
}
