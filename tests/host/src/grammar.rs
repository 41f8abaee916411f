// SPDX-License-Identifier: GPL-2.0

//! The address grammar against a second reading of its description, with generated texts.

use crate::{
    cases,
    pure::{
        bdf_grammar::{parse_pattern, List, Malformed, Pattern, Unit},
        config_field::parse_quirk,
    },
};
use proptest::{collection::vec, prelude::*};

/// What separates addresses, and may surround one.
pub(crate) const BLANKS: [u8; 7] = *b" \t\n\r\x0b\x0c\0";

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
pub(crate) fn reference(text: &[u8]) -> Option<Pattern> {
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

/// Writes an address in one of its forms; each number stands for one. (Patterns would be slower.)
pub(crate) fn address(number: u64) -> String {
    let zeros = |at: u32| &"000"[..(number >> at & 3) as usize];
    let (slot, function) = (number >> 24 & 0x1f, number >> 29 & 7);
    let mut text = String::new();
    if number >> 32 & 1 == 0 {
        text += &format!("{}{:x}:", zeros(40), number as u16);
    }
    text += &format!("{}{:x}:", zeros(42), (number >> 16) as u8);
    text += &match number >> 33 & 15 {
        0 => "*.*".to_owned(),
        1 | 2 => format!("{}{slot:x}.*", zeros(44)),
        _ => format!("{}{slot:x}.{}{function}", zeros(44), zeros(46)),
    };
    if number >> 37 & 1 == 0 {
        text.make_ascii_uppercase();
    }
    text
}

/// Writes up to three blanks; each number stands for some.
pub(crate) fn blanks(number: u16) -> Vec<u8> {
    let blank = |at: u16| BLANKS[usize::from(number >> at & 7) % BLANKS.len()];
    [blank(2), blank(5), blank(8)][..usize::from(number & 3)].into()
}

/// Texts that look like addresses most of the time.
pub(crate) fn texts() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ \t\n]?([0-9a-fA-F]{1,6}:)?[0-9a-fA-F]{1,3}:([0-9a-fA-F]{1,3}|\\*)[.]([0-9a-f]|\\*)[ \n]?"
            .prop_map(String::into_bytes),
        "[0-9a-fA-F:.*() x\n-]{0,20}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..64),
    ]
}

/// Addresses, mostly right ones, with blanks between them most of the time.
fn lists() -> impl Strategy<Value = Vec<u8>> {
    let right = any::<u64>().prop_map(|number| address(number).into_bytes());
    let item = prop_oneof![8 => right, 1 => texts()];
    let separator = prop_oneof![
        20 => any::<u16>().prop_map(|number| blanks(number | 1)),
        1 => "[,;.:x]?".prop_map(String::into_bytes),
    ];
    let parts = (any::<u16>(), vec((item, separator), 0..6), any::<bool>());
    parts.prop_map(|(first, mut items, cut)| {
        if let (Some((_, last)), true) = (items.last_mut(), cut) {
            last.clear();
        }
        let items = items.into_iter().flat_map(|(item, blank)| [item, blank]);
        [blanks(first)].into_iter().chain(items).flatten().collect()
    })
}

/// Reads what is written to `quirks`, from its description in the ABI: device, offset, size, mask.
fn reference_quirk(text: &[u8]) -> Option<(Pattern, u128, u128, u128)> {
    let text = std::str::from_utf8(text).ok()?;
    let (address, field) = text.split_once('-')?;
    let device = reference(address.as_bytes())?;
    let field = field.trim_end_matches(BLANKS.map(char::from));
    let [offset, size, mask] = field.split(':').collect::<Vec<_>>()[..] else {
        return None;
    };
    let size = number(size, 4).filter(|size| [1, 2, 4].contains(size))?;
    let widest = (1 << (8 * size)) - 1;
    matches!(device.unit, Unit::Function(_)).then_some(())?;
    Some((device, number(offset, 0xfff)?, size, number(mask, widest)?))
}

