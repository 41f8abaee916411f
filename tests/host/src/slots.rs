// SPDX-License-Identifier: GPL-2.0

//! The set of a bus's functions against the standard library's set, and the listing of it.

use crate::{
    cases,
    pure::{bdf_grammar::Unit, devfn_set::DevfnSet, sbdf::Sbdf, slot_lines},
};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn units() -> impl Strategy<Value = Unit> {
    prop_oneof![
        6 => any::<u8>().prop_map(Unit::Function),
        3 => (0..32u8).prop_map(Unit::Device),
        1 => Just(Unit::Bus),
    ]
}

fn members(unit: Unit) -> BTreeSet<u8> {
    match unit {
        Unit::Function(devfn) => [devfn].into(),
        Unit::Device(slot) => (0..8).map(|function| slot * 8 + function).collect(),
        Unit::Bus => (0..=255).collect(),
    }
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn behaves_as_a_set(changes in proptest::collection::vec((any::<bool>(), units()), 0..20)) {
        let mut set = DevfnSet::default();
        let mut model = BTreeSet::new();
        for (add, unit) in changes {
            let these = members(unit);
            if add {
                set.insert(&DevfnSet::of(unit));
                model.extend(these);
            } else {
                let any = !model.is_disjoint(&these);
                prop_assert_eq!(set.overlaps(&DevfnSet::of(unit)), any);
                set.remove(&DevfnSet::of(unit));
                model.retain(|devfn| !these.contains(devfn));
            }
            prop_assert!(set.iter().eq(model.iter().copied()));
            prop_assert_eq!(set.is_empty(), model.is_empty());
        }
    }

    /// A reader never sees an address that was not listed before or after a change between reads.
    #[test]
    fn no_address_is_made_up(
        before in proptest::collection::btree_set(any::<u8>(), 0..200),
        after in proptest::collection::btree_set(any::<u8>(), 0..200),
        chunk in 13..200usize,
    ) {
        let sbdf = |devfn: &u8| Sbdf::new(0, 0, *devfn);
        let mut first = vec![0; chunk];
        let read = slot_lines::fill(before.iter().map(sbdf), 0, &mut first);
        let mut second = vec![0; 4096];
        let more = slot_lines::fill(after.iter().map(sbdf), read, &mut second);
        let text = [&first[..read], &second[..more]].concat();
        for line in String::from_utf8(text).unwrap().lines() {
            let known = before.union(&after).any(|devfn| sbdf(devfn).to_string() == line);
            prop_assert!(known, "{}", line);
        }
    }
}
