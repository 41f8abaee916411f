// SPDX-License-Identifier: GPL-2.0

//! What a frontend reads and writes in the configuration space of its device, in any order:
//! everything is as the rules of the C driver want it, and some things never happen.

use crate::{
    cases,
    frontend_device::{Faults, Machine},
    frontend_headers::{made_up, real, Header},
    frontend_oracle::Oracle,
    pure::{
        base_address::Space,
        config_field::ConfigField,
        config_space::{
            ConfigSpace, Extent, Identity, Latched, Layout, Place, Resource, Rights, Size, Unfit,
        },
    },
    tally,
};
use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestCaseError};
use std::collections::BTreeSet;

/// Where a frontend reads or writes.
#[derive(Clone, Copy, Debug)]
enum Where {
    /// Near a register with rules.
    Ruled(Index, u8),
    /// The control word of MSI, or of MSI-X.
    Control(bool),
    /// Anywhere in the first bytes.
    Header(u8),
    /// Any number.
    Any(i32),
}

/// What it writes.
#[derive(Clone, Copy, Debug)]
enum What {
    /// What it reads there, with these bits flipped.
    Changed(u32),
    Any(u32),
    /// All ones, or almost.
    Ones(u8),
    /// All ones but for that bit.
    Hole(u8),
    /// What base address registers hold.
    Address(Index),
}

/// What happens.
#[derive(Clone, Copy, Debug)]
enum Event {
    Read(Where, i32),
    Write(Where, i32, What),
    /// The administrator changes what is allowed.
    Rights(bool, bool),
    /// The administrator opens a field.
    Open(Where, u8),
    /// The device changes a register by itself.
    Change(u8, u8),
    /// Something fails from now on.
    Faults(bool, bool, bool, bool),
    /// The next guest.
    Begin(u8),
}

fn places() -> impl Strategy<Value = Where> {
    prop_oneof![
        12 => (any::<Index>(), 0..8u8).prop_map(|(index, near)| Where::Ruled(index, near)),
        4 => any::<u8>().prop_map(Where::Header),
        1 => prop_oneof![0..0x1010i32, -16..0i32, any::<i32>()].prop_map(Where::Any),
    ]
}

fn sizes() -> impl Strategy<Value = i32> {
    prop_oneof![10 => Just(1), 10 => Just(2), 20 => Just(4), 1 => -1..9i32, 1 => any::<i32>()]
}

fn events() -> impl Strategy<Value = Event> {
    let what = prop_oneof![
        4 => (0..32u32).prop_map(|bit| What::Changed(1 << bit)),
        2 => Just(What::Changed(0)),
        4 => any::<u32>().prop_map(What::Any),
        2 => (0..14u8).prop_map(What::Ones),
        1 => (0..32u8).prop_map(What::Hole),
        1 => Just(What::Any(0x40)),
        1 => any::<Index>().prop_map(What::Address),
    ];
    let switches = proptest::sample::select(vec![0x0001, 0x8000, 0x4000, 0xc000, 0x8001]);
    let switches = (any::<bool>(), switches)
        .prop_map(|(is_msix, bits)| Event::Write(Where::Control(is_msix), 2, What::Changed(bits)));
    let rarely = || prop::bool::weighted(0.2);
    prop_oneof![
        30 => (places(), sizes()).prop_map(|(place, size)| Event::Read(place, size)),
        60 => (places(), sizes(), what).prop_map(|(place, size, what)| Event::Write(place, size, what)),
        10 => switches,
        4 => (prop::bool::weighted(0.3), any::<bool>())
            .prop_map(|(permissive, control)| Event::Rights(permissive, control)),
        2 => (places(), prop_oneof![1..5u8, any::<u8>()])
            .prop_map(|(place, size)| Event::Open(place, size)),
        4 => any::<(u8, u8)>().prop_map(|(at, value)| Event::Change(at, value)),
        3 => (prop::bool::weighted(0.05), rarely(), rarely(), rarely())
            .prop_map(|(gone, enable, invalidate, power)| {
                Event::Faults(gone, enable, invalidate, power)
            }),
        1 => any::<u8>().prop_map(Event::Begin),
    ]
}

