// SPDX-License-Identifier: GPL-2.0

//! The planner in random hierarchies, against an oracle and against what must never happen,
//! whatever the rules.

use crate::{
    cases,
    oracle::{rung, Oracle, RUNGS, WEAK},
    pure::{
        reset_method::{Listed, Method},
        reset_plan::{Plan, Rung, Rungs, Why},
        topology::{Function, FunctionKind, Owner, Reset, ResetOptOut, Secondary, Topology},
    },
    worlds::{garbage, snapshots, trees, MANY},
};
use proptest::{prelude::*, sample::Index};

/// Rungs that were tried: mostly few.
fn tried() -> impl Strategy<Value = Vec<Rung>> {
    prop_oneof![
        Just(vec![]),
        proptest::sample::subsequence(&RUNGS[..], 0..3),
        proptest::sample::subsequence(&RUNGS[..], 0..=RUNGS.len()),
    ]
}

fn plan(all: &[Function], target: usize, tried: &[Rung]) -> Plan {
    let mut rungs = Rungs::default();
    for rung in tried {
        rungs.insert(*rung);
    }
    Topology(all).plan(target, rungs)
}

fn blockers(all: &[Function], reset: Reset, target: usize) -> Vec<(usize, Why)> {
    Topology(all)
        .blockers(reset, target)
        .map(|blocker| (blocker.index, blocker.why))
        .collect()
}

/// Both kinds of reset of a place, whether a plan would have them or not.
fn resets(index: usize) -> [Reset; 2] {
    let (by, bridge) = (Secondary::Bus, index);
    let function = Reset::Function {
        of: index,
        by: Method::Flr,
    };
    [function, Reset::Below { bridge, by }]
}

