// SPDX-License-Identifier: GPL-2.0

//! Hierarchies that lie: trees as systems have them, in which some functions say of themselves what
//! cannot be. Nothing is planned then that could touch what belongs to others, whichever of the
//! things that were said is true.

use crate::{
    cases,
    pure::{
        device_state::Holder,
        reset_batch::{divide, Part, Task},
        reset_plan::{Plan, Rungs},
        topology::{Consent, Function, Kind, Owner, Reset, Secondary, Topology},
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
    Is(Kind),
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
        1 => proptest::sample::select(&[Kind::Endpoint, Kind::Bridge, Kind::Other][..]).prop_map(Lie::Is),
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
                let liar = &mut all[who];
                match lie {
                    Lie::BelowItself => liar.above = Some(who),
                    Lie::Below(other) => liar.above = Some(other.index(count)),
                    Lie::BelowNothing(place) => liar.above = Some(place),
                    Lie::OnRoot => liar.above = None,
                    Lie::VirtualOf(other) => liar.physical = Some(other.index(count)),
                    Lie::VirtualOfNothing(place) => liar.physical = Some(place),
                    Lie::Is(kind) => liar.kind = kind,
                    Lie::Twice(owner) => {
                        let again = Function { owner, ..*liar };
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
    let above = |place: usize| match all[place].physical.and_then(|place| all.get(place)) {
        Some(physical) => physical.above,
        None => all[place].above,
    };
    let mut reached: BTreeSet<usize> = match reset {
        Reset::Function { of, .. } => [of].into(),
        Reset::Below { bridge, .. } => (0..all.len())
            .filter(|place| above(*place) == Some(bridge))
            .collect(),
    };
    let wide = matches!(reset, Reset::Below { .. });
    loop {
        let touches = |place: &usize| {
            let is_in = |other: Option<usize>| other.is_some_and(|other| reached.contains(&other));
            is_in(all[*place].physical) || (wide && is_in(above(*place)))
        };
        let more: BTreeSet<usize> = (0..all.len()).filter(touches).collect();
        let before = reached.len();
        reached.extend(more);
        if reached.len() == before {
            return reached;
        }
    }
}

/// Tells whether a function may be touched for the sake of another.
fn is_harmless(all: &[Function], place: usize, reset: Reset, target: usize) -> bool {
    let function = &all[place];
    let wide = matches!(reset, Reset::Below { .. });
    let owner = match function.owner {
        Owner::Pciback(_) => crate::oracle::Oracle(all).is_free(place, target),
        Owner::PortDriver | Owner::Nobody => function.kind == Kind::Bridge,
        Owner::Driver => false,
    };
    owner && function.kind != Kind::Other && (!wide || function.consent == Consent::Given)
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
                    prop_assert!(all[bridge].kind == Kind::Bridge, "{bridge} is no bridge");
                }
                for place in reached {
                    prop_assert!(is_harmless(&all, place, reset, target), "{reset:?} for {target} hits {place}");
                }
                tried.insert(reset.rung());
            }
        }
    }

    /// Nor where many are to be reset, some of them twice, and some that aren't there.
    #[test]
    fn no_batch_of_liars_leads_to_harm(all in tangles(), targets in proptest::collection::vec(0..20usize, 0..20)) {
        let mut tasks: Vec<Task> = targets.iter().map(|target| Task::new(*target)).collect();
        divide(Topology(&all), &mut tasks);
        for task in &tasks {
            match task.part {
                Part::Alone(Plan::Reset(reset)) => {
                    for place in could_reach(&all, reset) {
                        prop_assert!(is_harmless(&all, place, reset, task.target));
                    }
                }
                Part::Alone(_) => {}
                // Whom it follows is reset, and so is it.
                Part::With(leader) => {
                    let leader = tasks.iter().find(|other| other.target == leader);
                    let Some(Part::Alone(Plan::Reset(reset))) = leader.map(|leader| leader.part) else {
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
            kind: Kind::Bridge,
            owner: Owner::PortDriver,
            consent: Consent::Given,
            secondary: Secondary::Bus,
            above: Some(first + number + 1),
            physical: None,
            ..all[0]
        };
        let mut chain: Vec<Function> = (0..length).map(port).collect();
        chain[length - 1].above = Some(first + back.index(length));
        chain[0].kind = Kind::Endpoint;
        chain[0].owner = Owner::Pciback(Holder::Nobody);
        all.extend(chain);
        for target in 0..all.len() {
            let _ = Topology(&all).plan(target, Rungs::default());
            let _ = Topology(&all).lacks_bus(target);
        }
        let mut tasks: Vec<Task> = (0..all.len().min(40)).map(Task::new).collect();
        divide(Topology(&all), &mut tasks);
    }
}