/// Both, side by side.
struct Pair {
    space: ConfigSpace,
    latched: Latched,
    rights: Rights,
    device: Machine,
    oracle: Oracle,
    machine: Machine,
    header: Header,
    /// Offsets of registers with rules.
    ruled: Vec<usize>,
    opened: BTreeSet<usize>,
}

impl Pair {
    /// Shows a device to a guest; `None` where nobody does.
    fn new(header: &Header, decode: u8) -> Result<Option<Self>, TestCaseError> {
        let extent = if header.extended { 0x1000 } else { 0x100 };
        let mut bytes = header.bytes.clone();
        bytes.resize(0x1000, 0);
        let mut writable = header.writable.clone();
        writable.resize(0x1000, 0xff);
        let mut machine = Machine {
            bytes,
            writable,
            power_register: None,
            decode: decode & 3,
            enabled: decode & 4 != 0,
            master: decode & 8 != 0,
            faults: Faults::default(),
            calls: Vec::new(),
        };
        let oracle = Oracle::new(&machine, header.ids, &header.bars, header.rom, extent);
        let given = header.bars.iter().map(|bar| bar.map(resource));
        let mut resources = [None; 6];
        for (place, resource) in resources.iter_mut().zip(given) {
            *place = resource;
        }
        let identity = Identity {
            vendor: header.ids.0,
            device: header.ids.1,
            layout: if header.bars.len() == 2 {
                Layout::Bridge
            } else {
                Layout::Endpoint
            },
            resources,
            rom: header.rom.map(resource),
        };
        let mut space = ConfigSpace::EMPTY;
        let space = space.describe(&identity, &machine).map(|()| space);
        prop_assert_eq!(space.is_ok(), oracle.is_some(), "fit for guests");
        let (space, mut oracle) = match (space, oracle) {
            (Ok(space), Some(oracle)) => (space, oracle),
            (result, _) => {
                prop_assert!(!header.is_honest, "an honest device is refused");
                prop_assert!(matches!(result, Err(Unfit::Capabilities(_))));
                return Ok(None);
            }
        };
        machine.power_register = oracle.first(1).map(|at| at + 4);
        let mut device = machine.clone();
        let begun = space.begin(0x0b, &device).unwrap();
        let latched = begun.carry_out(|effect| device.act(effect)).unwrap();
        prop_assert_eq!(oracle.begin(&mut machine, 0x0b), Ok(()));
        let mut ruled = vec![0, 4, 6, 0x0c, 0x0f, 0x34, 0x3c, 0x30, 0x38];
        ruled.extend((0x10..0x28).step_by(4));
        let known = [1, 1, 3, 5, 5, 0x11, 0x11, 0x10, 9];
        ruled.extend(known.iter().filter_map(|id| oracle.first(*id)));
        Ok(Some(Self {
            space,
            latched,
            rights: Rights::default(),
            device,
            oracle,
            machine,
            header: header.clone(),
            ruled,
            opened: BTreeSet::new(),
        }))
    }

    fn extent(&self) -> Extent {
        match self.header.extended {
            true => Extent::Extended,
            false => Extent::Conventional,
        }
    }

    /// Most often what is asked for is aligned.
    fn offset(&self, place: Where, size: i32) -> i32 {
        let aligned = |at: usize| match size {
            1 | 2 | 4 if at % 7 != 6 => at as i32 & -size,
            _ => at as i32,
        };
        match place {
            Where::Ruled(index, near) => aligned(index.get(&self.ruled) + usize::from(near)),
            Where::Control(is_msix) => {
                let capability = self.oracle.first(if is_msix { 0x11 } else { 0x05 });
                aligned(capability.map_or(0x40, |at| at + 2))
            }
            Where::Header(at) => aligned(at.into()),
            Where::Any(offset) => offset,
        }
    }

    fn read(&self, offset: i32, size: i32) -> Result<u32, i32> {
        Place::requested(offset, size, self.extent())
            .and_then(|place| self.space.read(&self.latched, place, &self.device))
            .map_err(|error| error.number())
    }

    fn write(&mut self, offset: i32, size: i32, value: u32) -> Result<bool, i32> {
        let result = Place::requested(offset, size, self.extent()).and_then(|place| {
            let written =
                self.space
                    .write(&self.latched, self.rights, place, value, &self.device)?;
            let is_ignored = written.is_ignored();
            self.latched = written.carry_out(|effect| self.device.act(effect))?;
            Ok(!is_ignored)
        });
        result.map_err(|error| error.number())
    }

