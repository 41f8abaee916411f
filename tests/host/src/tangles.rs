// SPDX-License-Identifier: GPL-2.0

//! Hierarchies that lie: trees as systems have them, in which some functions say of themselves what
//! cannot be. Nothing is planned then that could touch what belongs to others, whichever of the
//! things that were said is true.

use crate::{
    cases,
    pure::{
        bus_removed::mark_bus_removed,
        device_state::Holder,
        reset_batch::{divide, Part, Task},
        reset_plan::{Plan, Rungs},
        topology::{Function, FunctionKind, Owner, Reset, ResetOptOut, Secondary, Topology},
    },
    worlds::trees,
};
use proptest::{prelude::*, sample::Index};
use std::collections::BTreeSet;

/// What a function says that is not so.
#[derive(Clone, Debug)]
enum Lie {
    /// It is below itself.
    BelowItself,
    /// It is below any other function, an endpoint as well.
    Below(Index),
    /// It is below something that isn't there.
    BelowNothing(usize),
    /// It is on a root bus.
    OnRoot,
    /// It is a virtual function of any other, which may be one itself, or a bridge.
    VirtualOf(Index),
    /// It is a virtual function of something that isn't there.
    VirtualOfNothing(usize),
    /// It is another kind of thing.
    Is(FunctionKind),
    /// It comes a second time, where it is, with another owner.
    Twice(Owner),
}

fn lies() -> impl Strategy<Value = Lie> {
    let far = || prop_oneof![Just(usize::MAX), 14..40usize, any::<usize>()];
    prop_oneof![
        1 => Just(Lie::BelowItself),
        4 => any::<Index>().prop_map(Lie::Below),
        1 => far().prop_map(Lie::BelowNothing),
        1 => Just(Lie::OnRoot),
        4 => any::<Index>().prop_map(Lie::VirtualOf),
        1 => far().prop_map(Lie::VirtualOfNothing),
        1 => proptest::sample::select(&[FunctionKind::Endpoint, FunctionKind::Bridge, FunctionKind::Other][..]).prop_map(Lie::Is),
        1 => Just(Lie::Twice(Owner::Driver)),
    ]
}

/// Trees in which up to four lie.
fn tangles() -> impl Strategy<Value = Vec<Function>> {
    (
        trees(),
        proptest::collection::vec((any::<Index>(), lies()), 1..5),
    )
        .prop_map(|(mut all, lies)| {
            for (who, lie) in lies {
                let (count, who) = (all.len(), who.index(all.len()));
                let faulty = &mut all[who];
                match lie {
                    Lie::BelowItself => faulty.above = Some(who),
                    Lie::Below(other) => faulty.above = Some(other.index(count)),
                    Lie::BelowNothing(index) => faulty.above = Some(index),
                    Lie::OnRoot => faulty.above = None,
                    Lie::VirtualOf(other) => faulty.physical = Some(other.index(count)),
                    Lie::VirtualOfNothing(index) => faulty.physical = Some(index),
                    Lie::Is(kind) => faulty.kind = kind,
                    Lie::Twice(owner) => {
                        let again = Function { owner, ..*faulty };
                        all.push(again);
                    }
                }
            }
            all
        })
}

/// Everything that a reset could reach if any of what is said is true: below a bridge is what says
/// so, what is below that, and all virtual functions of those.
/// (Of a virtual function what is above its physical one counts, if there is that.)
fn could_reach(all: &[Function], reset: Reset) -> BTreeSet<usize> {
    let above = |index: usize| match all[index].physical.and_then(|index| all.get(index)) {
        Some(physical) => physical.above,
        None => all[index].above,
    };
    let mut reached: BTreeSet<usize> = match reset {
        Reset::Function { of, .. } => [of].into(),
        Reset::Below { bridge, .. } => (0..all.len())
            .filter(|index| above(*index) == Some(bridge))
            .collect(),
    };
    let wide = matches!(reset, Reset::Below { .. });
    loop {
        let touches = |index: &usize| {
            let is_in = |other: Option<usize>| other.is_some_and(|other| reached.contains(&other));
            is_in(all[*index].physical) || (wide && is_in(above(*index)))
        };
        let more: BTreeSet<usize> = (0..all.len()).filter(touches).collect();
        let before = reached.len();
        reached.extend(more);
        if reached.len() == before {
            return reached;
        }
    }
}

