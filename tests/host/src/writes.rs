// SPDX-License-Identifier: GPL-2.0

//! Sequences of writes to `new_slot` and `remove_slot`, after any `hide=`, against a plain set: the
//! errno of each, and what `slots` shows. It is device/slots.rs itself that answers.

use crate::{
    cases,
    grammar::{address, blanks, reference, texts, BLANKS},
    prelude::{Error, Result, EINVAL, ENOENT, ENOMEM},
    pure::{
        bdf_grammar::{List, Pattern, Unit},
        sbdf::Sbdf,
    },
    rbtree::MEMORY,
    stand_in::Mutex,
};
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeSet;

#[path = "../../../device/slots.rs"]
mod driver;

/// There is one list of slots, and tests run at the same time.
static TURN: Mutex<()> = Mutex::new(());

type Model = BTreeSet<(u16, u8, u8)>;

fn covered(pattern: Pattern) -> Model {
    let devfns = match pattern.unit {
        Unit::Function(devfn) => devfn..=devfn,
        Unit::Device(slot) => slot * 8..=slot * 8 + 7,
        Unit::Bus => 0..=255,
    };
    devfns
        .map(|devfn| (pattern.domain, pattern.bus, devfn))
        .collect()
}

/// What is written is a list of addresses or nothing.
fn reference_list(text: &[u8]) -> Option<Vec<Pattern>> {
    let words = text
        .split(|byte| BLANKS.contains(byte))
        .filter(|word| !word.is_empty());
    let patterns: Option<Vec<_>> = words.map(reference).collect();
    patterns.filter(|patterns| !patterns.is_empty())
}

/// What a write answers, and makes of the model.
fn write_to_model(model: &mut Model, add: bool, text: &[u8]) -> Result {
    let patterns = reference_list(text).ok_or(EINVAL)?;
    let sets: Vec<_> = patterns.into_iter().map(covered).collect();
    if add {
        model.extend(sets.into_iter().flatten());
        return Ok(());
    }
    let all_listed = sets.iter().all(|set| !model.is_disjoint(set));
    model.retain(|function| !sets.iter().any(|set| set.contains(function)));
    all_listed.then_some(()).ok_or(ENOENT)
}

/// As sysfs/driver.rs does: the whole text is read before anything is done.
fn write(add: bool, text: &[u8]) -> Result {
    let patterns: core::result::Result<Vec<_>, _> = List::new(text).collect();
    let patterns = patterns.map_err(|_| EINVAL)?.into_iter();
    if add {
        driver::add(patterns)
    } else {
        driver::remove(patterns)
    }
}

fn shown() -> String {
    let mut text = vec![0; 1 << 20];
    let length = driver::read(0, &mut text);
    text.truncate(length);
    String::from_utf8(text).expect("text")
}

fn lines(model: &Model) -> String {
    let line = |(domain, bus, devfn): &(u16, u8, u8)| {
        format!("{domain:04x}:{bus:02x}:{:02x}.{}\n", devfn / 8, devfn % 8)
    };
    model.iter().map(line).collect()
}

/// An address in a narrow place, where many meet.
fn near(number: u64) -> String {
    address(number & !0x1efe_fffe)
}

/// A list, mostly a right one.
fn written() -> impl Strategy<Value = (bool, Vec<u8>)> {
    let right = any::<u64>().prop_map(|number| near(number).into_bytes());
    let item = prop_oneof![40 => right, 1 => texts()];
    let item = (item, any::<u16>()).prop_map(|(item, end)| [item, blanks(end | 1)].concat());
    (
        any::<bool>(),
        vec(item, 0..4).prop_map(|items| items.concat()),
    )
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn slots_are_a_set(hide in vec(any::<u64>().prop_map(near), 0..3), writes in vec(written(), 0..12)) {
        let _turn = TURN.lock();
        let text: String = hide.iter().map(|item| format!("({item})")).collect();
        let _slots = driver::Slots::from_hide(text.as_bytes()).expect("a right list");
        let hide = hide.iter().filter_map(|item| reference(item.as_bytes()));
        let mut model: Model = hide.flat_map(covered).collect();
        prop_assert_eq!(shown(), lines(&model));
        for (add, text) in writes {
            let before = model.clone();
            let wanted = write_to_model(&mut model, add, &text);
            prop_assert_eq!(write(add, &text), wanted);
            prop_assert_eq!(shown(), lines(&model));
            prop_assert!(wanted != Err(EINVAL) || model == before);
        }
        for (domain, bus, devfn) in model {
            prop_assert!(driver::contains(Sbdf::new(u32::from(domain), bus, devfn)));
            let other = Sbdf::new(u32::from(domain) + 0x10000, bus, devfn);
            prop_assert!(!driver::contains(other));
        }
    }

    /// A write for which there is no memory does nothing, and leaves nothing that a later one trips
    /// over.
    #[test]
    fn without_memory_nothing_is_listed(writes in vec((written(), 0..3usize), 0..12)) {
        let _turn = TURN.lock();
        let _slots = driver::Slots::from_hide(b"").expect("no list");
        let mut model = Model::new();
        for ((add, text), memory) in writes {
            let mut after = model.clone();
            let mut wanted = write_to_model(&mut after, add, &text);
            MEMORY.set(memory);
            let buses = |model: &Model| model.iter().map(|(domain, bus, _)| (*domain, *bus)).collect::<BTreeSet<_>>();
            if add && buses(&after).difference(&buses(&model)).count() > memory {
                wanted = Err(ENOMEM);
            } else {
                model = after;
            }
            let result = write(add, &text);
            MEMORY.set(usize::MAX);
            prop_assert_eq!(result, wanted);
            prop_assert_eq!(shown(), lines(&model));
        }
    }
}

#[test]
fn a_wrong_hide_fails_the_load() {
    let _turn = TURN.lock();
    assert_eq!(
        driver::Slots::from_hide(b"(1:0.0)(1:0.8)").err(),
        Some(EINVAL)
    );
    assert_eq!(shown(), "");
}

/// The list is closed while there is no module.
#[test]
fn without_the_module_nothing_is_listed() {
    let _turn = TURN.lock();
    assert_eq!(write(true, b"1:0.0"), Err(Error(19)));
    assert_eq!(write(false, b"1:0.0"), Err(ENOENT));
    assert_eq!(shown(), "");
}