    fn value(&self, what: What, offset: i32, size: i32) -> u32 {
        match what {
            What::Any(value) => value,
            What::Ones(from) => u32::MAX << from,
            What::Hole(at) => !(1 << at),
            What::Changed(bits) => self.read(offset, size).unwrap_or(0) ^ bits,
            What::Address(index) => {
                let bar = self.header.bars[index.index(self.header.bars.len())];
                bar.or(self.header.rom)
                    .map_or(0, |given| given.0 as u32 | u32::from(given.3))
            }
        }
    }

    /// The bits of a byte that may change when a guest that isn't permissive writes.
    fn may_change(&self, at: usize, now: u8) -> u8 {
        let control = |bits| {
            if self.rights.interrupt_control {
                bits
            } else {
                0
            }
        };
        let is_at =
            |id: u8, offset: usize| self.oracle.first(id).map(|place| place + offset) == Some(at);
        let base = |bar: usize, first: usize| {
            // To an address that is the kernel's, that is.
            let given = match bar {
                6 => self.header.rom,
                _ => self.header.bars.get(bar).copied().flatten(),
            };
            let wide = bar
                .checked_sub(1)
                .and_then(|bar| *self.header.bars.get(bar)?);
            let byte = |given: u64| given.to_le_bytes()[at - first];
            let low = given.is_some_and(|given| {
                byte(given.0 | u64::from(given.3)) & self.device.writable[at]
                    == now & self.device.writable[at]
            });
            let high = wide.is_some_and(|given| {
                byte(given.0 >> 32) & self.device.writable[at] == now & self.device.writable[at]
            });
            if low || high {
                0xff
            } else {
                0
            }
        };
        let rom = if self.header.bars.len() == 2 {
            0x38
        } else {
            0x30
        };
        match at {
            _ if self.opened.contains(&at) => 0xff,
            0x04 => 0x17,
            0x05 => control(0x04),
            0x0c | 0x0f => 0xff,
            0x10..=0x27 if (at - 0x10) / 4 < self.header.bars.len() => {
                base((at - 0x10) / 4, at / 4 * 4)
            }
            _ if at / 4 * 4 == rom => base(6, rom),
            _ if is_at(1, 4) => 0x03,
            _ if is_at(1, 5) => 0x9e,
            _ if is_at(3, 2) || is_at(3, 3) => 0xff,
            _ if is_at(5, 2) => control(0x01),
            _ if is_at(0x11, 3) => control(0xc0),
            _ => 0,
        }
    }

    fn what_never_happens(&self, before: &Machine) -> Result<(), TestCaseError> {
        let decode = before.bytes[4] & 3;
        prop_assert_eq!(
            self.device.bytes[4] & decode,
            decode,
            "decode was turned off"
        );
        if !self.rights.permissive && before.bytes != self.device.bytes {
            for (at, (old, new)) in before.bytes.iter().zip(&self.device.bytes).enumerate() {
                let wrong = (old ^ new) & !self.may_change(at, *new);
                prop_assert_eq!(wrong, 0, "{:x}: {:x} became {:x}", at, old, new);
            }
        }
        Ok(())
    }

    /// The list as a guest follows it.
    fn list_ends(&self) -> Result<(), TestCaseError> {
        if self.device.faults.gone {
            return Ok(());
        }
        let mut seen = BTreeSet::new();
        let mut pointer = self.read(0x34, 1).unwrap();
        while pointer != 0 {
            prop_assert!(pointer >= 0x40 && pointer % 4 == 0);
            prop_assert!(seen.insert(pointer), "the list is a ring");
            pointer = self.read(pointer as i32 + 1, 1).unwrap();
        }
        Ok(())
    }

