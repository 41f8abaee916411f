// SPDX-License-Identifier: GPL-2.0

//! Configuration spaces to show to frontends: of QEMU's devices, and made up.

use crate::frontend_oracle::Given;
use proptest::{collection::vec, prelude::*};
use std::fmt::{self, Debug, Formatter};

/// A device to be shown.
#[derive(Clone)]
pub(crate) struct Header {
    /// Its first 256 bytes; all others are 0.
    pub(crate) bytes: Vec<u8>,
    /// The bits of them that can be written.
    pub(crate) writable: Vec<u8>,
    pub(crate) ids: (u16, u16),
    pub(crate) bars: Vec<Option<Given>>,
    pub(crate) rom: Option<Given>,
    pub(crate) extended: bool,
    /// Its capabilities are as the specification wants them.
    pub(crate) is_honest: bool,
}

impl Debug for Header {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, line) in (0..).step_by(16).zip(self.bytes.chunks(16)) {
            writeln!(f, "{at:02x}: {line:02x?}")?;
        }
        writeln!(f, "{:02x?}", self.writable)?;
        let Self { ids, bars, rom, .. } = self;
        write!(f, "{ids:x?} {bars:x?} {rom:x?} extended {}", self.extended)
    }
}

/// A part of a header: where, and what.
type Part = (usize, &'static [u8]);

/// As QEMU 10 makes them at reset: hw/net/igb.c, hw/net/e1000e.c, hw/nvme/ctrl.c, with
/// hw/pci/pci.c, pcie.c, msi.c and msix.c for the capabilities. A capability that is added is the
/// first one of the list then.
const IGB: &[Part] = &[
    (
        0x00,
        &[0x86, 0x80, 0xc9, 0x10, 0, 0, 0x10, 0, 1, 0, 0, 2, 0x10],
    ),
    (0x2c, &[0xf4, 0x1a, 0x00, 0x11]),
    (0x34, &[0x40]),
    (0x3d, &[1]),
    (0x40, &[0x01, 0x50, 0x22, 0]),
    (0x50, &[0x05, 0x70, 0x80, 0x01]),
    (0x70, &[0x11, 0xa0, 0x09, 0, 0x03, 0, 0, 0, 0x03, 0x20]),
    (0xa0, &[0x10, 0, 0x02, 0, 0, 0x80, 0, 0x10]),
];
const E1000E: &[Part] = &[
    (
        0x00,
        &[0x86, 0x80, 0xd3, 0x10, 0, 0, 0x10, 0, 0, 0, 0, 2, 0x10],
    ),
    (0x2c, &[0x86, 0x80, 0, 0]),
    (0x34, &[0xc8]),
    (0x3d, &[1]),
    (0xa0, &[0x11, 0xe0, 0x04, 0, 0x03, 0, 0, 0, 0x03, 0x20]),
    (0xc8, &[0x01, 0xd0, 0x22, 0]),
    (0xd0, &[0x05, 0xa0, 0x80, 0]),
    (0xe0, &[0x10, 0, 0x01, 0, 0, 0x80]),
];
const NVME: &[Part] = &[
    (0x00, &[0x36, 0x1b, 0x10, 0, 0, 0, 0x10, 0, 2, 2, 8, 1]),
    (0x2c, &[0xf4, 0x1a, 0x00, 0x11]),
    (0x34, &[0x40]),
    (0x3d, &[1]),
    (0x40, &[0x11, 0x80, 0x40, 0, 0, 0x20, 0, 0, 0, 0x30]),
    (0x60, &[0x01, 0, 0x03, 0, 0x08]),
    (0x80, &[0x10, 0x60, 0x02, 0, 0, 0x80, 0, 0x10]),
];
const KIB: u64 = 1024;

fn of_qemu(parts: &[Part], bars: &[(usize, Given)], rom: Option<Given>) -> Header {
    let (mut bytes, mut writable) = (vec![0; 256], vec![0; 256]);
    for (at, part) in parts {
        bytes[*at..at + part.len()].copy_from_slice(part);
    }
    // pci_init_wmask(): what can be written in all devices.
    for (at, bits) in [(0x04, 0x47), (0x05, 0x05), (0x0c, 0xff), (0x3c, 0xff)] {
        writable[at] = bits;
    }
    writable[0x40..].fill(0xff);
    for part in parts.iter().filter(|part| part.0 >= 0x40) {
        writable[part.0..part.0 + 4].fill(0); // Capability, next, and what it can do.
        match part.1[0] {
            1 => writable[part.0 + 4..][..2].copy_from_slice(&[0x03, 0x1f]),
            5 => writable[part.0 + 2] = 0x71,
            _ => writable[part.0 + 3] = 0xc0,
        }
    }
    let mut all = vec![None; 6];
    for (number, given) in bars {
        all[*number] = Some(*given);
        writable[0x10 + 4 * number..][..4].fill(0xff);
        bytes[0x10 + 4 * number..][..4].copy_from_slice(&(given.0 as u32).to_le_bytes());
    }
    Header {
        ids: (
            u16::from_le_bytes([bytes[0], bytes[1]]),
            u16::from_le_bytes([bytes[2], bytes[3]]),
        ),
        bytes,
        writable,
        bars: all,
        rom,
        extended: true,
        is_honest: true,
    }
}

/// The devices of the lab.
pub(crate) fn real() -> [Header; 3] {
    let rom = Some((0xfea0_0000, 256 * KIB, 'm', 0));
    let nic = [
        (0, (0xfe84_0000, 128 * KIB, 'm', 0)),
        (1, (0xfe86_0000, 128 * KIB, 'm', 0)),
        (2, (0xc040, 32, 'i', 1)),
        (3, (0xfe88_0000, 16 * KIB, 'm', 0)),
    ];
    let mut igb = nic;
    igb[3] = (3, (0x38_0000_0000, 16 * KIB, 'M', 4));
    [
        of_qemu(IGB, &igb, rom),
        of_qemu(E1000E, &nic, rom),
        of_qemu(NVME, &[(0, (0x38_0001_0000, 16 * KIB, 'M', 4))], None),
    ]
}

fn resource() -> impl Strategy<Value = Option<Given>> {
    let memory = (any::<u64>(), 4..40u32).prop_map(|(address, bits)| {
        let size = 1 << bits;
        (address & !(size - 1), size)
    });
    let ports = (any::<u16>(), 2..9u32);
    prop_oneof![
        2 => Just(None),
        3 => (memory.clone(), any::<bool>()).prop_map(|((address, size), prefetch)| {
            Some((address & 0xffff_ffff, size, 'm', if prefetch { 8 } else { 0 }))
        }),
        3 => (memory, any::<bool>()).prop_map(|((address, size), prefetch)| {
            Some((address, size, 'M', if prefetch { 12 } else { 4 }))
        }),
        2 => ports.prop_map(|(port, bits)| {
            let size = 1u64 << bits;
            Some((u64::from(port) & !(size - 1), size, 'i', 1))
        }),
        // The kernel has no such thing. Nothing breaks if it had.
        1 => (any::<u64>(), any::<u64>(), 0..16u8).prop_map(|(address, size, flags)| {
            Some((address, size.max(1), 'm', flags))
        }),
    ]
}

/// Capabilities with room for each: their order in the list is not that of their places.
fn honest_list() -> impl Strategy<Value = Vec<(usize, u8)>> {
    let kinds = [
        (0x01u8, 8usize),
        (0x03, 8),
        (0x05, 24),
        (0x11, 12),
        (0x10, 60),
        (0x09, 16),
    ];
    let chosen = proptest::sample::subsequence(kinds.to_vec(), 0..=6).prop_shuffle();
    (chosen, vec(0..3usize, 6)).prop_flat_map(|(chosen, gaps)| {
        let mut at = 0x40;
        let mut places = Vec::new();
        for ((id, size), gap) in chosen.into_iter().zip(gaps) {
            at += 4 * gap;
            places.push((at, id));
            at += size;
        }
        Just(places).prop_shuffle()
    })
}

/// Anything: capabilities anywhere, with pointers to anywhere.
fn hostile_list() -> impl Strategy<Value = Vec<(usize, u8, u8)>> {
    let at = prop_oneof![6 => (0x10..0x40usize).prop_map(|at| at * 4), 1 => 0x40..0xffusize];
    let id = prop_oneof![
        6 => proptest::sample::select(vec![1u8, 3, 5, 0x11, 0x10, 9, 0xff, 0]),
        1 => any::<u8>()
    ];
    vec((at, id, any::<u8>()), 1..12)
}

/// Made-up devices, honest and hostile.
pub(crate) fn made_up() -> impl Strategy<Value = Header> {
    let lists = prop_oneof![
        3 => honest_list().prop_map(|list| (true, list, Vec::new())),
        2 => hostile_list().prop_map(|list| (false, Vec::new(), list)),
    ];
    let noise = (
        vec(any::<u8>(), 256),
        vec(any::<u8>(), 256),
        any::<u8>(),
        any::<u8>(),
    );
    let bars = (any::<bool>(), vec(resource(), 6), resource());
    (noise, lists, bars, any::<(u16, u16)>(), any::<bool>()).prop_map(
        |((mut bytes, mut writable, full, lucky), lists, bars, ids, extended)| {
            if full < 0x80 {
                writable.fill(0xff);
            }
            let (is_honest, honest, hostile) = lists;
            if is_honest {
                bytes[6] |= 0x10;
                let places: Vec<usize> = honest.iter().map(|one| one.0).collect();
                bytes[0x34] = places.first().map_or(0, |at| *at as u8);
                for (number, (at, id)) in honest.iter().enumerate() {
                    bytes[*at] = *id;
                    bytes[at + 1] = places.get(number + 1).map_or(0, |at| *at as u8);
                }
                // Capabilities say what they are.
                for (at, _) in &honest {
                    writable[*at..at + 2].fill(0);
                }
            } else {
                bytes[6] |= if lucky < 0xf0 { 0x10 } else { 0 };
                // Most often a list that leads on, and then to anywhere.
                let mut last = 0x34;
                for (at, id, next) in hostile {
                    bytes[last] = if next & 7 == 0 { next } else { at as u8 };
                    let at = at & !3;
                    bytes[at] = id;
                    bytes[at + 1] = next;
                    last = at + 1;
                }
            }
            let (is_bridge, mut bars, rom) = bars;
            if is_bridge {
                bars.truncate(2);
            }
            Header {
                bytes,
                writable,
                ids,
                bars,
                rom: rom.filter(|rom| rom.2 == 'm'),
                extended,
                is_honest,
            }
        },
    )
}
