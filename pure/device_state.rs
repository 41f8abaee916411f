// SPDX-License-Identifier: GPL-2.0

//! The life of a claimed device: who holds it, what its last reset made of it, and what may
//! happen next.
//!
//! This is the only place where that is decided. Documentation/guests.md has it as a table. All
//! events of one device are serialised by one lock, under which nothing slow is done. What an event
//! allows is done afterwards, so two rules keep the answer true until then:
//!
//! - Nobody comes to a device that is [reserved](DeviceState::reserve): neither
//!   [`assign`](DeviceState::assign) nor [`list`](DeviceState::list) succeeds for anybody but the
//!   holder of the reservation. So what a reset was planned on cannot become worse.
//! - A device ceases to be claimed under its own lock (`struct device.mutex`) only. Whoever is
//!   about to touch the hardware takes that lock and asks [`is_claimed`](DeviceState::is_claimed).

use super::{
    domid::DomId,
    reset_state::{
        ResetState,
        Verdict, //
    },
    time::Time, //
};

/// Who holds a claimed device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    /// Nobody.
    Nobody,
    /// A domain that the toolstack is about to list: it has asked for the device's GSI, which is
    /// what it does right before it has Xen assign the device.
    Assigned,
    /// The domain that the toolstack lists it for.
    Domain(DomId),
    /// A domain whose list no longer has it, which is about to be read once more.
    Leaving(DomId),
    /// A domain that has given it back: it doesn't reach the device any more, which is being
    /// cleaned.
    Cleaning(DomId),
    /// Nobody any more: the device was released.
    Gone,
}

impl Holder {
    /// Returns the domain that holds the device, if it is known.
    pub(crate) const fn domain(self) -> Option<DomId> {
        match self {
            Self::Domain(domain) | Self::Leaving(domain) | Self::Cleaning(domain) => Some(domain),
            Self::Nobody | Self::Assigned | Self::Gone => None,
        }
    }

    /// Returns `true` if the domain may use the device: it has it, or nobody knows yet that it
    /// hasn't.
    pub(crate) fn lets_use(self, domain: DomId) -> bool {
        match self {
            Self::Domain(holder) | Self::Leaving(holder) => holder == domain,
            Self::Nobody | Self::Assigned | Self::Cleaning(_) | Self::Gone => false,
        }
    }

    /// Returns `true` if a reset for the sake of another device may reach this one: nobody has it,
    /// or it is to be reset anyway. A domain that gives one device back goes on using its others.
    pub(crate) const fn permits_reset(self) -> bool {
        matches!(self, Self::Nobody | Self::Cleaning(_))
    }

    /// Returns `true` if the device is on its way from a domain back to nobody.
    pub(crate) const fn is_leaving(self) -> bool {
        matches!(self, Self::Leaving(_) | Self::Cleaning(_))
    }
}

/// How long a device counts as [`Holder::Assigned`], in milliseconds.
///
/// Between the question for the GSI and the entry in xenstore libxl only makes hypercalls
/// (`pci_add_dm_done()` of libxl_pci.c), which takes milliseconds; and the list is read then, for
/// which at most one reset of a neighbour is waited for, ten seconds. This is more, and short
/// enough for a toolstack that failed in between and never comes back.
pub(crate) const ASSIGNED_FOR: u32 = 30_000;

/// Why an event is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Refused {
    /// The device was released.
    Gone,
    /// Another domain uses it.
    UsedBy(DomId),
    /// Its last domain has given it back, and it is being cleaned.
    Leaving,
    /// It is being reset.
    Reserved,
    /// Its state forbids it: the reset failed, or it isn't clean and only clean devices are given.
    Unclean,
}

/// What a permitted [`DeviceState::assign`] or [`DeviceState::list`] leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Permitted {
    /// Nothing.
    Plainly,
    /// Somebody should know that the device isn't clean.
    WithWarning,
    /// Only of `list`: the state forbids the device, but Xen has assigned it already. So it counts
    /// as used, and the guest isn't shown it.
    Withheld,
}

