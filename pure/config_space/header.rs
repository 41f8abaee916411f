// SPDX-License-Identifier: GPL-2.0

//! The fields of the header (PCI 3.0 sec 6.1, 6.2; bridges: PCI-to-PCI bridge spec 1.2 sec 3.2).

use super::super::base_address::Space;
use super::{
    access::{
        Place,
        Size, //
    },
    bar::{
        Bar,
        Resource, //
    },
    fields::{
        Field,
        FieldTable,
        Read,
        Refusal,
        Write, //
    },
    state::BarNumber, //
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
pub(super) fn add(table: &mut FieldTable, identity: &Identity) -> Result<(), Refusal> {
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

fn add_bar(table: &mut FieldTable, place: Place, bar: Bar) -> Result<(), Refusal> {
    table.add(Field {
        place,
        read: Read::Bar(bar),
        write: Write::Bar(bar),
    })
}
