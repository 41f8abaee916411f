// SPDX-License-Identifier: GPL-2.0

//! The address grammar against a second reading of its description, with generated texts.

use crate::pure::bdf_grammar::{parse_pattern, HideList, Pattern, Unit};
use proptest::prelude::*;

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
    let text = text.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c', '\0']);
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200_000))]

    #[test]
    fn parser_and_reference_agree(text in texts()) {
        prop_assert_eq!(parse_pattern(&text).ok(), reference(&text));
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
}
