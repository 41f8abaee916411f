// SPDX-License-Identifier: GPL-2.0

//! What a frontend sees, by the rules of the C driver, once more: byte by byte, with maps, and with
//! a machine to which everything is done at once. Nothing here calls what is under test.

use crate::frontend_device::Machine;
use std::collections::{BTreeMap, BTreeSet};

/// XEN_PCI_ERR_*.
pub(crate) const GONE: i32 = -1;
pub(crate) const BAD_OFFSET: i32 = -2;
pub(crate) const DENIED: i32 = -3;
pub(crate) const FAILED: i32 = -5;

/// What the bytes of one register are for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Use {
    /// Always these.
    Fixed(Vec<u8>),
    /// The hardware's, with some bits hidden.
    Shown(Vec<u8>),
    /// The hardware's, and written to it.
    Open,
    Command,
    Line,
    Bist,
    /// What it shows, by turns, the bits that don't matter in a question for the size, and whether
    /// anything is there.
    Base([u8; 4], [u8; 4], u32, bool),
    Power,
    Msi,
    Msix,
    VpdAddress,
}

/// A resource: first address, size, kind ('i', 'm' or 'M', which is 64 bits wide), lowest bits.
pub(crate) type Given = (u64, u64, char, u8);

/// One who knows the rules.
#[derive(Clone)]
pub(crate) struct Oracle {
    owners: BTreeMap<usize, usize>,
    registers: Vec<(usize, Use)>,
    pointers: BTreeMap<usize, u8>,
    first: BTreeMap<u8, usize>,
    extent: usize,
    // What is latched.
    command: u32,
    line: u8,
    sizing: BTreeSet<usize>,
    pub(crate) permissive: bool,
    pub(crate) control: bool,
}

fn little(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .enumerate()
        .map(|(at, byte)| u32::from(*byte) << (8 * at))
        .sum()
}

/// The two faces of a base address register, lower and upper half.
fn faces((address, size, _, flags): Given) -> [[u8; 8]; 2] {
    // What the hardware would answer: the address bits that it has.
    let size = (1u128 << 64) - u128::from(size);
    [u128::from(address), size].map(|face| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&face.to_le_bytes()[..8]);
        bytes[0] |= flags;
        bytes
    })
}

fn half(face: [u8; 8], upper: bool) -> [u8; 4] {
    let at = if upper { 4 } else { 0 };
    [face[at], face[at + 1], face[at + 2], face[at + 3]]
}

impl Oracle {
    /// Describes a device; `None` where its capabilities can't be.
    pub(crate) fn new(
        machine: &Machine,
        (vendor, device): (u16, u16),
        bars: &[Option<Given>],
        rom: Option<Given>,
        extent: usize,
    ) -> Option<Self> {
        let mut oracle = Self {
            owners: BTreeMap::new(),
            registers: Vec::new(),
            pointers: BTreeMap::new(),
            first: BTreeMap::new(),
            extent,
            command: 0,
            line: 0,
            sizing: BTreeSet::new(),
            permissive: false,
            control: false,
        };
        oracle.own(0, 2, Use::Fixed(vendor.to_le_bytes().into()))?;
        oracle.own(2, 2, Use::Fixed(device.to_le_bytes().into()))?;
        oracle.own(0x04, 2, Use::Command)?;
        oracle.own(0x0c, 1, Use::Open)?;
        oracle.own(0x0d, 1, Use::Shown(vec![0xff]))?;
        oracle.own(0x0f, 1, Use::Bist)?;
        oracle.own(0x3c, 1, Use::Line)?;
        oracle.own(0x3d, 1, Use::Shown(vec![0xff]))?;
        let mut upper = None;
        for (number, bar) in bars.iter().enumerate() {
            let base = match (upper.take(), *bar) {
                (Some(lower), _) => {
                    let [value, size] = faces(lower);
                    Use::Base(half(value, true), half(size, true), 0, true)
                }
                (None, Some(given)) => {
                    let [value, size] = faces(given);
                    if given.2 == 'M' {
                        upper = Some(given);
                    }
                    let flags = if given.2 == 'i' { 3 } else { 15 };
                    Use::Base(half(value, false), half(size, false), flags, true)
                }
                (None, None) => Use::Base([0; 4], [0; 4], 15, false),
            };
            oracle.own(0x10 + 4 * number, 4, base)?;
        }
        let base = rom.map_or(Use::Base([0; 4], [0; 4], 0x7ff, false), |given| {
            let [value, size] = faces(given);
            Use::Base(half(value, false), half(size, false), 0x7ff, true)
        });
        oracle.own(if bars.len() == 2 { 0x38 } else { 0x30 }, 4, base)?;
        oracle.follow(machine);
        oracle.know_capabilities()?;
        Some(oracle)
    }

    /// Gives bytes to a register, unless one of them has an owner.
    fn own(&mut self, at: usize, size: usize, what: Use) -> Option<()> {
        if (at..at + size).any(|byte| self.owners.contains_key(&byte)) || at + size > self.extent {
            return None;
        }
        self.registers.push((at, what));
        let number = self.registers.len() - 1;
        self.owners
            .extend((at..at + size).map(|byte| (byte, number)));
        Some(())
    }

