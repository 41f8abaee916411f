// SPDX-License-Identifier: GPL-2.0

//! The address grammar against a second reading of its description, with generated texts.

use crate::{
    cases,
    pure::{
        bdf_grammar::{parse_pattern, HideList, List, Malformed, Pattern, Unit},
        config_field::parse_quirk,
    },
};
use proptest::prelude::*;

/// What separates addresses, and may surround one.
const BLANKS: [u8; 7] = *b" \t\n\r\x0b\x0c\0";

/// Reads one hexadecimal number, by way of the standard library.
fn number(text: &str, max: u128) -> Option<u128> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let short = text.trim_start_matches('0');
    let value = match short {
        "" => Some(0),
        short => u128::from_str_radix(short, 16).ok(),
    };
    value.filter(|value| digits && *value <= max)
}

/// Reads an address by splitting it, from the grammar as written in pure/bdf_grammar.rs.
fn reference(text: &[u8]) -> Option<Pattern> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.trim_matches(BLANKS.map(char::from));
    let fields: Vec<&str> = text.split(':').collect();
    let (domain, bus, unit) = match fields[..] {
        [bus, unit] => ("0", bus, unit),
        [domain, bus, unit] => (domain, bus, unit),
        _ => return None,
    };
    let unit = match unit.split_once('.')? {
        ("*", "*") => Unit::Bus,
        (slot, "*") => Unit::Device(number(slot, 0x1f)? as u8),
        (slot, function) => Unit::Function((number(slot, 0x1f)? * 8 + number(function, 7)?) as u8),
    };
    Some(Pattern {
        domain: number(domain, 0xffff)? as u16,
        bus: number(bus, 0xff)? as u8,
        unit,
    })
}

/// Texts that look like addresses most of the time.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ \t\n]?([0-9a-fA-F]{1,6}:)?[0-9a-fA-F]{1,3}:([0-9a-fA-F]{1,3}|\\*)[.]([0-9a-f]|\\*)[ \n]?"
            .prop_map(String::into_bytes),
        "[0-9a-fA-F:.*() x\n-]{0,20}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..64),
    ]
}

/// Addresses, mostly right ones, with blanks between them most of the time.
fn lists() -> impl Strategy<Value = Vec<u8>> {
    let right = "([0-9a-f]{1,4}:)?[0-9a-f]{2}:[01][0-9a-f][.][0-7*]".prop_map(String::into_bytes);
    let item = prop_oneof![8 => right, 1 => texts()];
    let separator = prop_oneof![
        20 => proptest::collection::vec(proptest::sample::select(&BLANKS[..]), 1..3),
        1 => "[,;.:x]?".prop_map(String::into_bytes),
    ];
    let blanks = proptest::collection::vec(proptest::sample::select(&BLANKS[..]), 0..2);
    (
        blanks,
        proptest::collection::vec((item, separator), 0..6),
        any::<bool>(),
    )
        .prop_map(|(blanks, mut items, cut)| {
            if let (Some((_, last)), true) = (items.last_mut(), cut) {
                last.clear();
            }
            let items = items.into_iter().flat_map(|(item, blank)| [item, blank]);
            [blanks].into_iter().chain(items).flatten().collect()
        })
}

/// Reads what is written to `quirks`, from its description in the ABI: device, offset, size, mask.
fn reference_quirk(text: &[u8]) -> Option<(Pattern, u128, u128, u128)> {
    let text = std::str::from_utf8(text).ok()?;
    let (address, field) = text.split_once('-')?;
    let device = reference(address.as_bytes())?;
    let field: Vec<&str> = field
        .trim_end_matches([' ', '\t', '\n', '\r', '\x0c'])
        .split(':')
        .collect();
    let [offset, size, mask] = field[..] else {
        return None;
    };
    // No number is longer than 8 digits.
    if field.iter().any(|number| number.len() > 8) {
        return None;
    }
    let size = number(size, 4).filter(|size| [1, 2, 4].contains(size))?;
    let widest = (1 << (8 * size)) - 1;
    matches!(device.unit, Unit::Function(_)).then_some(())?;
    Some((device, number(offset, 0xfff)?, size, number(mask, widest)?))
}

/// Texts for `quirks`.
fn quirks() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "([0-9a-f]{4}:)?[0-9a-f]{2}:[01][0-9a-f][.][0-7]-[0-9a-f]{1,4}:[0-5]:[0-9a-f]{1,9}[ \n]?"
            .prop_map(String::into_bytes),
        1 => "[0-9a-f:.*]{0,13}-?[0-9a-f:-]{0,20}".prop_map(String::into_bytes),
        1 => (texts(), texts()).prop_map(|(one, other)| [one, b"-".to_vec(), other].concat()),
    ]
}

proptest! {
    #![proptest_config(cases(200_000))]

    #[test]
    fn parser_and_reference_agree(text in texts()) {
        prop_assert_eq!(parse_pattern(&text).ok(), reference(&text));
    }

    #[test]
    fn quirks_and_reference_agree(text in quirks()) {
        let read = parse_quirk(&text);
        let parts = read.ok().map(|(device, field)| {
            let field_parts = (u128::from(field.offset), u128::from(field.size), u128::from(field.mask));
            (device, field_parts)
        });
        let wanted = reference_quirk(&text);
        prop_assert_eq!(parts.is_some(), wanted.is_some());
        if let (Some((device, field)), Some((pattern, offset, size, mask))) = (parts, wanted) {
            prop_assert_eq!(Some(device), pattern.single());
            prop_assert_eq!(field, (offset, size, mask));
        }
        if let Err(Malformed { at }) = read {
            prop_assert!(at <= text.len());
        }
    }

    #[test]
    fn faults_are_inside_the_text(text in texts()) {
        if let Err(malformed) = parse_pattern(&text) {
            prop_assert!(malformed.at <= text.len());
        }
    }

    #[test]
    fn hide_is_a_list_of_the_same_addresses(items in proptest::collection::vec(texts(), 0..5)) {
        let mut text = Vec::new();
        for item in &items {
            text.push(b'(');
            text.extend_from_slice(item);
            text.push(b')');
        }
        let wanted: Option<Vec<_>> = items.iter().map(|item| reference(item)).collect();
        let read: Result<Vec<_>, _> = HideList::new(&text).collect();
        // An item that itself contains parentheses may read as two; only then may they differ.
        if !items.iter().any(|item| item.contains(&b'(') || item.contains(&b')')) {
            prop_assert_eq!(read.ok(), wanted);
        }
    }

    /// All addresses up to the first word that is none, which the fault is in; no word at all is
    /// a fault too.
    #[test]
    fn a_list_is_its_words(text in lists()) {
        let words = text.split(|byte| BLANKS.contains(byte)).filter(|word| !word.is_empty());
        let mut wanted = Vec::new();
        let mut fault = None;
        for word in words {
            let begin = word.as_ptr() as usize - text.as_ptr() as usize;
            match reference(word) {
                Some(pattern) if fault.is_none() => wanted.push(Ok(pattern)),
                Some(_) => (),
                None => fault = fault.or(Some(begin..=begin + word.len())),
            }
        }
        if wanted.is_empty() {
            fault = fault.or(Some(text.len()..=text.len()));
        }
        let mut read: Vec<_> = List::new(&text).collect();
        if let Some(fault) = fault {
            let last = read.pop();
            let Some(Err(Malformed { at })) = last else {
                return Err(TestCaseError::fail(format!("no fault in {fault:?}")));
            };
            prop_assert!(fault.contains(&at), "{at}");
        }
        prop_assert_eq!(read, wanted);
    }
}
