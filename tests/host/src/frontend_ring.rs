// SPDX-License-Identifier: GPL-2.0

//! What a frontend writes to the page that it shares, word by word: every value is answered, none
//! is taken for more than it is.

use crate::{
    cases,
    pure::{
        config_space::{Extent, Place},
        pciif::{
            answered_entry, Error, Operation, Request, MOST_VECTORS, REQUEST, REQUEST_WORDS,
            VECTORS,
        },
    },
};
use proptest::{collection::vec, prelude::*};

/// A word: of the kind that means something there, at a border, or any.
fn words() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => 0..12u32,
        2 => 0..0x102u32,
        2 => (0..32u32, -2..3i32).prop_map(|(bit, near)| (1u32 << bit).wrapping_add_signed(near)),
        1 => any::<u32>(),
    ]
}

/// The request that a page holds: its head, and its entries, of which few or all differ.
fn pages() -> impl Strategy<Value = Vec<u32>> {
    let entries = prop_oneof![
        vec(any::<u32>(), MOST_VECTORS),
        (any::<u16>(), any::<u16>()).prop_map(|(first, vector)| {
            let index = |at: u16| u32::from(first.wrapping_add(at)) << 16 | u32::from(vector);
            (0..MOST_VECTORS as u16).map(index).collect()
        }),
    ];
    (vec(words(), REQUEST_WORDS - MOST_VECTORS), entries)
        .prop_map(|(head, entries)| [head, entries].concat())
}

/// The field of `struct xen_pci_op` with that number, as include/xen/interface/io/pciif.h has them.
fn field(page: &[u32], number: usize) -> u32 {
    page[number]
}

proptest! {
    #![proptest_config(cases(4000))]

    /// The device is the one of the page; the operation is one of six, with the page's numbers;
    /// entries are those of the page, each once, and as many as it says.
    #[test]
    fn any_request(page in pages()) {
        let words: [u32; REQUEST_WORDS] = page.clone().try_into().unwrap();
        let request = Request::from_words(&words);
        let (bus, devfn) = (field(&page, 3), field(&page, 4));
        prop_assert_eq!(request.device.is_some(), bus < 0x100 && devfn < 0x100);
        if let Some(device) = request.device {
            let slot = u32::from(device.slot()) << 3 | u32::from(device.function());
            prop_assert_eq!(
                (device.domain(), u32::from(device.bus()), slot),
                (field(&page, 2), bus, devfn)
            );
        }
        let (offset, size) = (field(&page, 5) as i32, field(&page, 6) as i32);
        let value = field(&page, 7);
        let listed: Vec<u16> = (page[9..].iter().take(value as usize))
            .map(|entry| (entry >> 16) as u16)
            .collect();
        let differ = listed.iter().enumerate().all(|(at, one)| !listed[..at].contains(one));
        let fits = (1..=MOST_VECTORS as u32).contains(&value) && differ;
        let expected = match page[0] {
            0 => Ok(Operation::Read { offset, size }),
            1 => Ok(Operation::Write { offset, size, value }),
            2 => Ok(Operation::EnableMsi),
            3 => Ok(Operation::DisableMsi),
            4 if fits => Ok(Operation::EnableMsix),
            4 => Err(Error::Failed),
            5 => Ok(Operation::DisableMsix),
            _ => Err(Error::NotImplemented),
        };
        prop_assert_eq!(request.operation, expected);
        if expected == Ok(Operation::EnableMsix) {
            prop_assert_eq!(request.entries.as_slice(), &listed[..]);
        } else if page[0] != 4 {
            prop_assert!(request.entries.as_slice().is_empty());
        }
    }

    /// What isn't refused is an aligned place inside of the configuration space.
    #[test]
    fn any_place(offset in words(), size in words(), extended in any::<bool>()) {
        let (extent, end) = if extended {
            (Extent::Extended, 0x1000)
        } else {
            (Extent::Conventional, 0x100)
        };
        let (offset, size) = (offset as i32, size as i32);
        let fits = matches!(size, 1 | 2 | 4) && offset >= 0 && offset % size == 0 && offset < end;
        match Place::requested(offset, size, extent) {
            Ok(place) => {
                prop_assert!(fits);
                prop_assert_eq!(i32::from(place.offset()), offset);
            }
            Err(_) => prop_assert!(!fits),
        }
    }

    /// An answer keeps the index of its entry, and all of them stay inside of the request.
    #[test]
    fn any_answer(index in any::<u16>(), vector in any::<u16>(), page in pages()) {
        let word = answered_entry(index, vector);
        prop_assert_eq!(((word >> 16) as u16, word as u16), (index, vector));
        let words: [u32; REQUEST_WORDS] = page.try_into().unwrap();
        let entries = Request::from_words(&words).entries.as_slice().len();
        prop_assert!(VECTORS + entries <= REQUEST + REQUEST_WORDS);
    }
}
