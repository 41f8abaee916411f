// SPDX-License-Identifier: GPL-2.0

//! The planner's rules once more, as sets and tables, to hold pure/reset_plan.rs against. Nothing
//! here calls what is under test.

use crate::pure::{
    device_state::Holder,
    reset_method::Method,
    reset_plan::{Plan, Rung, Why},
    topology::{Function, FunctionKind, Owner, Reset, ResetOptOut, Secondary},
};
use std::collections::BTreeSet;

/// All rungs, gentlest first.
pub(crate) const RUNGS: [Rung; 7] = [
    Rung::Function(Method::DeviceSpecific),
    Rung::Function(Method::Acpi),
    Rung::Function(Method::Flr),
    Rung::Function(Method::AfFlr),
    Rung::Slot,
    Rung::Bus,
    Rung::Function(Method::Pm),
];

/// A power-state reset.
pub(crate) const WEAK: Rung = Rung::Function(Method::Pm);

/// Returns the rung of a reset.
pub(crate) fn rung(reset: Reset) -> Rung {
    match reset {
        Reset::Function { by, .. } => Rung::Function(by),
        Reset::Below { by, .. } if by == Secondary::Slot => Rung::Slot,
        Reset::Below { .. } => Rung::Bus,
    }
}

/// One who knows what the answers are.
pub(crate) struct Oracle<'a>(pub(crate) &'a [Function]);