proptest! {
    #![proptest_config(cases(10_000))]

    #[test]
    fn reach_is_everything_that_hangs_below(all in snapshots()) {
        for reset in (0..=all.len()).flat_map(resets) {
            let reach: Vec<_> = Topology(&all).scope(reset).collect();
            prop_assert!(Oracle(&all).scope(reset).into_iter().eq(reach), "{reset:?}");
        }
    }

    /// For resets that a plan would have, and for those of somebody else.
    #[test]
    fn blockers_are_all_there_and_no_others(all in snapshots(), other in any::<Index>()) {
        let oracle = Oracle(&all);
        let others = resets(other.index(all.len() + 1));
        for target in 0..=all.len() {
            let bridge = oracle.bridge(target).unwrap_or(target);
            for reset in [resets(target), resets(bridge), others].concat() {
                prop_assert_eq!(blockers(&all, reset, target), oracle.blockers(reset, target));
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn plans_are_those_of_the_oracle(all in snapshots(), tried in tried()) {
        for target in (0..=all.len()).chain([usize::MAX]) {
            prop_assert_eq!(plan(&all, target, &tried), Oracle(&all).plan(target, &tried));
        }
    }

    #[test]
    fn plans_and_blockers_do_not_contradict(all in snapshots(), tried in tried()) {
        for target in 0..all.len() {
            match plan(&all, target, &tried) {
                Plan::Reset(reset) => prop_assert_eq!(blockers(&all, reset, target), []),
                Plan::Blocked(reset) => prop_assert!(!blockers(&all, reset, target).is_empty()),
                Plan::Nothing => (),
            }
        }
    }

    /// No reset hits what belongs to others, or what must not be reset along with others.
    #[test]
    fn no_plan_does_harm(all in snapshots(), tried in tried()) {
        let oracle = Oracle(&all);
        for target in 0..all.len() {
            let Plan::Reset(reset) = plan(&all, target, &tried) else {
                continue;
            };
            let reach = oracle.scope(reset);
            prop_assert!(reach.contains(&target), "{reset:?} misses {target}");
            for index in reach {
                let function = &all[index];
                let passes = match function.owner {
                    Owner::Pciback(_) => oracle.is_free(index, target),
                    Owner::PortDriver | Owner::Nobody => function.kind == FunctionKind::Bridge,
                    Owner::Driver => false,
                };
                prop_assert!(passes && function.kind != FunctionKind::Other, "{reset:?} hits {index}");
                let wide = matches!(reset, Reset::Below { .. });
                prop_assert!(!wide || function.opt_out == ResetOptOut::None);
            }
        }
    }

    /// No reset is one that the function doesn't have.
    #[test]
    fn no_plan_makes_up_a_reset(all in snapshots(), tried in tried()) {
        let oracle = Oracle(&all);
        for target in 0..all.len() {
            let Plan::Reset(reset) = plan(&all, target, &tried) else {
                continue;
            };
            prop_assert!(all[target].kind == FunctionKind::Endpoint);
            prop_assert!(!tried.contains(&rung(reset)));
            match reset {
                Reset::Function { of, by } => {
                    prop_assert_eq!(of, target);
                    prop_assert!(oracle.listed(target).contains(&by.kernel_number()));
                    prop_assert!(!matches!(by, Method::Bus | Method::CxlBus));
                }
                // There is a bridge, so this is no root bus.
                Reset::Below { bridge, by } => {
                    prop_assert_eq!(oracle.bridge(target), Some(bridge));
                    prop_assert_eq!(by, all[bridge].secondary);
                    prop_assert!(all[bridge].opt_out != ResetOptOut::Quirk);
                }
            }
        }
    }

    /// Whoever goes on with the next rung after a failure gets each once, ever harder ones, and
    /// a weak one only where there is no other.
    #[test]
    fn a_ladder_is_climbed_once(all in snapshots()) {
        let oracle = Oracle(&all);
        for target in 0..all.len() {
            let mut tried: Vec<Rung> = Vec::new();
            let end = loop {
                match plan(&all, target, &tried) {
                    Plan::Reset(reset) => tried.push(rung(reset)),
                    end => break end,
                }
                prop_assert!(tried.len() <= RUNGS.len(), "without an end: {tried:?}");
            };
            let hard = |rung: &Rung| match rung {
                Rung::Function(Method::Pm) => 2,
                Rung::Slot | Rung::Bus => 1,
                Rung::Function(_) => 0,
            };
            prop_assert!(tried.windows(2).all(|two| hard(&two[0]) <= hard(&two[1])), "{tried:?}");
            prop_assert!(!tried.contains(&WEAK) || end == Plan::Nothing);
            // Methods of the function have one reach, so either all are tried or none.
            let methods = oracle.function_level(target);
            let gentle: Vec<_> = tried.iter().filter(|rung| hard(rung) == 0).copied().collect();
            let all_of_them = methods.into_iter().map(Rung::Function).collect::<Vec<_>>();
            prop_assert!(gentle.is_empty() || gentle == all_of_them, "{gentle:?}");
        }
    }

    #[test]
    fn a_function_with_an_emptied_list_is_left_alone(
        all in trees(),
        emptied in any::<Index>(),
        tried in tried(),
    ) {
        let (mut all, emptied) = (all.clone(), emptied.index(all.len()));
        all[emptied].opt_out = ResetOptOut::MethodsEmptied;
        all[emptied].listed = Listed::new([0; 8]);
        prop_assert_eq!(plan(&all, emptied, &tried), Plan::Nothing);
        for target in 0..all.len() {
            if let Plan::Reset(reset @ Reset::Below { .. }) = plan(&all, target, &tried) {
                prop_assert!(!Oracle(&all).scope(reset).contains(&emptied));
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(3_000))]

    /// Not even where nothing makes sense. (What is planned there is tested above.)
    #[test]
    fn planning_ends_and_does_not_panic(all in garbage(MANY), target in any::<usize>()) {
        for target in (0..=all.len()).chain([target]) {
            for reset in resets(target) {
                let reached = Topology(&all).scope(reset).count();
                prop_assert!(reached <= all.len());
                prop_assert!(Topology(&all).blockers(reset, target).count() <= all.len());
            }
            let _ = plan(&all, target, &[]);
        }
    }
}