    /// Follows the list backwards in thought: each place that was seen leads to the one seen next.
    fn follow(&mut self, machine: &Machine) {
        let mut seen: Vec<usize> = Vec::new();
        let mut at = if machine.bytes[6] & 0x10 != 0 {
            machine.bytes[0x34]
        } else {
            0
        };
        loop {
            let place = usize::from(at / 4) * 4;
            if place < 0x40 || seen.contains(&place) || machine.bytes[place] == 0xff {
                break;
            }
            seen.push(place);
            self.first.entry(machine.bytes[place]).or_insert(place);
            at = machine.bytes[place + 1];
        }
        let mut next = 0;
        for place in seen.into_iter().rev() {
            self.pointers.insert(place + 1, next);
            next = place as u8;
        }
        self.pointers.insert(0x34, next);
    }

    fn know_capabilities(&mut self) -> Option<()> {
        let all = |size: usize| Use::Shown(vec![0xff; size]);
        for (id, parts) in [
            (0x11, vec![(2, Use::Msix)]),
            (0x05, vec![(2, Use::Msi)]),
            (
                0x01,
                vec![
                    (2, Use::Shown(vec![0xff, 0x07])),
                    (2, Use::Power),
                    (1, all(1)),
                    (1, all(1)),
                ],
            ),
            (0x03, vec![(2, Use::VpdAddress), (4, all(4))]),
        ] {
            let Some(mut at) = self.first.get(&id).copied() else {
                continue;
            };
            for (size, what) in [(2, all(2))].into_iter().chain(parts) {
                if at >= 0x100 {
                    return None;
                }
                self.own(at, size, what)?;
                at += size;
            }
        }
        // No other capability begins in them.
        let known: Vec<_> = [1, 3, 5, 0x11]
            .iter()
            .filter_map(|id| self.first(*id))
            .collect();
        let mut others = self
            .pointers
            .keys()
            .filter(|at| **at != 0x34 && !known.contains(&(**at - 1)));
        let overlaps =
            |at: &usize| self.owners.contains_key(at) || self.owners.contains_key(&(at - 1));
        (!others.any(overlaps)).then_some(())
    }

    /// The administrator opens a field.
    pub(crate) fn open(&mut self, at: usize, size: usize) -> bool {
        let before = self.extent;
        self.extent = 0x1000; // It may be beyond what the device has.
        let opened = at % size == 0 && self.own(at, size, Use::Open).is_some();
        self.extent = before;
        opened
    }

    /// Returns where the first capability of a kind is.
    pub(crate) fn first(&self, id: u8) -> Option<usize> {
        self.first.get(&id).copied()
    }

    /// A use begins.
    pub(crate) fn begin(&mut self, machine: &mut Machine, line: u8) -> Result<(), i32> {
        if machine.faults.gone {
            return Err(GONE);
        }
        self.command = machine.word(4);
        self.line = line;
        self.sizing.clear();
        if let Some(at) = self.first(1) {
            let now = machine.word(at + 4);
            if now & 0x100 != 0 {
                machine.store(at + 4, 2, now & !0x100);
            }
        }
        Ok(())
    }

    /// What a guest sees in a byte: where a pointer is, none but ours.
    fn byte(&self, machine: &Machine, at: usize) -> Result<u8, i32> {
        let stored = self.stored(machine, at)?;
        Ok(self.pointers.get(&at).copied().unwrap_or(stored))
    }

    /// What a byte holds as far as writing to its neighbours is concerned.
    fn stored(&self, machine: &Machine, at: usize) -> Result<u8, i32> {
        let hardware = || match machine.faults.gone {
            true => Err(GONE),
            false => Ok(machine.bytes[at]),
        };
        let Some(number) = self.owners.get(&at) else {
            return hardware();
        };
        let (start, what) = &self.registers[*number];
        let index = at - start;
        Ok(match what {
            Use::Fixed(bytes) => bytes[index],
            Use::Line => self.line,
            Use::Base(value, size, ..) => match self.sizing.contains(start) {
                true => size[index],
                false => value[index],
            },
            Use::Shown(bits) => hardware()? & bits[index],
            Use::Command => {
                // 02bc: what a guest may see of the hardware.
                let bits = [0xbc, 0x02][index];
                let latched = (self.command >> (8 * index)) as u8;
                (hardware()? & bits) | (latched & !bits)
            }
            _ => hardware()?,
        })
    }

    fn is_valid(&self, offset: i32, size: i32) -> bool {
        [1, 2, 4].contains(&size)
            && offset >= 0
            && offset % size == 0
            && i64::from(offset) + i64::from(size) <= self.extent as i64
    }

    /// What a guest reads.
    pub(crate) fn read(&self, machine: &Machine, offset: i32, size: i32) -> Result<u32, i32> {
        if !self.is_valid(offset, size) {
            return Err(BAD_OFFSET);
        }
        let (at, size) = (offset as usize, size as usize);
        let bytes: Result<Vec<u8>, i32> = (at..at + size)
            .map(|byte| self.byte(machine, byte))
            .collect();
        Ok(little(&bytes?))
    }