impl Oracle<'_> {
    /// Returns the bridge above; virtual functions are where their physical function is.
    pub(crate) fn bridge(&self, index: usize) -> Option<usize> {
        let function = self.0.get(index)?;
        match function.physical {
            Some(physical) if physical < self.0.len() => self.0[physical].above,
            _ => function.above,
        }
    }

    /// Returns everything below a bridge: what is right below, then what is below that, until
    /// nothing comes along any more.
    pub(crate) fn below(&self, bridge: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        loop {
            let more: BTreeSet<usize> = (0..self.0.len())
                .filter(|index| {
                    self.bridge(*index)
                        .is_some_and(|above| above == bridge || found.contains(&above))
                })
                .collect();
            if more == found {
                return found;
            }
            found = more;
        }
    }

    /// Returns the functions of which it is known where they are: on a root bus, below such a
    /// bridge, or virtual functions of such a function.
    fn placed(&self) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        loop {
            let is_bridge = |index: usize| self.0[index].kind != FunctionKind::Endpoint;
            let is_virtual = |index: usize| self.0[index].physical.is_some();
            let more: BTreeSet<usize> = (0..self.0.len())
                .filter(
                    |index| match (self.0[*index].physical, self.0[*index].above) {
                        (Some(physical), _) => found.contains(&physical) && !is_virtual(physical),
                        (None, None) => true,
                        (None, Some(above)) => {
                            found.contains(&above) && is_bridge(above) && !is_virtual(above)
                        }
                    },
                )
                .collect();
            if more == found {
                return found;
            }
            found = more;
        }
    }

    /// Returns what a reset could reset, as far as is known.
    fn may_reach(&self, reset: Reset) -> BTreeSet<usize> {
        let (reach, placed) = (self.scope(reset), self.placed());
        (0..self.0.len())
            .filter(|index| reach.contains(index) || !placed.contains(index))
            .collect()
    }

    /// Returns what a reset resets.
    pub(crate) fn scope(&self, reset: Reset) -> BTreeSet<usize> {
        match reset {
            Reset::Below { bridge, .. } => self.below(bridge),
            Reset::Function { of, .. } => (0..self.0.len())
                .filter(|index| *index == of || self.0[*index].physical == Some(of))
                .collect(),
        }
    }

    /// Returns whether who holds a function of ours doesn't mind a reset for `target`.
    pub(crate) fn is_free(&self, index: usize, target: usize) -> bool {
        let free = |owner| {
            matches!(
                owner,
                Owner::Pciback(Holder::Nobody) | Owner::Pciback(Holder::Cleaning(_))
            )
        };
        index == target || free(self.0[index].owner)
    }

    /// Returns what blocks a reset for `target`, and why.
    pub(crate) fn blockers(&self, reset: Reset, target: usize) -> Vec<(usize, Why)> {
        let mut blockers = Vec::new();
        for index in self.may_reach(reset) {
            let function = &self.0[index];
            let wide = matches!(reset, Reset::Below { .. });
            let bridge = function.kind == FunctionKind::Bridge;
            let why = match function.owner {
                _ if wide && function.opt_out != ResetOptOut::None => Why::OptOut(function.opt_out),
                _ if function.kind == FunctionKind::Other => Why::Kind,
                Owner::Pciback(_) if self.is_free(index, target) => continue,
                Owner::Pciback(Holder::Assigned) => Why::Assigned,
                Owner::Pciback(Holder::Domain(domain) | Holder::Leaving(domain)) => {
                    Why::Used(domain)
                }
                Owner::Pciback(Holder::Nobody | Holder::Cleaning(_) | Holder::Gone) => {
                    Why::Unclaimed
                }
                Owner::PortDriver | Owner::Nobody if bridge => continue,
                Owner::Nobody => Why::Unclaimed,
                Owner::Driver | Owner::PortDriver => Why::Driver,
            };
            blockers.push((index, why));
        }
        // A bridge that doesn't survive takes what is below it along.
        if let Reset::Below { bridge, .. } = reset {
            let why = Why::OptOut(ResetOptOut::Quirk);
            if self.0.get(bridge).map(|bridge| bridge.opt_out) == Some(ResetOptOut::Quirk)
                && !blockers.contains(&(bridge, why))
            {
                blockers.push((bridge, why));
                blockers.sort_by_key(|(index, _)| *index);
            }
        }
        blockers
    }

    /// Returns the kernel's numbers of the methods that are listed for a function.
    pub(crate) fn listed(&self, index: usize) -> Vec<u8> {
        let numbers = self.0[index].listed.numbers();
        let end = numbers.iter().position(|number| *number == 0);
        numbers[..end.unwrap_or(numbers.len())].to_vec()
    }

    /// Returns the methods that reset that function and no other, each once, in the order listed.
    pub(crate) fn function_level(&self, index: usize) -> Vec<Method> {
        let mut methods = Vec::new();
        for number in self.listed(index) {
            let method = match number {
                1 => Method::DeviceSpecific,
                2 => Method::Acpi,
                3 => Method::Flr,
                4 => Method::AfFlr,
                _ => continue,
            };
            if !methods.contains(&method) {
                methods.push(method);
            }
        }
        methods
    }

    /// Returns all ways to reset a function, gentlest first.
    fn ladder(&self, target: usize) -> Vec<Reset> {
        let mut ladder = Vec::new();
        if self.0.get(target).map(|target| target.kind) != Some(FunctionKind::Endpoint) {
            return ladder;
        }
        let function = |by| Reset::Function { of: target, by };
        ladder.extend(self.function_level(target).into_iter().map(function));
        if let (Some(bridge), ResetOptOut::None) = (self.bridge(target), self.0[target].opt_out) {
            if self.0.get(bridge).map(|bridge| bridge.kind) == Some(FunctionKind::Bridge) {
                let by = self.0[bridge].secondary;
                ladder.push(Reset::Below { bridge, by });
            }
        }
        if self.listed(target).contains(&5) {
            ladder.push(function(Method::Pm));
        }
        ladder
    }

    /// Returns what is to be done for a function after some rungs were tried.
    pub(crate) fn plan(&self, target: usize, tried: &[Rung]) -> Plan {
        let mut left = self.ladder(target);
        left.retain(|reset| !tried.contains(&rung(*reset)));
        match left.first() {
            Some(reset) if self.blockers(*reset, target).is_empty() => Plan::Reset(*reset),
            Some(reset) => Plan::Blocked(*reset),
            None => Plan::Nothing,
        }
    }
}
