// SPDX-License-Identifier: GPL-2.0

//! Planning the reset of one device: the ladder, and what keeps a rung from being used.
//!
//! The ladder, gentlest first: the function's own methods (`device_specific`, `acpi`, `flr`,
//! `af_flr`), as listed; then everything below the bridge above it, by hot-plug slot or by bus;
//! then a power-state reset, which cleans so little that it counts as weak.
//!
//! A rung may be used if each function that the reset reaches is the target itself, or ours and
//! held by nobody or being cleaned ([`Holder::permits_reset`]). Bridges in between may have the
//! kernel's port driver or none.

use super::{
    device_state::Holder,
    domid::DomId,
    reset_method::Method,
    topology::{
        Function,
        FunctionKind,
        Owner,
        Reset,
        ResetOptOut,
        Secondary,
        Topology, //
    },
};
use core::fmt;

/// A rung of the ladder, as users know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rung {
    /// A method of the function itself, power-state resets included.
    Function(Method),
    /// The hot-plug slot.
    Slot,
    /// The secondary bus.
    Bus,
}

impl Rung {
    /// Returns the word for log lines and sysfs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Function(method) => method.name(),
            Self::Slot => "slot",
            Self::Bus => "bus",
        }
    }

    /// Returns `true` if a reset by it is reported as weak even if it did what it can.
    pub(crate) const fn is_weak(self) -> bool {
        matches!(self, Self::Function(Method::Pm))
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Function(Method::DeviceSpecific) => 1,
            Self::Function(Method::Acpi) => 2,
            Self::Function(Method::Flr) => 4,
            Self::Function(Method::AfFlr) => 8,
            Self::Function(Method::Pm) => 16,
            Self::Slot => 32,
            // The kernel's own bus resets are never run as a function's method.
            Self::Bus | Self::Function(Method::Bus | Method::CxlBus) => 64,
        }
    }

    /// All rungs that a ladder can have, gentlest first.
    pub(crate) const ALL: [Self; 7] = [
        Self::Function(Method::DeviceSpecific),
        Self::Function(Method::Acpi),
        Self::Function(Method::Flr),
        Self::Function(Method::AfFlr),
        Self::Slot,
        Self::Bus,
        Self::Function(Method::Pm),
    ];
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The log's words for a reset by a rung that reset nothing.
pub(crate) struct Unproven(pub(crate) Rung);

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(rung) = self;
        write!(f, "a {rung} reset reported success, but reset nothing")
    }
}

/// A set of rungs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rungs(u8);

impl Rungs {
    /// Adds one.
    pub(crate) fn insert(&mut self, rung: Rung) {
        self.0 |= rung.bit();
    }

    /// Adds all of another set.
    pub(crate) fn extend(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Returns `true` if nothing is in the set.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns `true` if one is in the set.
    pub(crate) const fn contains(self, rung: Rung) -> bool {
        self.0 & rung.bit() != 0
    }

    /// Yields the members, gentlest first.
    pub(crate) fn iter(self) -> impl Iterator<Item = Rung> {
        Rung::ALL
            .into_iter()
            .filter(move |rung| self.contains(*rung))
    }
}

impl Reset {
    /// Returns `true` if both reset the same, by slot or by bus.
    pub(crate) fn is_like(self, other: Self) -> bool {
        match (self, other) {
            (Self::Below { bridge: one, .. }, Self::Below { bridge: two, .. }) => one == two,
            _ => self == other,
        }
    }

    /// Returns the rung that this reset is.
    pub(crate) const fn rung(self) -> Rung {
        match self {
            Self::Function { by, .. } => Rung::Function(by),
            Self::Below {
                by: Secondary::Slot,
                ..
            } => Rung::Slot,
            Self::Below {
                by: Secondary::Bus, ..
            } => Rung::Bus,
        }
    }
}

/// Why a function blocks a reset that would reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Another driver has it.
    Driver,
    /// Nobody has it, so anybody could come.
    Unclaimed,
    /// A domain uses it.
    Used(DomId),
    /// The toolstack is about to give it to a domain.
    Assigned,
    /// It opts out.
    OptOut(ResetOptOut),
    /// It is of a kind that this driver can't hold.
    Kind,
}

/// A function that blocks a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocker {
    /// Its index in the snapshot.
    pub(crate) index: usize,
    /// The reason.
    pub(crate) why: Why,
}