    /// Does to the machine what a guest's write does. Returns `false` if the write is ignored, since
    /// no register is there and the guest isn't permissive.
    pub(crate) fn write(
        &mut self,
        machine: &mut Machine,
        offset: i32,
        size: i32,
        value: u32,
    ) -> Result<bool, i32> {
        if !self.is_valid(offset, size) {
            return Err(BAD_OFFSET);
        }
        let (at, size) = (offset as usize, size as usize);
        let written: BTreeMap<usize, u8> = (at..).zip(value.to_le_bytes()).take(size).collect();
        let touched: BTreeMap<usize, usize> = written
            .keys()
            .filter_map(|byte| self.owners.get(byte))
            .map(|number| (self.registers[*number].0, *number))
            .collect();
        if touched.is_empty() {
            if !self.permissive {
                return Ok(false);
            }
            if machine.faults.gone {
                return Err(GONE);
            }
            machine.store(at, size, value);
            return Ok(true);
        }
        for (start, number) in touched {
            let what = self.registers[number].1.clone();
            if matches!(what, Use::Fixed(_) | Use::Shown(_) | Use::Line) {
                continue;
            }
            let mut bytes = Vec::new();
            for (byte, owner) in self.owners.range(start..) {
                if *owner != number {
                    break;
                }
                let before = self.stored(machine, *byte)?;
                bytes.push(written.get(byte).copied().unwrap_or(before));
            }
            self.register(machine, start, bytes.len(), what, little(&bytes))?;
        }
        Ok(true)
    }

    fn register(
        &mut self,
        machine: &mut Machine,
        at: usize,
        size: usize,
        what: Use,
        value: u32,
    ) -> Result<(), i32> {
        let gone = machine.faults.gone;
        let put = |machine: &mut Machine| {
            if gone {
                return Err(GONE);
            }
            machine.store(at, size, value);
            Ok(())
        };
        match what {
            Use::Fixed(_) | Use::Shown(_) | Use::Line => {}
            Use::Open => put(machine)?,
            Use::Command => self.command_written(machine, value)?,
            Use::Bist => {
                // The same but for the bit that starts it, or that bit alone.
                let same = (u32::from(machine.bytes[at]) ^ value) & 0xbf == 0;
                if same || value == 0x40 {
                    put(machine)?;
                }
            }
            Use::Base(address, _, flags, is_there) => {
                if value & !flags == !flags {
                    self.sizing.insert(at);
                    return Ok(());
                }
                if is_there && value == little(&address) {
                    put(machine)?; // Where it is there already that changes nothing.
                }
                self.sizing.remove(&at);
            }
            Use::Power => {
                if machine.word(at) == 0xffff {
                    return Err(GONE);
                }
                // 9e00: PME_Status, of which a 1 clears, and Data_Select.
                let other = machine.word(at) & 0x61ff;
                machine.store(at, 2, other | (value & 0x9e00));
                if !machine.set_power(value & 3) {
                    return Err(DENIED);
                }
            }
            Use::VpdAddress => {
                if value >= 0x8000 {
                    return Err(DENIED);
                }
                put(machine)?;
            }
            Use::Msi | Use::Msix => {
                let now = machine.word(at);
                let is_msi = what == Use::Msi;
                if !self.permissive && now != value {
                    let may: &[u32] = if is_msi { &[0] } else { &[15, 14] };
                    let others =
                        (0..16).any(|bit| (now ^ value) >> bit & 1 == 1 && !may.contains(&bit));
                    let (enable, rival, rival_bit) =
                        if is_msi { (0, 0x11, 15) } else { (15, 0x05, 0) };
                    let rival = self
                        .first(rival)
                        .is_some_and(|rival| machine.word(rival + 2) >> rival_bit & 1 == 1);
                    let enables = value >> enable & 1 == 1;
                    if !self.control || others || enables && rival {
                        return Err(DENIED);
                    }
                }
                put(machine)?;
            }
        }
        Ok(())
    }

    fn command_written(&mut self, machine: &mut Machine, value: u32) -> Result<(), i32> {
        let mut value = value;
        let bit = |value: u32, bit: u32| value >> bit & 1 == 1;
        let decodes = bit(value, 0) || bit(value, 1);
        if decodes && !machine.enabled {
            if !machine.enable() {
                return Err(FAILED);
            }
        } else if !decodes && machine.enabled {
            machine.disable();
        }
        if bit(value, 2) != machine.master {
            machine.set_master(bit(value, 2));
        }
        if bit(value, 4) != bit(self.command, 4) && !machine.set_invalidate(bit(value, 4)) {
            value -= 0x10;
        }
        if self.control && bit(value, 10) != bit(self.command, 10) {
            machine.set_intx(!bit(value, 10));
        }
        self.command = value;
        if self.permissive {
            let now = machine.word(4);
            machine.store(4, 2, (now & !0x02bc) | (value & 0x02bc));
        }
        Ok(())
    }
}