    fn happens(&mut self, event: Event) -> Result<(), TestCaseError> {
        match event {
            Event::Read(place, size) => {
                let offset = self.offset(place, size);
                let expected = self.oracle.read(&self.machine, offset, size);
                prop_assert_eq!(self.read(offset, size), expected, "{:x}", offset);
            }
            Event::Write(place, size, what) => {
                let offset = self.offset(place, size);
                let value = self.value(what, offset, size);
                let before = self.device.clone();
                let expected = self.oracle.write(&mut self.machine, offset, size, value);
                let result = self.write(offset, size, value);
                prop_assert_eq!(result, expected, "{:x} to {:x}", value, offset);
                self.what_never_happens(&before)?;
            }
            Event::Rights(permissive, control) => {
                (self.oracle.permissive, self.oracle.control) = (permissive, control);
                self.rights = Rights {
                    permissive,
                    interrupt_control: control,
                };
            }
            Event::Open(place, size) => {
                // What can't be written to `quirks` isn't tried.
                let (Ok(offset), true) = (
                    u16::try_from(self.offset(place, size.into())),
                    [1, 2, 4].contains(&size),
                ) else {
                    return Ok(());
                };
                let result = self.space.open(ConfigField {
                    offset,
                    size,
                    mask: 0,
                });
                let expected = self.oracle.open(offset.into(), size.into());
                prop_assert_eq!(result.is_ok(), expected, "{:x} opened", offset);
                if expected {
                    self.opened
                        .extend((usize::from(offset)..).take(size.into()));
                }
            }
            Event::Change(at, value) => {
                self.device.bytes[usize::from(at)] = value;
                self.machine.bytes[usize::from(at)] = value;
                self.list_ends()?;
            }
            Event::Faults(gone, enable, invalidate, power) => {
                let faults = Faults {
                    gone,
                    enable,
                    invalidate,
                    power,
                };
                (self.device.faults, self.machine.faults) = (faults, faults);
            }
            Event::Begin(line) => {
                let result = (self.space.begin(line, &self.device))
                    .and_then(|begun| begun.carry_out(|effect| self.device.act(effect)))
                    .map(|latched| self.latched = latched)
                    .map_err(|error| error.number());
                prop_assert_eq!(result, self.oracle.begin(&mut self.machine, line));
            }
        }
        prop_assert_eq!(&self.device.calls, &self.machine.calls);
        prop_assert!(self.device == self.machine, "the hardware is not the same");
        self.device.calls.clear();
        self.machine.calls.clear();
        let vendor = u32::from(self.header.ids.0);
        prop_assert_eq!(self.read(0, 2), Ok(vendor), "the vendor changed");
        Ok(())
    }
}

fn resource((address, size, kind, flags): (u64, u64, char, u8)) -> Resource {
    let space = match kind {
        'i' => Space::Io,
        'm' => Space::Memory,
        _ => Space::Memory64,
    };
    Resource {
        address,
        size,
        space,
        flags,
    }
}

/// All that can be read, by all sizes.
fn reads_the_same(pair: &Pair) -> Result<(), TestCaseError> {
    for size in [1, 2, 4] {
        for offset in (0..0x110).step_by(size) {
            let (offset, size) = (offset as i32, size as i32);
            let expected = pair.oracle.read(&pair.machine, offset, size);
            prop_assert_eq!(pair.read(offset, size), expected, "{:x}", offset);
        }
    }
    pair.list_ends()
}

fn lives(header: &Header, decode: u8, events: &[Event]) -> Result<(), TestCaseError> {
    let Some(mut pair) = Pair::new(header, decode)? else {
        return Ok(());
    };
    reads_the_same(&pair)?;
    for event in events {
        pair.happens(*event)?;
    }
    reads_the_same(&pair)?;
    tally::operations(events.len());
    Ok(())
}

proptest! {
    #![proptest_config(cases(4_000))]

    /// Made-up devices.
    #[test]
    fn any_device(header in made_up(), decode in 0..16u8, events in vec(events(), 0..120)) {
        lives(&header, decode, &events)?;
    }

    /// QEMU's.
    #[test]
    fn qemus_devices(which in 0..3usize, decode in 0..16u8, events in vec(events(), 0..120)) {
        lives(&real()[which], decode, &events)?;
    }
}