/// The state of one claimed device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DeviceState {
    holder: Holder,
    /// Of [`Holder::Assigned`]: when it ends.
    assigned_until: Time,
    /// Somebody has the right to reset it.
    reserved: bool,
    reset_state: ResetState,
    /// When the last reset ended.
    last_reset: Time,
}

impl DeviceState {
    /// A device that was just claimed; `reset_state` is what the reset in the claim made of it. If
    /// it was released `in_use`, it may still be a domain's: that is known once the lists are read.
    pub(crate) fn claimed(reset_state: ResetState, in_use: bool, now: Time) -> Self {
        let mut state = Self {
            holder: Holder::Nobody,
            assigned_until: now,
            reserved: false,
            reset_state,
            last_reset: now,
        };
        if in_use {
            state.holder = Holder::Assigned;
            state.assigned_until = now.plus_millis(ASSIGNED_FOR);
            state.soil();
        }
        state
    }

    /// Returns who holds the device.
    pub(crate) fn holder(&self, now: Time) -> Holder {
        self.at(now).holder
    }

    /// Returns the state as it is at `now`. An assignment that no list followed has ended by then,
    /// and a domain may have had the device unseen.
    fn at(mut self, now: Time) -> Self {
        if self.holder == Holder::Assigned && now >= self.assigned_until {
            self.holder = Holder::Nobody;
            self.soil();
        }
        self
    }

    /// Returns `true` until the device is released.
    pub(crate) fn is_claimed(&self) -> bool {
        self.holder != Holder::Gone
    }

    /// Returns what the last reset made of the device, or what has become of it since.
    pub(crate) fn reset_state(&self, now: Time) -> ResetState {
        self.at(now).reset_state
    }

    /// Returns `true` if a reset ended after `start`.
    pub(crate) fn was_reset_since(&self, start: Time) -> bool {
        self.last_reset > start
    }

    /// Returns whether a guest may have the device. `strict` is the administrator's wish to give
    /// away clean devices only.
    ///
    /// A domain that uses the device has it already; what keeps the device from others must not
    /// keep it from being taken away.
    pub(crate) fn verdict(&self, strict: bool, now: Time) -> Verdict {
        let state = self.at(now);
        match state.holder {
            Holder::Nobody | Holder::Assigned => state.reset_state.verdict(strict),
            Holder::Domain(_) => Verdict::Yes,
            Holder::Leaving(_) | Holder::Cleaning(_) | Holder::Gone => Verdict::No,
        }
    }

    /// The toolstack asks for the GSI: it is about to assign the device, or to take it from the
    /// domain that uses it.
    ///
    /// # Errors
    ///
    /// The reason, and nothing changes.
    pub(crate) fn assign(&mut self, strict: bool, now: Time) -> Result<Permitted, Refused> {
        *self = self.at(now);
        match self.holder {
            Holder::Gone => Err(Refused::Gone),
            Holder::Leaving(_) | Holder::Cleaning(_) => Err(Refused::Leaving),
            Holder::Domain(_) => Ok(Permitted::Plainly),
            Holder::Nobody | Holder::Assigned if self.reserved => Err(Refused::Reserved),
            Holder::Nobody | Holder::Assigned => {
                // Asked twice for one assignment (by the device model and by the toolstack), the
                // answer is the same.
                let permitted = match self.reset_state.verdict(strict) {
                    Verdict::Yes => Permitted::Plainly,
                    Verdict::WithWarning => Permitted::WithWarning,
                    Verdict::No => return Err(Refused::Unclean),
                };
                self.holder = Holder::Assigned;
                self.assigned_until = now.plus_millis(ASSIGNED_FOR);
                Ok(permitted)
            }
        }
    }

    /// Returns `Ok` if [`list`](Self::list) would succeed.
    ///
    /// # Errors
    ///
    /// As for `list`.
    pub(crate) fn may_list(&self, domain: DomId) -> Result<(), Refused> {
        match self.holder {
            Holder::Gone => Err(Refused::Gone),
            Holder::Leaving(_) | Holder::Cleaning(_) => Err(Refused::Leaving),
            Holder::Domain(other) if other != domain => Err(Refused::UsedBy(other)),
            Holder::Domain(_) | Holder::Nobody | Holder::Assigned => Ok(()),
        }
    }

