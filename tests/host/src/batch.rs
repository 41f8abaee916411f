// SPDX-License-Identifier: GPL-2.0

//! Batches in random hierarchies: who leads, who follows, and that nothing is reset twice.
//!
//! What is promised for trees and tasks of different targets: the resets that are carried out have
//! no function in common, unless it is a virtual function that is itself among the targets.

use crate::{
    cases,
    oracle::Oracle,
    pure::{
        reset_batch::{divide, Part, Task},
        reset_plan::Plan,
        topology::{Function, Reset, Topology},
    },
    worlds::{garbage, snapshots, trees, MANY},
};
use proptest::{prelude::*, sample::Index};
use std::collections::{BTreeMap, BTreeSet};

/// Picks targets, each once, in any order.
fn pick(all: &[Function], picks: &[Index]) -> Vec<usize> {
    let mut targets = Vec::new();
    for pick in picks.iter().filter(|_| !all.is_empty()) {
        let target = pick.index(all.len());
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets
}

fn picks() -> impl Strategy<Value = Vec<Index>> {
    proptest::collection::vec(any::<Index>(), 0..12)
}

/// Returns each target's part.
fn parts(all: &[Function], targets: &[usize]) -> BTreeMap<usize, Part> {
    let mut tasks: Vec<Task> = targets.iter().map(|target| Task::new(*target)).collect();
    divide(Topology(all), &mut tasks);
    tasks.iter().map(|task| (task.target, task.part)).collect()
}

/// Returns the resets that are to be carried out, with their targets.
fn resets(all: &[Function], parts: &BTreeMap<usize, Part>) -> Vec<(usize, Reset)> {
    parts
        .iter()
        .filter_map(
            |(target, part)| match (part, Oracle(all).plan(*target, &[])) {
                (Part::Leads(reset), _) => Some((*target, *reset)),
                (Part::Alone, Plan::Reset(reset)) => Some((*target, reset)),
                _ => None,
            },
        )
        .collect()
}

/// Returns the part of a task that doesn't follow another.
fn own(plan: Plan) -> Part {
    match plan {
        Plan::Reset(reset @ Reset::Below { .. }) => Part::Leads(reset),
        _ => Part::Alone,
    }
}

/// Says what the parts are in a tree: whoever is reached by what others plan follows the one that
/// reaches most, of several on one bus the one with the lowest place.
fn expected(all: &[Function], targets: &[usize]) -> BTreeMap<usize, Part> {
    let oracle = Oracle(all);
    let plan = |target: &usize| oracle.plan(*target, &[]);
    let bridge = |target: &usize| match plan(target) {
        Plan::Reset(Reset::Below { bridge, .. }) => Some(bridge),
        _ => None,
    };
    // Who comes first by this leads.
    let rank = |target: &usize| {
        let reach = bridge(target).map(|bridge| oracle.below(bridge).len());
        (std::cmp::Reverse(reach), *target)
    };
    let alone = |target: &usize| own(plan(target));
    let part = |target: &usize| {
        let first = targets
            .iter()
            .filter(|other| bridge(other).is_some_and(|own| oracle.below(own).contains(target)))
            .min_by_key(|other| rank(other));
        match first {
            Some(first) if first != target => Part::With(*first),
            _ => alone(target),
        }
    };
    targets
        .iter()
        .map(|target| (*target, part(target)))
        .collect()
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn parts_are_those_of_the_oracle(all in trees(), picks in picks()) {
        let targets = pick(&all, &picks);
        prop_assert_eq!(parts(&all, &targets), expected(&all, &targets));
    }

    #[test]
    fn nothing_is_reset_twice(all in trees(), picks in picks()) {
        let resets = resets(&all, &parts(&all, &pick(&all, &picks)));
        let mut done = BTreeMap::new();
        for (target, reset) in resets {
            for index in Oracle(&all).scope(reset) {
                if let Some(other) = done.insert(index, target) {
                    // One of two is a virtual function of the other, and both have methods.
                    let related = all[target].physical == Some(other)
                        || all[other].physical == Some(target);
                    let narrow = matches!(reset, Reset::Function { .. });
                    prop_assert!(narrow && related, "{index} by {target} and {other}");
                }
            }
        }
    }

    /// In rings as well.
    #[test]
    fn who_follows_is_reset_by_one_who_leads(all in snapshots(), picks in picks()) {
        let parts = parts(&all, &pick(&all, &picks));
        for (target, part) in &parts {
            if let Part::With(leader) = part {
                let reached = match parts.get(leader) {
                    Some(Part::Leads(Reset::Below { bridge, .. })) => {
                        Oracle(&all).below(*bridge).contains(target)
                    }
                    _ => false,
                };
                prop_assert!(reached, "{target} follows {leader}");
            }
        }
    }

    #[test]
    fn who_is_out_of_reach_of_others_stays_alone(all in snapshots(), picks in picks()) {
        let oracle = Oracle(&all);
        let targets = pick(&all, &picks);
        let parts = parts(&all, &targets);
        for target in &targets {
            let mut others = targets.iter().filter(|other| *other != target);
            let reached = others.any(|other| match oracle.plan(*other, &[]) {
                Plan::Reset(Reset::Below { bridge, .. }) => oracle.below(bridge).contains(target),
                _ => false,
            });
            let alone = own(oracle.plan(*target, &[]));
            prop_assert!(reached || parts[target] == alone, "{target}");
        }
    }

    /// Whoever would be reset for itself is reset in a batch, in one way or the other.
    #[test]
    fn nobody_is_forgotten(all in snapshots(), picks in picks()) {
        let targets = pick(&all, &picks);
        let mut done = BTreeSet::new();
        for (_, reset) in resets(&all, &parts(&all, &targets)) {
            done.extend(Oracle(&all).scope(reset));
        }
        for target in targets {
            let planned = matches!(Oracle(&all).plan(target, &[]), Plan::Reset(_));
            prop_assert!(done.contains(&target) || !planned, "{target}");
        }
    }

    #[test]
    fn the_order_of_tasks_does_not_matter(
        (all, picks) in (trees(), picks()),
        keys in proptest::array::uniform12(any::<u8>()),
    ) {
        let targets = pick(&all, &picks);
        let mut others: Vec<_> = targets.iter().copied().zip(keys).collect();
        others.sort_by_key(|(_, key)| *key);
        let others: Vec<_> = others.into_iter().map(|(target, _)| target).collect();
        prop_assert_eq!(parts(&all, &targets), parts(&all, &others));
    }
}

proptest! {
    #![proptest_config(cases(3_000))]

    /// Rings, places out of range and the same target several times: it ends and doesn't panic.
    #[test]
    fn dividing_ends(
        all in garbage(MANY),
        targets in proptest::collection::vec(0..MANY + 2, 0..20),
    ) {
        let _ = parts(&all, &targets);
    }
}