/// Returns `true` if a function may be touched for the sake of another.
fn is_harmless(all: &[Function], index: usize, reset: Reset, target: usize) -> bool {
    let function = &all[index];
    let wide = matches!(reset, Reset::Below { .. });
    let owner = match function.owner {
        Owner::Pciback(_) => crate::oracle::Oracle(all).is_free(index, target),
        Owner::PortDriver | Owner::Nobody => function.kind == FunctionKind::Bridge,
        Owner::Driver => false,
    };
    owner
        && function.kind != FunctionKind::Other
        && (!wide || function.opt_out == ResetOptOut::None)
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn no_lie_leads_to_harm(all in tangles()) {
        for target in 0..all.len() {
            let mut tried = Rungs::default();
            while let Plan::Reset(reset) = Topology(&all).plan(target, tried) {
                let reached = could_reach(&all, reset);
                prop_assert!(reached.contains(&target));
                if let Reset::Below { bridge, .. } = reset {
                    prop_assert!(all[bridge].kind == FunctionKind::Bridge, "{bridge} is no bridge");
                }
                for index in reached {
                    prop_assert!(is_harmless(&all, index, reset, target), "{reset:?} for {target} hits {index}");
                }
                tried.insert(reset.rung());
            }
        }
    }

    /// Nor where many are to be reset, some of them twice, and some that aren't there.
    #[test]
    fn no_batch_of_tangles_leads_to_harm(all in tangles(), targets in proptest::collection::vec(0..20usize, 0..20)) {
        let mut tasks: Vec<Task> = targets.iter().map(|target| Task::new(*target)).collect();
        divide(Topology(&all), &mut tasks);
        for task in &tasks {
            match task.part {
                Part::Leads(reset) => {
                    for index in could_reach(&all, reset) {
                        prop_assert!(is_harmless(&all, index, reset, task.target));
                    }
                }
                Part::Alone => {}
                // Whom it follows is reset, and so is it.
                Part::With(leader) => {
                    let leader = tasks.iter().find(|other| other.target == leader);
                    let Some(Part::Leads(reset)) = leader.map(|leader| leader.part) else {
                        return Err(TestCaseError::fail(format!("{task:?} follows nobody")));
                    };
                    prop_assert!(could_reach(&all, reset).contains(&task.target));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(500))]

    /// Many that lie, and long chains that end in a ring: each question is answered, and soon.
    #[test]
    fn large_tangles_are_answered(
        all in tangles(),
        length in 1..if cfg!(miri) { 8 } else { 200usize },
        back in any::<Index>(),
    ) {
        let mut all = all;
        let first = all.len();
        let port = |number: usize| Function {
            kind: FunctionKind::Bridge,
            owner: Owner::PortDriver,
            opt_out: ResetOptOut::None,
            secondary: Secondary::Bus,
            above: Some(first + number + 1),
            physical: None,
            ..all[0]
        };
        let mut chain: Vec<Function> = (0..length).map(port).collect();
        chain[length - 1].above = Some(first + back.index(length));
        chain[0].kind = FunctionKind::Endpoint;
        chain[0].owner = Owner::Pciback(Holder::Nobody);
        all.extend(chain);
        for target in 0..all.len() {
            let _ = Topology(&all).plan(target, Rungs::default());
        }
        mark_bus_removed(&mut all.clone(), &mut vec![0; all.len()]);
        let mut tasks: Vec<Task> = (0..all.len().min(40)).map(Task::new).collect();
        divide(Topology(&all), &mut tasks);
    }
}
