// SPDX-License-Identifier: GPL-2.0

//! The table of fields: what is read there and what a write does.

use super::super::bounded::Bounded;
use super::{
    access::{
        Place,
        Size, //
    },
    bar::Bar,
    state::Latched, //
};

/// The bits that are the hardware's to show, and a permissive guest's to write: mastering, special
/// cycles, MWI, palette snooping, stepping, fast back-to-back. Decode isn't among them, nor may it
/// ever be (XSA-120).
pub(super) const COMMAND_GUEST: u16 = 0x02bc;

/// What a guest reads in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// These bits of what the hardware says, and 0 for the others.
    Hardware(u32),
    /// Always the same.
    Constant(u32),
    /// What it wrote to the Command register, but for the bits that are the hardware's.
    Command,
    /// The number of its interrupt.
    InterruptLine,
    /// An address, or the size that it asked for.
    Bar(Bar),
}

/// What is done when a guest writes to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// Nothing, whatever the guest may do.
    ReadOnly,
    /// It goes to the hardware.
    Hardware,
    /// Enabling, bus mastering and the like are done by the kernel.
    Command,
    /// A self-test may be started.
    Bist,
    /// The size may be asked for, and a lost address restored.
    Bar(Bar),
    /// The power state is set by the kernel.
    Power,
    /// MSI is turned on and off.
    Msi,
    /// MSI-X is turned on, off and masked.
    Msix,
    /// Product data may be read, not written.
    VpdAddress,
}

/// A field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Where it is.
    pub(crate) place: Place,
    /// What is read there.
    pub(crate) read: Read,
    /// What a write does.
    pub(crate) write: Write,
}

impl Field {
    /// A field that shows these bits of what the hardware says.
    pub(crate) const fn hardware(place: Place, bits: u32, write: Write) -> Self {
        let read = Read::Hardware(bits);
        Self { place, read, write }
    }

    /// A field that nobody can write to.
    pub(crate) const fn read_only(place: Place, read: Read) -> Self {
        let write = Write::ReadOnly;
        Self { place, read, write }
    }
}

/// What is read in a field: these bits of the hardware's answer, and those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) from_hardware: u32,
    pub(super) known: u32,
}

impl Read {
    /// Returns what is read.
    pub(super) fn answer(self, latched: &Latched) -> Shown {
        let known = |known| Shown {
            from_hardware: 0,
            known,
        };
        match self {
            Self::Hardware(bits) => Shown {
                from_hardware: bits,
                known: 0,
            },
            Self::Constant(value) => known(value),
            Self::Command => Shown {
                from_hardware: COMMAND_GUEST.into(),
                known: (latched.command & !COMMAND_GUEST).into(),
            },
            Self::InterruptLine => known(latched.interrupt_line().into()),
            Self::Bar(bar) if latched.shows_size(bar.number) => known(bar.length),
            Self::Bar(bar) => known(bar.value),
        }
    }
}

/// Why a field can't be in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another one is there.
    Overlap,
    /// It isn't aligned, or not inside of the configuration space.
    Misplaced,
    /// There are too many.
    Full,
}

/// The most fields: 27 of the hardware (15 of the header, 12 of capabilities), and those that the
/// administrator opens.
const MOST: usize = 64;

/// All fields of a device.
///
/// # Invariants
///
/// They are in the order of their places, and none overlaps another.
#[derive(Clone, Debug)]
pub(super) struct FieldTable(Bounded<Field, MOST>);

impl FieldTable {
    /// A table without fields.
    pub(super) const fn new() -> Self {
        let nowhere = Place::register(0, Size::Byte);
        // INVARIANT: There is none.
        Self(Bounded::new(Field::read_only(nowhere, Read::Constant(0))))
    }

    /// Adds a field.
    ///
    /// # Errors
    ///
    /// - [`Refusal::Overlap`]: one of its bytes is in a field.
    /// - [`Refusal::Full`]: there are as many as there can be.
    pub(super) fn add(&mut self, field: Field) -> Result<(), Refusal> {
        if self.touched(field.place).next().is_some() {
            return Err(Refusal::Overlap);
        }
        let at = self.first_after(field.place);
        // INVARIANT: All that is before it ends before it, and nothing begins in it.
        self.0.insert(at, field).map_err(|_| Refusal::Full)
    }

    /// Returns the number of fields that end before a place begins.
    fn first_after(&self, place: Place) -> usize {
        let fields = self.0.as_slice();
        fields.partition_point(|field| field.place.end() <= place.offset())
    }

    /// Returns the fields that have bytes of a place, in order.
    pub(super) fn touched(&self, place: Place) -> impl Iterator<Item = &Field> {
        let from = self.first_after(place);
        let fields = self.0.as_slice().get(from..).unwrap_or(&[]);
        fields
            .iter()
            .take_while(move |field| field.place.offset() < place.end())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Field,
        FieldTable,
        Place,
        Read,
        Refusal,
        Size, //
    };

    fn field(offset: u16, size: Size) -> Field {
        let place = Place::new(offset, size).unwrap();
        Field::read_only(place, Read::Constant(0))
    }

    #[test]
    fn sorted_and_apart() {
        let mut table = FieldTable::new();
        for (offset, size, result) in [
            (0x44, Size::Dword, Ok(())),
            (0x40, Size::Word, Ok(())),
            (0x43, Size::Byte, Ok(())),
            (0x40, Size::Byte, Err(Refusal::Overlap)),
            (0x40, Size::Dword, Err(Refusal::Overlap)),
            (0x47, Size::Byte, Err(Refusal::Overlap)),
            (0x46, Size::Word, Err(Refusal::Overlap)),
            (0x42, Size::Word, Err(Refusal::Overlap)),
            (0x42, Size::Byte, Ok(())),
        ] {
            assert_eq!(table.add(field(offset, size)), result, "{offset:x}");
        }
        let touched = |offset, size| -> Vec<u16> {
            let place = Place::new(offset, size).unwrap();
            let touched = table.touched(place);
            touched.map(|field| field.place.offset()).collect()
        };
        assert_eq!(touched(0x40, Size::Dword), [0x40, 0x42, 0x43]);
        assert_eq!(touched(0x46, Size::Word), [0x44]);
        assert_eq!(touched(0x41, Size::Byte), [0x40]);
        assert!(touched(0x48, Size::Dword).is_empty());
        assert!(touched(0x3c, Size::Dword).is_empty());
    }

    #[test]
    fn there_is_an_end() {
        let mut table = FieldTable::new();
        let results: Vec<_> = (0..=0xff)
            .map(|offset| table.add(field(offset, Size::Byte)))
            .collect();
        assert!(results[..super::MOST].iter().all(Result::is_ok));
        assert!(results[super::MOST..]
            .iter()
            .all(|result| *result == Err(Refusal::Full)));
    }
}
