// SPDX-License-Identifier: GPL-2.0

//! The hierarchy of PCI functions as it was at one moment, and what a reset in it reaches.
//!
//! A snapshot is a slice; functions name each other by their index in it. It is put together from a
//! system that goes on changing, so nothing here trusts it to be well-formed: indices may be out of
//! range, and a walk ends where bridges form a ring. A function whose position makes no sense may
//! be anywhere: it blocks every reset that it wouldn't permit.

use super::{
    device_state::Holder,
    reset_method::{
        Listed,
        Method, //
    },
    sbdf::Sbdf, //
};

/// What a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FunctionKind {
    /// A device that isn't a bridge (header type 0).
    Endpoint,
    /// A PCI-to-PCI bridge (header type 1).
    Bridge,
    /// Anything else, such as a CardBus bridge.
    Other,
}

/// Who holds a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This driver, and at present this holder.
    Pciback(Holder),
    /// The kernel's driver for PCI Express ports, which copes with resets of what is below.
    PortDriver,
    /// Another driver.
    Driver,
    /// Nobody; any driver could come.
    Nobody,
}

/// Whether a function opts out of resets that reach it along with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResetOptOut {
    /// It doesn't.
    None,
    /// The administrator emptied its `reset_method`: it shall not be reset at all.
    MethodsEmptied,
    /// The administrator took `bus` out of its `reset_method`.
    BusRemoved,
    /// The kernel knows that it doesn't survive one (`PCI_DEV_FLAGS_NO_BUS_RESET`).
    Quirk,
}

/// How everything below a bridge can be reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secondary {
    /// Through its hot-plug slot: its driver would take a plain bus reset for a card pulled out.
    Slot,
    /// By its Bridge Control register.
    Bus,
}

/// One PCI function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function {
    /// Its address.
    pub(crate) sbdf: Sbdf,
    /// What it is.
    pub(crate) kind: FunctionKind,
    /// The bridge above it; `None` on a root bus.
    pub(crate) above: Option<usize>,
    /// The physical function that it is a virtual function of.
    pub(crate) physical: Option<usize>,
    /// Who holds it.
    pub(crate) owner: Owner,
    /// Whether it opts out of slot and bus resets.
    pub(crate) opt_out: ResetOptOut,
    /// The methods that the kernel lists for it.
    pub(crate) listed: Listed,
    /// For a bridge: how what is below it can be reset.
    pub(crate) secondary: Secondary,
}

impl Function {
    /// Returns the same function, as one of ours with another holder.
    pub(super) fn held_by(&self, holder: Holder) -> Self {
        Self {
            owner: Owner::Pciback(holder),
            ..*self
        }
    }
}

/// A reset of something in a hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    /// Of one function, by a method that resets nothing else (but its virtual functions, which
    /// vanish meanwhile), power-state resets included.
    Function {
        /// The function.
        of: usize,
        /// The method.
        by: Method,
    },
    /// Of everything below a bridge.
    Below {
        /// The bridge.
        bridge: usize,
        /// The way.
        by: Secondary,
    },
}

/// A snapshot.
#[derive(Clone, Copy)]
pub(crate) struct Topology<'a>(pub(crate) &'a [Function]);

impl<'a> Topology<'a> {
    /// Returns the function at an index.
    pub(crate) fn get(self, index: usize) -> Option<&'a Function> {
        self.0.get(index)
    }

    /// Returns all indices with their functions.
    pub(crate) fn functions(self) -> impl Iterator<Item = (usize, &'a Function)> {
        self.0.iter().enumerate()
    }

    /// Returns the bridge above a function or, for a virtual function, above its physical one.
    pub(crate) fn bridge_above(self, index: usize) -> Option<usize> {
        let function = self.get(index)?;
        let physical = function.physical.and_then(|index| self.get(index));
        physical.unwrap_or(function).above
    }

    /// Returns `true` if a function is somewhere below a bridge.
    pub(crate) fn is_below(self, index: usize, bridge: usize) -> bool {
        core::iter::successors(self.bridge_above(index), |index| self.bridge_above(*index))
            .take(self.0.len()) // more steps than that mean a ring
            .any(|above| above == bridge)
    }

    /// Returns `true` if it is known where a function is: the bridges above it, or above its
    /// physical function, lead to a root bus.
    pub(crate) fn is_located(self, index: usize) -> bool {
        let function = self.get(index);
        let physical = match function.and_then(|function| function.physical) {
            None => function,
            // Virtual functions have none of their own.
            Some(physical) => self.get(physical).filter(|it| it.physical.is_none()),
        };
        let Some(physical) = physical else {
            return false;
        };
        let mut above = physical.above;
        for _ in self.0 {
            let Some(bridge) = above else {
                return true;
            };
            let bridge = self.get(bridge);
            match bridge.filter(|it| it.kind != FunctionKind::Endpoint && it.physical.is_none()) {
                Some(bridge) => above = bridge.above,
                None => return false,
            }
        }
        // More steps than there are functions mean a ring.
        above.is_none()
    }

    /// Returns `true` if a reset reaches a function, or may, because it isn't known where that is.
    pub(crate) fn may_reach(self, reset: Reset, index: usize) -> bool {
        self.reaches(reset, index) || !self.is_located(index)
    }

    /// Returns `true` if a reset reaches a function.
    pub(crate) fn reaches(self, reset: Reset, index: usize) -> bool {
        match reset {
            Reset::Function { of, .. } => {
                index == of
                    || self
                        .get(index)
                        .is_some_and(|function| function.physical == Some(of))
            }
            Reset::Below { bridge, .. } => self.is_below(index, bridge),
        }
    }

    /// Returns the indices that a reset reaches, in the order of the snapshot.
    pub(crate) fn scope(self, reset: Reset) -> impl Iterator<Item = usize> + 'a {
        (0..self.0.len()).filter(move |index| self.reaches(reset, *index))
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::{
        Function,
        FunctionKind,
        Holder,
        Listed,
        Owner,
        ResetOptOut,
        Sbdf,
        Secondary, //
    };

    /// An idle endpoint of ours on a root bus, without a method.
    pub(crate) fn endpoint(devfn: u8) -> Function {
        Function {
            sbdf: Sbdf::new(0, 0, devfn),
            kind: FunctionKind::Endpoint,
            above: None,
            physical: None,
            owner: Owner::Pciback(Holder::Nobody),
            opt_out: ResetOptOut::None,
            listed: Listed::new([0; 8]),
            secondary: Secondary::Bus,
        }
    }

    /// A port on a root bus.
    pub(crate) fn port(devfn: u8) -> Function {
        Function {
            kind: FunctionKind::Bridge,
            owner: Owner::PortDriver,
            ..endpoint(devfn)
        }
    }

    /// The same, somewhere else.
    pub(crate) fn below(bridge: usize, function: Function) -> Function {
        Function {
            above: Some(bridge),
            ..function
        }
    }
}

#[cfg(test)]
#[path = "topology_tests.rs"]
mod tests;