/// Judges one function that `reset` reaches, besides the target.
fn judge(function: &Function, reset: Reset) -> Option<Why> {
    if matches!(reset, Reset::Below { .. }) && function.opt_out != ResetOptOut::None {
        return Some(Why::OptOut(function.opt_out));
    }
    match (function.kind, function.owner) {
        (FunctionKind::Other, _) => Some(Why::Kind),
        (_, Owner::Pciback(holder)) if holder.permits_reset() => None,
        (_, Owner::Pciback(holder)) => Some(match (holder, holder.domain()) {
            (_, Some(domain)) => Why::Used(domain),
            (Holder::Assigned, None) => Why::Assigned,
            (_, None) => Why::Unclaimed,
        }),
        (FunctionKind::Bridge, Owner::PortDriver | Owner::Nobody) => None,
        (FunctionKind::Endpoint | FunctionKind::Bridge, Owner::Driver | Owner::PortDriver) => {
            Some(Why::Driver)
        }
        (FunctionKind::Endpoint, Owner::Nobody) => Some(Why::Unclaimed),
    }
}

impl<'a> Topology<'a> {
    /// Yields everything that blocks a reset on behalf of `target`, in the order of the snapshot.
    pub(crate) fn blockers(
        self,
        reset: Reset,
        target: usize,
    ) -> impl Iterator<Item = Blocker> + 'a {
        self.functions().filter_map(move |(index, function)| {
            let why = match reset {
                // Not reached itself, but what is behind it is lost if it doesn't survive.
                Reset::Below { bridge, .. }
                    if index == bridge && function.opt_out == ResetOptOut::Quirk =>
                {
                    Some(Why::OptOut(ResetOptOut::Quirk))
                }
                _ if !self.may_reach(reset, index) => None,
                // A reset of a device in use is carried out if it is the target: whoever asks means
                // it.
                _ if index == target && matches!(function.owner, Owner::Pciback(_)) => {
                    judge(&function.held_by(Holder::Nobody), reset)
                }
                _ => judge(function, reset),
            };
            why.map(|why| Blocker { index, why })
        })
    }

    /// Returns `true` if a reset on behalf of `target` reaches `target` and nothing that blocks it.
    pub(crate) fn is_safe(self, reset: Reset, target: usize) -> bool {
        self.reaches(reset, target) && self.blockers(reset, target).next().is_none()
    }

    /// Returns the reset of all that is below the bridge above `target`, allowed or not; `None`
    /// on a root bus, and below what has no Bridge Control register as a PCI bridge has it.
    pub(crate) fn below(self, target: usize) -> Option<Reset> {
        let bridge = self.bridge_above(target)?;
        let above = self.get(bridge)?;
        let by = above.secondary;
        (above.kind == FunctionKind::Bridge).then_some(Reset::Below { bridge, by })
    }

    /// Yields the resets that `target` has, gentlest first, blocked or not. A bridge has none.
    pub(crate) fn ladder(self, target: usize) -> impl Iterator<Item = Reset> + 'a {
        let function = self
            .get(target)
            .filter(|function| function.kind == FunctionKind::Endpoint);
        let of_function = move |by| Reset::Function { of: target, by };
        let gentle = function
            .into_iter()
            .flat_map(|function| function.listed.function_level())
            .map(of_function);
        let below = function
            .filter(|function| function.opt_out == ResetOptOut::None)
            .and_then(|_| self.below(target));
        let weak = function
            .filter(|function| function.listed.has(Method::Pm))
            .map(|_| of_function(Method::Pm));
        gentle.chain(below).chain(weak)
    }

    /// Returns the gentlest reset of `target` that was not tried, blocked or not.
    pub(crate) fn next(self, target: usize, tried: Rungs) -> Option<Reset> {
        self.ladder(target)
            .find(|reset| !tried.contains(reset.rung()))
    }

    /// Returns `true` if the plan for `target` is about one of its own methods, so that it depends
    /// on `target` and its virtual functions alone. (A power-state reset comes after that of the
    /// bus, if there is one.)
    ///
    /// This may be asked where only those are known, so that whoever [opts
    /// out](super::bus_removed) for lack of neighbours may be marked wrongly: what comes first on
    /// the ladder doesn't depend on that.
    pub(crate) fn is_next_own(self, target: usize, tried: Rungs) -> bool {
        match self.next(target, tried) {
            Some(Reset::Function { by, .. }) => by.is_function_level(),
            _ => false,
        }
    }

    /// Plans the next reset of `target`, given what was tried already.
    pub(crate) fn plan(self, target: usize, tried: Rungs) -> Plan {
        match self.next(target, tried) {
            None => Plan::Nothing,
            Some(reset) if self.is_safe(reset, target) => Plan::Reset(reset),
            // Whatever blocks the first way left blocks the others too: a bus reset reaches all
            // that the function's own methods reach. A power-state reset might not be blocked, but
            // is too weak to stand in for another.
            Some(reset) => Plan::Blocked(reset),
        }
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// This.
    Reset(Reset),
    /// Nothing, because this, the gentlest way left, is blocked.
    Blocked(Reset),
    /// Nothing, because no reset is left, or there is none.
    Nothing,
}

#[cfg(test)]
#[path = "reset_plan_tests.rs"]
mod tests;
