// SPDX-License-Identifier: GPL-2.0

//! What is known of a claimed device.

use super::settings::Settings;
use crate::{
    kapi::{
        pci::{DeviceExt, Header, Neighbour, SavedState},
        xen::{Dom0, Owner},
    },
    pure::{
        cleanness::Cleanness,
        domid::DomId,
        reset_plan::{Rung, Rungs},
        sbdf::Sbdf,
    },
    reset::record::ResetRecord,
};
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{
    pci,
    prelude::*,
    sync::{aref::ARef, CondVar, CondVarTimeoutResult, Mutex, SpinLock},
    time::{msecs_to_jiffies, Delta, Instant, Monotonic},
};

/// A claimed device, from the end of its claim to its release.
///
/// Shared by the driver core (through [`Claim`](super::claim::Claim)) and by whoever looked it up;
/// who wants to touch the device itself takes its lock and looks it up again.
#[pin_data]
pub(crate) struct Claimed {
    /// The device.
    pub(crate) device: ARef<pci::Device>,
    /// Its address.
    pub(crate) sbdf: Sbdf,
    /// The kind of dom0 that we are in.
    pub(crate) dom0: Dom0,
    /// The GSI that its legacy interrupt pin reaches, if any.
    pub(crate) gsi: Option<u32>,
    /// Whether the kernel offered a reset method when it found the device: if none is listed any
    /// more, the administrator emptied the list.
    pub(crate) was_offered_method: bool,
    /// The configuration as it was when the device was claimed.
    pub(crate) state: SavedState,
    #[pin]
    history: SpinLock<History>,
    /// Whether somebody holds a [`Reservation`](crate::reset::reservation::Reservation) of it.
    #[pin]
    pub(crate) reserved: Mutex<bool>,
    /// Notified when that ends.
    #[pin]
    pub(crate) unreserved: CondVar,
    warned: AtomicBool,
    /// What the administrator allows the guest that uses it.
    #[pin]
    pub(crate) settings: Settings,
    #[pin]
    user: Mutex<User>,
    /// Notified when a domain has left.
    #[pin]
    left: CondVar,
}

/// Who uses a claimed device.
enum User {
    /// Nobody.
    Nobody,
    /// A domain.
    Domain {
        /// The entry in the kernel's books that says so.
        owner: Owner,
        /// It has given the device back, which is being cleaned.
        leaving: bool,
    },
    /// It was released: nobody, and nobody can any more.
    Released,
}

/// The resets since the claim.
#[derive(Clone, Copy)]
struct History {
    last: ResetRecord,
    at: Instant<Monotonic>,
    unproven: Rungs,
}

impl Claimed {
    /// Puts together what a claim found out.
    pub(crate) fn new(
        device: &pci::Device,
        dom0: Dom0,
        gsi: Option<u32>,
        state: SavedState,
        last: ResetRecord,
        unproven: Rungs,
    ) -> impl PinInit<Self> + use<'_> {
        let sbdf = device.sbdf();
        let history = History {
            last,
            at: Instant::now(),
            unproven,
        };
        pin_init!(Self {
            device: device.into(),
            sbdf,
            dom0,
            gsi,
            was_offered_method: device.was_offered_method(),
            state,
            history <- kernel::new_spinlock!(history),
            reserved <- kernel::new_mutex!(false),
            unreserved <- kernel::new_condvar!(),
            warned: AtomicBool::new(false),
            settings <- Settings::new(),
            user <- kernel::new_mutex!(User::Nobody),
            left <- kernel::new_condvar!(),
        })
    }

    /// Tells whether this is an endpoint: bridges are claimed but not touched.
    pub(crate) fn is_endpoint(&self) -> bool {
        self.device.header() == Header::Normal
    }

    /// Returns what is known of the last reset.
    pub(crate) fn last_reset(&self) -> ResetRecord {
        self.history.lock().last
    }

    /// Returns what is known of the last reset if it ended after `start`.
    pub(crate) fn reset_since(&self, start: Instant<Monotonic>) -> Option<ResetRecord> {
        let history = *self.history.lock();
        ((history.at - start) > Delta::ZERO).then_some(history.last)
    }

    /// Returns what was seen to reset nothing.
    pub(crate) fn unproven(&self) -> Rungs {
        self.history.lock().unproven
    }

    /// Records a reset.
    pub(crate) fn record(&self, reset: ResetRecord) {
        let at = Instant::now();
        let mut history = self.history.lock();
        history.last = reset;
        history.at = at;
    }

    /// Records that a rung reset nothing.
    pub(crate) fn disprove(&self, rung: Rung) {
        self.history.lock().unproven.insert(rung);
    }

    /// Notes that a guest has, or had, the device: it isn't what the last reset left any more. (One
    /// whose reset failed stays failed.)
    pub(crate) fn dirtied(&self) {
        let last = self.last_reset();
        if last.cleanness != Cleanness::Failed {
            self.record(ResetRecord {
                cleanness: Cleanness::Used,
                ..last
            });
        }
    }

    /// Enters a domain as the user of the device. Whoever calls this holds the device's
    /// [`Reservation`](crate::reset::reservation::Reservation), so no reset is under way.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: a domain uses it.
    /// - `ENODEV`: it was released.
    /// - `ENOMEM`: no memory.
    pub(crate) fn enter_user(&self, domain: DomId) -> Result {
        let mut user = self.user.lock();
        match *user {
            User::Nobody => {
                *user = User::Domain {
                    owner: Owner::enter(&self.device, domain)?,
                    leaving: false,
                };
                Ok(())
            }
            User::Domain { .. } => Err(EBUSY),
            User::Released => Err(ENODEV),
        }
    }

    /// Notes that the user has given the device back. It still counts as the user's.
    pub(crate) fn begin_leaving(&self) {
        if let User::Domain { leaving, .. } = &mut *self.user.lock() {
            *leaving = true;
        }
    }

    /// Takes the user out.
    pub(crate) fn leave_user(&self) {
        let mut user = self.user.lock();
        if matches!(*user, User::Domain { .. }) {
            *user = User::Nobody;
            self.left.notify_all();
        }
    }

    /// Waits until a user that has given the device back has left.
    ///
    /// # Errors
    ///
    /// - `EAGAIN`: it takes more than `patience` milliseconds.
    pub(crate) fn wait_left(&self, patience: u32) -> Result {
        let mut user = self.user.lock();
        let mut patience = msecs_to_jiffies(patience);
        while matches!(*user, User::Domain { leaving: true, .. }) {
            patience = match self.left.wait_interruptible_timeout(&mut user, patience) {
                CondVarTimeoutResult::Woken { jiffies } => jiffies,
                CondVarTimeoutResult::Signal { .. } | CondVarTimeoutResult::Timeout => {
                    return Err(EAGAIN)
                }
            };
        }
        Ok(())
    }

    /// Ends all use, for good. Returns the domain that used the device until now.
    pub(super) fn end_use(&self) -> Option<DomId> {
        let user = core::mem::replace(&mut *self.user.lock(), User::Released);
        self.left.notify_all();
        match user {
            // A guest that has given it back doesn't reach it any more.
            User::Domain { owner, leaving } => (!leaving).then(|| owner.domain()),
            User::Nobody | User::Released => None,
        }
    }

    /// Tells whether this is the first time that somebody is to be warned of the device's state.
    pub(crate) fn first_warning(&self) -> bool {
        !self.warned.swap(true, Ordering::Relaxed)
    }
}
