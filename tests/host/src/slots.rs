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
        let known: BTreeSet<_> = before.union(&after).map(|devfn| sbdf(devfn).to_string()).collect();
        for line in String::from_utf8(text).unwrap().lines() {
            prop_assert!(known.contains(line), "{}", line);
        }
    }

    /// A read at any offset, of any size, is a part of the list: whole lines, if one fits.
    #[test]
    fn any_read_is_a_part_of_the_list(
        listed in proptest::collection::btree_set((0..3u32, 0..3u8, any::<u8>()), 0..100),
        pos in prop_oneof![4 => 0..1500usize, 1 => any::<usize>()],
        size in 0..1500usize,
    ) {
        let sbdfs = listed.iter().map(|(domain, bus, devfn)| Sbdf::new(*domain, *bus, *devfn));
        let whole: String = sbdfs.clone().map(|sbdf| format!("{sbdf}\n")).collect();
        let mut out = vec![0; size];
        let read = slot_lines::fill(sbdfs, pos, &mut out);
        let rest = whole.as_bytes().get(pos..).unwrap_or(&[]);
        prop_assert_eq!(Some(&out[..read]), rest.get(..read));
        prop_assert!(read > 0 || rest.is_empty() || size == 0);
        prop_assert!(out[..read].ends_with(b"\n") || read == size || read == 0);
        let next = rest[read..].len().min(slot_lines::LINE);
        prop_assert!(read + next > size || next == 0, "there was room for more");
    }
}
