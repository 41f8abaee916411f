// SPDX-License-Identifier: GPL-2.0

//! Plans by a part of a hierarchy, as `reset/snapshot.rs` takes it for one device, against plans by
//! all of it: what isn't looked at must not matter.

use crate::{
    cases,
    oracle::RUNGS,
    pure::{
        bus_removed::mark_bus_removed,
        reset_method::Listed,
        reset_plan::{Plan, Rung, Rungs},
        topology::{Function, Reset, ResetOptOut, Topology},
    },
    worlds::trees,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What the kernel says is right above: a virtual function has the parent of its physical one.
fn parent(all: &[Function], index: usize) -> Option<usize> {
    all[all[index].physical.unwrap_or(index)].above
}

/// The bridges above, next to the root last.
fn path(all: &[Function], index: usize) -> Vec<usize> {
    let up = |index: &usize| parent(all, *index);
    std::iter::successors(up(&index), up).collect()
}

/// Looks where `Snapshot::around()` looks, and no further.
fn around(all: &[Function], target: usize, tried: Rungs) -> BTreeSet<usize> {
    let everything = || (0..all.len()).collect();
    if all.iter().any(|other| other.physical == Some(target)) {
        return everything();
    }
    let mut found: BTreeSet<usize> = path(all, target).into_iter().collect();
    let own: BTreeSet<usize> = found.iter().copied().chain([target]).collect();
    let (few, places) = cut(all, &own);
    let place = places.iter().position(|place| *place == target).unwrap();
    if Topology(&few).is_next_own(place, tried) {
        return own;
    }
    if all[target].physical.is_some() {
        return everything();
    }
    if parent(all, target).is_none() {
        return own;
    }
    let mut next: Vec<usize> = parent(all, target).into_iter().collect();
    while let Some(above) = next.pop() {
        found.insert(above);
        next.extend((0..all.len()).filter(|index| parent(all, *index) == Some(above)));
    }
    found
}

/// Returns the functions at some places, naming each other by their new ones; and those places.
fn cut(all: &[Function], places: &BTreeSet<usize>) -> (Vec<Function>, Vec<usize>) {
    let places: Vec<usize> = places.iter().copied().collect();
    let new = |old: usize| places.iter().position(|place| *place == old);
    let functions = places.iter().map(|place| Function {
        above: all[*place].above.and_then(new),
        physical: all[*place].physical.and_then(new),
        ..all[*place]
    });
    (functions.collect(), places)
}

/// Marks who lacks `bus`.
fn marked(all: &[Function]) -> Vec<Function> {
    let (mut all, mut counts) = (all.to_vec(), vec![0; all.len()]);
    mark_bus_removed(&mut all, &mut counts);
    all
}

/// Plans in a part; the answer names places of the whole.
fn plan_in(part: &[Function], places: &[usize], target: usize, tried: Rungs) -> Plan {
    let Some(place) = places.iter().position(|place| *place == target) else {
        return Plan::Nothing;
    };
    let old = |reset| match reset {
        Reset::Function { of, by } => Reset::Function { of: places[of], by },
        Reset::Below { bridge, by } => Reset::Below {
            bridge: places[bridge],
            by,
        },
    };
    match Topology(part).plan(place, tried) {
        Plan::Reset(reset) => Plan::Reset(old(reset)),
        Plan::Blocked(reset) => Plan::Blocked(old(reset)),
        Plan::Nothing => Plan::Nothing,
    }
}

/// Trees in which it isn't said yet who lacks `bus`. Half of the lists are one that lacks it.
fn unmarked() -> impl Strategy<Value = Vec<Function>> {
    (trees(), any::<u16>()).prop_map(|(mut all, few)| {
        for (index, function) in all.iter_mut().enumerate() {
            if function.opt_out == ResetOptOut::BusRemoved {
                function.opt_out = ResetOptOut::None;
            }
            if few >> (index % 16) & 1 == 1 {
                function.listed = Listed::new([5, 0, 0, 0, 0, 0, 0, 0]);
            }
        }
        all
    })
}

fn tried() -> impl Strategy<Value = Rungs> {
    proptest::sample::subsequence(&RUNGS[..], 0..=4).prop_map(|some: Vec<Rung>| {
        let mut rungs = Rungs::default();
        some.into_iter().for_each(|rung| rungs.insert(rung));
        rungs
    })
}

proptest! {
    #![proptest_config(cases(20_000))]

    /// And all that is reached, and all that blocks it, is in the part: it is locked, or named.
    #[test]
    fn a_plan_by_a_part_is_that_of_the_whole(all in unmarked(), tried in tried()) {
        let whole = marked(&all);
        for target in 0..all.len() {
            let part = around(&all, target, tried);
            let plan = Topology(&whole).plan(target, tried);
            let (few, places) = cut(&all, &part);
            prop_assert_eq!(plan_in(&marked(&few), &places, target, tried), plan);
            if let Plan::Reset(reset) | Plan::Blocked(reset) = plan {
                prop_assert!(Topology(&whole).scope(reset).all(|index| part.contains(&index)));
                let mut blockers = Topology(&whole).blockers(reset, target);
                prop_assert!(blockers.all(|blocker| part.contains(&blocker.index)));
            }
        }
    }

    /// A part that lacks the only blocker gives another plan: the reset would go through.
    #[test]
    fn whatever_is_left_out_is_missed(all in unmarked(), tried in tried()) {
        let whole = marked(&all);
        for target in 0..all.len() {
            let Plan::Blocked(reset) = Topology(&whole).plan(target, tried) else {
                continue;
            };
            let blockers: Vec<usize> = Topology(&whole)
                .blockers(reset, target)
                .map(|blocker| blocker.index)
                .collect();
            // What is below one that is left out would be elsewhere.
            let is_leaf = |index: usize| (0..all.len()).all(|other| {
                parent(&all, other) != Some(index) && all[other].physical != Some(index)
            });
            let [blocker] = blockers[..] else { continue };
            let mut part = around(&all, target, tried);
            if blocker != target && is_leaf(blocker) && part.remove(&blocker) {
                let (few, places) = cut(&whole, &part);
                let plan = plan_in(&few, &places, target, tried);
                prop_assert!(plan != Plan::Blocked(reset), "{blocker} for {target}");
            }
        }
    }
}