    /// The toolstack lists the device as `domain`'s. The caller holds the device's reservation, so
    /// no reset is under way.
    ///
    /// # Errors
    ///
    /// The reason, and nothing changes. An unclean device is no reason: Xen and the toolstack have
    /// given it away.
    pub(crate) fn list(
        &mut self,
        domain: DomId,
        strict: bool,
        now: Time,
    ) -> Result<Permitted, Refused> {
        self.may_list(domain)?;
        *self = self.at(now);
        let permitted = match self.verdict(strict, now) {
            Verdict::Yes => Permitted::Plainly,
            Verdict::WithWarning => Permitted::WithWarning,
            Verdict::No => Permitted::Withheld,
        };
        self.holder = Holder::Domain(domain);
        self.soil();
        Ok(permitted)
    }

    /// The domain's list has the device no longer. It is to be [cleaned](Self::begin_cleaning), or
    /// to [stay](Self::stay) after all. Returns `true` if the device was that domain's.
    pub(crate) fn begin_leaving(&mut self, domain: DomId) -> bool {
        let was = self.holder == Holder::Domain(domain);
        if was {
            self.holder = Holder::Leaving(domain);
            self.soil();
        }
        was
    }

    /// The list has the device again before anything was done to it: it stays the domain's. Returns
    /// `true` if it was leaving that domain.
    pub(crate) fn stay(&mut self, domain: DomId) -> bool {
        let was = self.holder == Holder::Leaving(domain);
        if was {
            self.holder = Holder::Domain(domain);
            self.soil();
        }
        was
    }

    /// The domain doesn't reach the device any more, which is about to be cleaned. Returns `true`
    /// if it was leaving that domain.
    pub(crate) fn begin_cleaning(&mut self, domain: DomId) -> bool {
        let was = self.holder == Holder::Leaving(domain);
        if was {
            self.holder = Holder::Cleaning(domain);
        }
        was
    }

    /// The device that the domain gave back is as clean as it gets. Returns `true` if it was being
    /// cleaned after that domain, and is nobody's now.
    pub(crate) fn left(&mut self, domain: DomId) -> bool {
        let was = self.holder == Holder::Cleaning(domain);
        if was {
            self.holder = Holder::Nobody;
        }
        was
    }

    /// Takes the right to reset the device; `false` if somebody has it.
    pub(crate) fn reserve(&mut self) -> bool {
        !core::mem::replace(&mut self.reserved, true)
    }

    /// Ends a reservation.
    pub(crate) fn unreserve(&mut self) {
        self.reserved = false;
    }

    /// Somebody asks for a reset of the device, possible or not. So its toolstack takes the device
    /// back or begins anew, and a domain that was not listed yet may have had it.
    pub(crate) fn reset_requested(&mut self, now: Time) {
        *self = self.at(now);
        if self.holder == Holder::Assigned {
            self.soil();
        }
    }

    /// A reset has ended. The caller holds the reservation or the device's lock.
    ///
    /// A device that a domain uses, or may be using unseen, is soiled at once.
    pub(crate) fn was_reset(&mut self, reset_state: ResetState, now: Time) {
        *self = self.at(now);
        self.last_reset = now;
        self.reset_state = reset_state;
        if matches!(self.holder, Holder::Assigned | Holder::Domain(_)) {
            self.soil();
        }
    }

    /// The hardware has reported an error. That is no reset.
    pub(crate) fn failed(&mut self) {
        self.reset_state = ResetState::Failed;
    }

    /// The device is released. Returns who held it until now. (A domain that is leaving doesn't
    /// reach it any more.)
    pub(crate) fn release(&mut self, now: Time) -> Holder {
        let holder = self.at(now).holder;
        self.holder = Holder::Gone;
        holder
    }

    /// A domain has, or had, the device, which is no longer as its last reset left it. If that
    /// reset failed, the device stays failed.
    fn soil(&mut self) {
        if self.reset_state != ResetState::Failed {
            self.reset_state = ResetState::Used;
        }
    }
}

#[cfg(test)]
#[path = "device_state_tests.rs"]
mod tests;
