// SPDX-License-Identifier: GPL-2.0

//! The fields of the header (PCI 3.0 sec 6.1, 6.2; bridges: PCI-to-PCI bridge spec 1.2 sec 3.2).

use super::{
    access::{
        Place,
        Size, //
    },
    fields::{
        Field,
        Read,
        Refusal,
        Table,
        Write, //
    },
    state::BarNumber,
    Space, //
};

/// The Command register.
pub(super) const COMMAND: Place = Place::register(0x04, Size::Word);
/// I/O and memory decode.
pub(super) const COMMAND_DECODE: u16 = 0x0003;
/// Bus mastering.
pub(super) const COMMAND_MASTER: u16 = 0x0004;
/// Memory Write and Invalidate.
pub(super) const COMMAND_INVALIDATE: u16 = 0x0010;
/// Keeps the function from its INTx pin.
pub(super) const COMMAND_INTX_DISABLE: u16 = 0x0400;
/// The bits that are the hardware's to show, and a permissive guest's to write: mastering, special
/// cycles, MWI, palette snooping, stepping, fast back-to-back. Decode isn't among them, nor may it
/// ever be (XSA-120).
pub(super) const COMMAND_GUEST: u16 = 0x02bc;
/// The bit of the BIST register that starts a self-test.
pub(super) const BIST_START: u32 = 0x40;

/// The layout of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Type 0.
    Endpoint,
    /// Type 1.
    Bridge,
}

impl Layout {
    /// Takes the Header Type register, in which the highest bit says something else.
    pub(crate) const fn from_register(value: u8) -> Option<Self> {
        match value & 0x7f {
            0 => Some(Self::Endpoint),
            1 => Some(Self::Bridge),
            _ => None,
        }
    }
}

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

/// What is known of a device at its claim, apart from its capabilities.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    /// Its vendor. A virtual function doesn't show it in its registers.
    pub(crate) vendor: u16,
    /// Which of the vendor's devices it is.
    pub(crate) device: u16,
    /// Its layout.
    pub(crate) layout: Layout,
    /// By base address register. The one after a wide resource is ignored.
    pub(crate) resources: [Option<Resource>; 6],
    /// Its expansion ROM.
    pub(crate) rom: Option<Resource>,
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
    const fn empty(number: BarNumber, ignored: u32) -> Self {
        Self {
            number,
            value: 0,
            length: 0,
            ignored,
            is_there: false,
        }
    }

    /// The lower half, or all, of a register for that.
    const fn low(number: BarNumber, resource: Resource, ignored: u32) -> Self {
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
    const fn high(number: BarNumber, resource: Resource) -> Self {
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

/// The bits below the address in a register of that kind.
const fn flag_bits(space: Space) -> u32 {
    match space {
        Space::Io => 0x3,
        Space::Memory | Space::Memory64 => 0xf,
    }
}

/// A ROM's address begins at bit 11.
const ROM_IGNORED: u32 = 0x7ff;

/// Adds the fields of the header.
///
/// # Errors
///
/// - Those of the table: never, if it is empty.
pub(super) fn add(table: &mut Table, identity: &Identity) -> Result<(), Refusal> {
    const fn at(offset: u8, size: Size) -> Place {
        Place::register(offset, size)
    }
    let vendor = Read::Constant(identity.vendor.into());
    let device = Read::Constant(identity.device.into());
    for field in [
        Field::read_only(at(0x00, Size::Word), vendor),
        Field::read_only(at(0x02, Size::Word), device),
        Field {
            place: COMMAND,
            read: Read::Command,
            write: Write::Command,
        },
        Field::hardware(at(0x0c, Size::Byte), 0xff, Write::Hardware), // Cache Line Size.
        Field::hardware(at(0x0d, Size::Byte), 0xff, Write::ReadOnly), // Latency Timer.
        Field::hardware(at(0x0f, Size::Byte), 0xff, Write::Bist),
        Field::read_only(at(0x3c, Size::Byte), Read::InterruptLine),
        Field::hardware(at(0x3d, Size::Byte), 0xff, Write::ReadOnly), // Interrupt Pin.
    ] {
        table.add(field)?;
    }
    let (bars, rom) = match identity.layout {
        Layout::Endpoint => (6, 0x30),
        Layout::Bridge => (2, 0x38),
    };
    let places = [0x10, 0x14, 0x18, 0x1c, 0x20, 0x24];
    let mut wide = None;
    for ((number, resource), place) in BarNumber::ALL
        .into_iter()
        .zip(identity.resources)
        .zip(places)
        .take(bars)
    {
        let bar = match (wide.take(), resource) {
            (Some(lower), _) => Bar::high(number, lower),
            (None, Some(resource)) => {
                wide = (resource.space == Space::Memory64).then_some(resource);
                Bar::low(number, resource, flag_bits(resource.space))
            }
            (None, None) => Bar::empty(number, flag_bits(Space::Memory)),
        };
        add_bar(table, at(place, Size::Dword), bar)?;
    }
    let bar = match identity.rom {
        Some(resource) => Bar::low(BarNumber::ROM, resource, ROM_IGNORED),
        None => Bar::empty(BarNumber::ROM, ROM_IGNORED),
    };
    add_bar(table, at(rom, Size::Dword), bar)
}

fn add_bar(table: &mut Table, place: Place, bar: Bar) -> Result<(), Refusal> {
    table.add(Field {
        place,
        read: Read::Bar(bar),
        write: Write::Bar(bar),
    })
}
