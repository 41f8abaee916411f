// SPDX-License-Identifier: GPL-2.0

//! Which bytes of the configuration space are read or written.

pub(crate) use super::super::pciif::Error;

/// How many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// One.
    Byte,
    /// Two.
    Word,
    /// Four.
    Dword,
}

impl Size {
    /// Takes a number of bytes.
    pub(crate) const fn from_bytes(bytes: u32) -> Option<Self> {
        match bytes {
            1 => Some(Self::Byte),
            2 => Some(Self::Word),
            4 => Some(Self::Dword),
            _ => None,
        }
    }

    /// Returns the number of bytes.
    pub(crate) const fn bytes(self) -> u16 {
        match self {
            Self::Byte => 1,
            Self::Word => 2,
            Self::Dword => 4,
        }
    }

    /// Returns a value of that size with all bits set.
    pub(crate) const fn mask(self) -> u32 {
        match self {
            Self::Byte => 0xff,
            Self::Word => 0xffff,
            Self::Dword => u32::MAX,
        }
    }
}

/// How much configuration space a device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// 256 bytes.
    Conventional,
    /// 4096 bytes (PCIe).
    Extended,
}

impl Extent {
    const fn bytes(self) -> u16 {
        match self {
            Self::Conventional => 0x100,
            Self::Extended => 0x1000,
        }
    }
}

/// Naturally aligned bytes of the configuration space, below 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    offset: u16,
    size: Size,
}

impl Place {
    /// Takes what a frontend asks for.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidOffset`]: another size than 1, 2 or 4, an offset that isn't a multiple of
    ///   it, or one outside of the configuration space.
    pub(crate) fn requested(offset: i32, size: i32, extent: Extent) -> Result<Self, Error> {
        let numbers = || {
            let offset = u16::try_from(offset).ok()?;
            Some((offset, Size::from_bytes(u32::try_from(size).ok()?)?))
        };
        let (offset, size) = numbers().ok_or(Error::InvalidOffset)?;
        // Aligned, and limits are too: the last byte is inside as well.
        if offset >= extent.bytes() {
            return Err(Error::InvalidOffset);
        }
        Self::new(offset, size).ok_or(Error::InvalidOffset)
    }

    /// The bytes from `offset` on, if that is aligned and below 1000.
    pub(crate) const fn new(offset: u16, size: Size) -> Option<Self> {
        if offset % size.bytes() == 0 && offset < Extent::Extended.bytes() {
            Some(Self { offset, size })
        } else {
            None
        }
    }

    /// One of the registers that each device has.
    pub(super) const fn register(offset: u8, size: Size) -> Self {
        // CAST: Widening.
        let offset = offset as u16;
        Self { offset, size }
    }

    /// Returns where it begins.
    pub(crate) const fn offset(self) -> u16 {
        self.offset
    }

    /// Returns where it ends: the offset of the byte after it.
    pub(crate) const fn end(self) -> u16 {
        self.offset.saturating_add(self.size.bytes()) // At most 1000.
    }

    /// Returns how long it is.
    pub(crate) const fn size(self) -> Size {
        self.size
    }

    /// Moves a value of `other` to where its bytes are in this place. What isn't in it is lost.
    pub(crate) const fn seen(self, other: Self, value: u32) -> u32 {
        let bits = self.offset.abs_diff(other.offset) as u32; // CAST: Widening.
        let bits = bits.saturating_mul(8);
        let moved = if other.offset >= self.offset {
            value.checked_shl(bits)
        } else {
            value.checked_shr(bits)
        };
        match moved {
            Some(value) => value & self.size.mask(),
            None => 0, // More than three bytes apart.
        }
    }

    /// Returns what this place holds once `other` is written to, given what it holds before.
    pub(crate) const fn merged(self, before: u32, other: Self, value: u32) -> u32 {
        let mask = self.seen(other, other.size.mask());
        (before & !mask) | (self.seen(other, value) & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Error,
        Extent,
        Place,
        Size, //
    };

    #[test]
    fn sizes_offsets_and_alignment() {
        for extent in [Extent::Conventional, Extent::Extended] {
            for offset in (-0x20..0x1020).chain([i32::MIN, i32::MAX, 0x10000, 0x10004]) {
                for size in (-4..=9).chain([i32::MIN, i32::MAX, 0x100, 0x104]) {
                    let limit = i32::from(extent.bytes());
                    let good = matches!(size, 1 | 2 | 4)
                        && (0..limit).contains(&offset)
                        && offset % size == 0;
                    let place = Place::requested(offset, size, extent);
                    match place {
                        Ok(place) => {
                            assert_eq!(i32::from(place.offset()), offset);
                            assert_eq!(i32::from(place.end()), offset + size);
                        }
                        Err(error) => assert_eq!(error, Error::InvalidOffset),
                    }
                    assert_eq!(place.is_ok(), good, "{offset} {size}");
                }
            }
        }
    }

    #[test]
    fn bytes_keep_their_places() {
        let dword = Place::register(4, Size::Dword);
        let word = Place::register(6, Size::Word);
        let byte = Place::register(7, Size::Byte);
        assert_eq!(dword.seen(word, 0xabcd), 0xabcd_0000);
        assert_eq!(word.seen(dword, 0x1234_5678), 0x1234);
        assert_eq!(byte.seen(dword, 0x1234_5678), 0x12);
        assert_eq!(byte.seen(word, 0x1234), 0x12);
        assert_eq!(Place::register(8, Size::Dword).seen(dword, u32::MAX), 0);
        assert_eq!(dword.merged(0x1122_3344, byte, 0xff), 0xff22_3344);
        assert_eq!(word.merged(0x1122, dword, 0xaabb_ccdd), 0xaabb);
        assert_eq!(byte.merged(0x11, word, 0xaabb), 0xaa);
    }
}