/// A guest of a well-behaved device sees the list that the hardware has.
#[test]
fn an_honest_list_is_shown_as_it_is() {
    for header in real() {
        let pair = Pair::new(&header, 0).unwrap().unwrap();
        let mut at = usize::from(header.bytes[0x34]);
        assert_eq!(pair.read(0x34, 1), Ok(at as u32));
        while at != 0 {
            let word = u32::from(header.bytes[at]) | u32::from(header.bytes[at + 1]) << 8;
            assert_eq!(pair.read(at as i32, 2), Ok(word));
            at = header.bytes[at + 1].into();
        }
    }
}

/// As Linux asks for sizes (`__pci_size_bars()`), and puts the addresses back.
#[test]
fn sizes_of_qemus_igb() {
    let [igb, ..] = real();
    let mut pair = Pair::new(&igb, 0).unwrap().unwrap();
    let mut size = |at| {
        let address = pair.read(at, 4).unwrap();
        pair.write(at, 4, u32::MAX).unwrap();
        let size = pair.read(at, 4).unwrap();
        pair.write(at, 4, address).unwrap();
        assert_eq!(pair.read(at, 4), Ok(address));
        (address, size)
    };
    assert_eq!(size(0x10), (0xfe84_0000, 0xfffe_0000));
    assert_eq!(size(0x18), (0xc041, 0xffff_ffe1));
    assert_eq!(size(0x1c), (0x0000_0004, 0xffff_c004));
    assert_eq!(size(0x20), (0x38, 0xffff_ffff));
    assert_eq!(size(0x24), (0, 0));
    assert_eq!(size(0x30), (0xfea0_0000, 0xfffc_0000));
}

/// A pointer that only guests see isn't written to the hardware with what is beside it.
#[test]
fn pointers_stay_out_of_the_hardware() {
    let [mut igb, ..] = real();
    igb.bytes[0x71] = 0xa3; // It leads to a0, the last one.
    igb.bytes[0xa1] = 0x70; // And that back.
    igb.writable.fill(0xff);
    let mut pair = Pair::new(&igb, 0).unwrap().unwrap();
    let (offset, size) = (0xa0, 4);
    let field = ConfigField {
        offset,
        size,
        mask: 0,
    };
    pair.space.open(field).unwrap();
    assert_eq!(pair.read(0xa0, 2), Ok(0x0010));
    assert_eq!(pair.write(0xa2, 1, 0x55), Ok(true));
    assert_eq!(pair.device.bytes[0xa0..0xa4], [0x10, 0x70, 0x55, 0]);
}

/// One kind of messages at a time, with leave, and nothing but the switches.
#[test]
fn who_may_turn_messages_on() {
    let [igb, ..] = real();
    let mut pair = Pair::new(&igb, 0).unwrap().unwrap();
    assert_eq!(pair.write(0x72, 2, 0x8009), Err(-3));
    pair.rights.interrupt_control = true;
    assert_eq!(pair.write(0x72, 2, 0x8008), Err(-3));
    assert_eq!(pair.write(0x72, 2, 0xc009), Ok(true));
    assert_eq!(pair.write(0x52, 2, 0x0181), Err(-3));
    assert_eq!(pair.write(0x72, 2, 0x4009), Ok(true));
    assert_eq!(pair.write(0x52, 2, 0x0181), Ok(true));
    assert_eq!(pair.write(0x72, 2, 0xc009), Err(-3));
    assert_eq!(pair.read(0x72, 2), Ok(0x4009));
    pair.rights = Rights {
        permissive: true,
        interrupt_control: false,
    };
    assert_eq!(pair.write(0x72, 2, 0xc009), Ok(true));
}

/// The numbers are those of the protocol.
#[test]
fn errors_as_frontends_know_them() {
    let [igb, ..] = real();
    let mut pair = Pair::new(&igb, 0).unwrap().unwrap();
    assert!(Place::new(0x1000, Size::Byte).is_none());
    assert_eq!(pair.read(0x1000, 1), Err(-2));
    assert_eq!(pair.read(-4, 4), Err(-2));
    assert_eq!(pair.write(2, 4, 0), Err(-2));
    assert_eq!(pair.write(4, 3, 0), Err(-2));
    assert_eq!(pair.write(0x52, 2, 0x181), Err(-3)); // MSI, without leave.
    pair.device.faults.enable = true;
    assert_eq!(pair.write(4, 2, 2), Err(-5));
    pair.device.faults.gone = true;
    assert_eq!(pair.read(8, 4), Err(-1));
}