/// Texts for `quirks`: right ones, or with a field that is not.
fn quirks() -> impl Strategy<Value = Vec<u8>> {
    let near = |(device, field, end): (u64, u64, u16)| {
        // No wildcard, unless it is to be wrong.
        let device = if field >> 61 == 0 {
            device
        } else {
            device | 8 << 33
        };
        let offset = field & if field >> 56 & 15 == 0 { 0x1fff } else { 0xfff };
        let size = [1, 2, 4, 4, 1, 2, 3, 0x14][(field >> 13 & 7) as usize];
        let digits =
            2 * [1, 2, 4, 4, 1, 2, 3, 4][(field >> 13 & 7) as usize] + (field >> 52 & 15) / 15;
        let mask = (field >> 16 & u64::from(u32::MAX) | 1 << 32) & ((1 << (4 * digits)) - 1);
        let zeros = &"0000"[..(field >> 48 & 3) as usize];
        let text = format!(
            "{}-{zeros}{offset:x}:{zeros}{size:x}:{zeros}{mask:X}",
            address(device)
        );
        [text.into_bytes(), blanks(end)].concat()
    };
    prop_oneof![
        6 => any::<(u64, u64, u16)>().prop_map(near),
        1 => "[0-9a-f:.*]{0,13}-?[0-9a-f:-]{0,20}".prop_map(String::into_bytes),
        1 => (texts(), texts()).prop_map(|(one, other)| [one, b"-".to_vec(), other].concat()),
        1 => (any::<u64>(), "-?[0-9a-f]{1,4}:?[0-5]?:?[0-9a-fx ]{0,9}")
            .prop_map(|(device, field)| (address(device | 8 << 33) + &field).into_bytes()),
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

/// What may follow in an address, wherever one breaks off.
pub(crate) const ENDS: [&str; 10] = [
    "", "0", ".0", ":0.0", ":0:0.0", "0.0", "0:0.0", "*", ".*", "*.*",
];

/// Returns `true` if something makes a text a right one.
fn is_begin(text: &[u8], ends: &[String], is_right: impl Fn(&[u8]) -> bool) -> bool {
    let mut ends = ends.iter().map(|end| [text, end.as_bytes()].concat());
    ends.any(|whole| is_right(&whole))
}

proptest! {
    #![proptest_config(cases(50_000))]

    /// What is before the fault, with something else after it, is an address.
    #[test]
    fn faults_are_where_an_address_breaks_off(text in texts()) {
        if let Err(Malformed { at }) = parse_pattern(&text) {
            let ends = ENDS.map(String::from);
            let begin = text.get(..at).expect("inside the text");
            prop_assert!(is_begin(begin, &ends, |whole| reference(whole).is_some()), "{at}");
        }
    }

    #[test]
    fn faults_are_where_a_quirk_breaks_off(text in quirks()) {
        if let Err(Malformed { at }) = parse_quirk(&text) {
            let ends = ENDS.map(|end| end.to_owned() + "-0:1:0");
            let fields = ["", "0", ":0", "1:0", ":1:0", "0:1:0"].map(String::from);
            let begin = text.get(..at).expect("inside the text");
            let is_right = |whole: &[u8]| reference_quirk(whole).is_some();
            let ends = [&ends[..], &fields].concat();
            let addresses = ENDS.map(String::from);
            // A wildcard breaks off in the same places, though it is none for this file.
            let is_address = is_begin(begin, &addresses, |whole| reference(whole).is_some());
            prop_assert!(is_address || is_begin(begin, &ends, is_right), "{at}");
            // A number that fits is not the fault.
            let after = text[at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            let number = at + after;
            let rest = [":1:0", ":0", ""].map(String::from);
            let in_field = text[..at].contains(&b'-') && after > 0;
            prop_assert!(!in_field || !is_begin(&text[..number], &rest, is_right), "{at}");
        }
    }
}
