// SPDX-License-Identifier: GPL-2.0

//! Tests of the address grammar by example and exhaustively; tests/host/src/grammar.rs holds it
//! against a second, independent reading of the grammar.

use super::{
    parse_pattern,
    HideList,
    List,
    Malformed,
    Pattern,
    Sbdf,
    Unit, //
};

fn pattern(domain: u16, bus: u8, unit: Unit) -> Result<Pattern, Malformed> {
    Ok(Pattern { domain, bus, unit })
}

#[test]
fn every_form_of_the_contract() {
    let device = Unit::Device(0x1f);
    for (text, expected) in [
        ("0000:03:00.0", pattern(0, 3, Unit::Function(0))),
        ("03:00.0", pattern(0, 3, Unit::Function(0))),
        ("ffff:ff:1f.7", pattern(0xffff, 0xff, Unit::Function(0xff))),
        ("FFFF:Ff:1F.7", pattern(0xffff, 0xff, Unit::Function(0xff))),
        ("12:03:1f.*", pattern(0x12, 3, device)),
        ("03:1f.*", pattern(0, 3, device)),
        ("0000:03:*.*", pattern(0, 3, Unit::Bus)),
        ("03:*.*", pattern(0, 3, Unit::Bus)),
        (" \t03:00.1\r\n", pattern(0, 3, Unit::Function(1))),
        ("03:00.1\0", pattern(0, 3, Unit::Function(1))),
        ("0:3:0.1", pattern(0, 3, Unit::Function(1))),
        ("000000:0003:0000.0001", pattern(0, 3, Unit::Function(1))),
    ] {
        assert_eq!(parse_pattern(text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn everything_else_says_where_it_goes_wrong() {
    for (text, at) in [
        ("", 0),
        ("  \n", 3),
        ("garbage", 0),
        ("03", 2),
        ("03:", 3),
        ("03:00", 5),
        ("03:00.", 6),
        ("03:00.0x", 7),
        ("03:00.0 1", 8),
        ("03:00.0\n03:00.1", 8),
        ("10000:03:00.0", 0),
        ("0000:100:00.0", 5),
        ("0000:03:20.0", 8),
        ("0000:03:00.8", 11),
        ("fffffffffffffffffffffff:00:00.0", 0),
        ("03:*.0", 5),
        ("03:*", 4),
        ("*:00.0", 0),
        ("0x3:00.0", 1),
        ("-3:00.0", 0),
        ("+3:00.0", 0),
        ("0000: 03:00.0", 5),
        ("0000:00:03:00.0", 10),
        ("(03:00.0)", 0),
        ("03:00.0,03:00.1", 7),
        ("\u{ff10}3:00.0", 0),
    ] {
        assert_eq!(
            parse_pattern(text.as_bytes()),
            Err(Malformed { at }),
            "{text:?}"
        );
    }
}

#[test]
fn patterns_cover_what_they_say() {
    let covers = |text: &str, function| parse_pattern(text.as_bytes()).unwrap().covers(function);
    let function = Sbdf::new(1, 3, 0x0a);
    for text in ["1:3:1.2", "1:3:1.*", "1:3:*.*"] {
        assert!(covers(text, function), "{text}");
        assert!(
            !covers(text, Sbdf::new(0, 3, 0x0a)),
            "{text}: another domain"
        );
        assert!(!covers(text, Sbdf::new(1, 4, 0x0a)), "{text}: another bus");
        assert!(
            !covers(text, Sbdf::new(0x1_0001, 3, 0x0a)),
            "{text}: a domain of 32 bits"
        );
    }
    assert!(!covers("1:3:1.3", function));
    assert!(!covers("1:3:2.*", function));
}

/// All of them, or some for an interpreter, which takes a thousand times as long.
fn bytes() -> impl Iterator<Item = u8> {
    (0..=255).step_by(if cfg!(miri) { 51 } else { 1 })
}

#[test]
fn every_address_survives_being_written_and_read() {
    for domain in [0, 1, 0x0fff, 0xffff] {
        for bus in bytes() {
            for devfn in bytes() {
                let sbdf = Sbdf::new(domain, bus, devfn);
                let read = parse_pattern(sbdf.to_string().as_bytes());
                assert_eq!(read, pattern(domain as u16, bus, Unit::Function(devfn)));
            }
        }
    }
}

#[test]
fn every_two_byte_text_is_refused() {
    // The shortest address has five bytes; nothing shorter may pass or panic.
    for first in bytes() {
        for second in bytes() {
            assert!(parse_pattern(&[first, second]).is_err());
        }
    }
}

fn hide(text: &str) -> Vec<Result<Pattern, Malformed>> {
    HideList::new(text.as_bytes()).collect()
}

#[test]
fn hide_lists() {
    let one = pattern(0, 3, Unit::Function(0));
    let two = pattern(1, 4, Unit::Bus);
    assert_eq!(hide(""), []);
    assert_eq!(hide("  "), []);
    assert_eq!(hide("(0000:03:00.0)"), [one]);
    assert_eq!(hide("(03:00.0)(1:4:*.*)"), [one, two]);
    assert_eq!(hide(" ( 03:00.0 ) (1:4:*.*) "), [one, two]);
}

#[test]
fn a_broken_hide_list_ends_at_the_fault() {
    let one = pattern(0, 3, Unit::Function(0));
    assert_eq!(hide("03:00.0"), [Err(Malformed { at: 0 })]);
    assert_eq!(hide("(03:00.0"), [Err(Malformed { at: 8 })]);
    assert_eq!(hide("()"), [Err(Malformed { at: 1 })]);
    assert_eq!(hide("(03:00.0),(04:00.0)"), [one, Err(Malformed { at: 9 })]);
    assert_eq!(hide("(03:00.0)(03:00.9)"), [one, Err(Malformed { at: 16 })]);
}

fn list(text: &str) -> Vec<Result<Pattern, Malformed>> {
    List::new(text.as_bytes()).collect()
}

#[test]
fn lists_are_separated_by_blanks() {
    let one = pattern(0, 3, Unit::Function(0));
    let two = pattern(1, 4, Unit::Bus);
    assert_eq!(list("03:00.0"), [one]);
    assert_eq!(list("03:00.0\n"), [one]);
    assert_eq!(list(" 03:00.0\n1:4:*.*\t03:00.0 \0"), [one, two, one]);
}

#[test]
fn a_broken_list_ends_at_the_fault() {
    let one = pattern(0, 3, Unit::Function(0));
    assert_eq!(list(""), [Err(Malformed { at: 0 })]);
    assert_eq!(list(" \n"), [Err(Malformed { at: 2 })]);
    assert_eq!(list("03:00.0,03:00.1"), [Err(Malformed { at: 7 })]);
    assert_eq!(list("03:00.0 x 03:00.1"), [one, Err(Malformed { at: 8 })]);
}

#[test]
fn every_pattern_survives_being_written_and_read() {
    let units = (0..32)
        .map(Unit::Device)
        .chain([Unit::Bus, Unit::Function(0xff)]);
    for unit in units {
        let written = Pattern {
            domain: 1,
            bus: 0xa,
            unit,
        };
        let text = written.to_string();
        assert_eq!(parse_pattern(text.as_bytes()), Ok(written), "{text}");
        // With all digits, as the kernel writes an address.
        assert!(text.starts_with("0001:0a:"), "{text}");
    }
    let device = Pattern {
        domain: 0,
        bus: 3,
        unit: Unit::Device(4),
    };
    assert_eq!(device.to_string(), "0000:03:04.*");
}
