// SPDX-License-Identifier: GPL-2.0

//! What is known of a claimed device.

use super::{aer::Errors, settings::Settings};
use crate::{
    kapi::{
        clock,
        pci::{DeviceExt, Header, Neighbour, SavedState},
        xen::{self, Dom0, Owner},
    },
    pure::{
        cleanness::Verdict,
        device_state::{DeviceState, Holder, Permitted, Refused},
        domid::DomId,
        guest_interrupts::Interrupts,
        reset_plan::{Rung, Rungs},
        sbdf::Sbdf,
        time::Time,
    },
    reset::{kernels::UnderWay, record::ResetRecord},
    STRICT_RESET,
};
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{
    pci,
    prelude::*,
    sync::{aref::ARef, CondVar, CondVarTimeoutResult, Mutex, SpinLock},
    time::{msecs_to_jiffies, Jiffies},
};

/// Why a device was not listed.
pub(crate) enum NotListed {
    /// Its state doesn't permit it.
    Refused(Refused),
    /// It can't be entered in the kernel's list.
    Failed(Error),
}

impl From<Refused> for NotListed {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Error> for NotListed {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

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
    /// Its interrupts.
    pub(crate) interrupts: Interrupts,
    /// Whether the kernel offered a reset method when it found the device: if none is listed any
    /// more, the administrator emptied the list.
    pub(crate) was_offered_method: bool,
    /// The configuration as it was when the device was claimed.
    pub(crate) saved: SavedState,
    #[pin]
    books: SpinLock<Books>,
    /// Notified when a reservation ends, and when a domain has left.
    #[pin]
    ended: CondVar,
    warned: AtomicBool,
    /// What the administrator allows the guest that uses it.
    #[pin]
    pub(crate) settings: Settings,
    /// What is remembered of its errors (AER).
    #[pin]
    pub(crate) errors: Errors,
    /// The kernel's own reset of it that is under way.
    #[pin]
    pub(crate) kernels_reset: Mutex<Option<UnderWay>>,
    /// The entry in the kernel's list of devices that domains use.
    #[pin]
    owner: Mutex<Option<Owner>>,
}

/// What changes while a device is claimed. Under its lock nothing sleeps: privcmd asks with
/// preemption off.
struct Books {
    state: DeviceState,
    last: ResetRecord,
    unproven: Rungs,
    /// The last domain that used the device since its claim.
    last_user: Option<DomId>,
}

impl Claimed {
    /// Puts together what a claim found out. `in_use`: it was released while a domain used it.
    pub(crate) fn new(
        device: &pci::Device,
        dom0: Dom0,
        interrupts: Interrupts,
        saved: SavedState,
        last: ResetRecord,
        unproven: Rungs,
        in_use: bool,
    ) -> impl PinInit<Self> + use<'_> {
        let sbdf = device.sbdf();
        let books = Books {
            state: DeviceState::claimed(last.cleanness, in_use, clock::now()),
            last,
            unproven,
            last_user: None,
        };
        pin_init!(Self {
            device: device.into(),
            sbdf,
            dom0,
            interrupts,
            was_offered_method: device.was_offered_method(),
            saved,
            books <- kernel::new_spinlock!(books),
            ended <- kernel::new_condvar!(),
            warned: AtomicBool::new(false),
            settings <- Settings::new(),
            owner <- kernel::new_mutex!(None),
            errors <- Errors::new(),
            kernels_reset <- kernel::new_mutex!(None),
        })
    }

    /// Tells whether this is an endpoint: bridges are claimed but not touched.
    pub(crate) fn is_endpoint(&self) -> bool {
        self.device.header() == Header::Normal
    }

    /// Returns who holds the device.
    ///
    /// The kernel's list of devices that domains use is asked as well: an entry that isn't of this
    /// driver is somebody's use all the same.
    pub(crate) fn holder(&self) -> Holder {
        let holder = self.books.lock().state.holder(clock::now());
        match holder {
            Holder::Nobody => xen::domain_of(&self.device).map_or(Holder::Nobody, Holder::Domain),
            holder => holder,
        }
    }

    /// Returns whether a guest may have the device.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.holder() {
            Holder::Domain(_) => Verdict::Yes,
            _ => {
                let now = clock::now();
                self.books.lock().state.verdict(STRICT_RESET.is_on(), now)
            }
        }
    }

    /// Returns what is known of the last reset, and what the device is now.
    pub(crate) fn last_reset(&self) -> ResetRecord {
        let now = clock::now();
        let books = self.books.lock();
        ResetRecord {
            cleanness: books.state.reset_state(now),
            ..books.last
        }
    }

    /// Returns what is known of the last reset if it ended after `start`: what it made of the
    /// device, whatever the device is now.
    pub(crate) fn reset_since(&self, start: Time) -> Option<ResetRecord> {
        let books = self.books.lock();
        books.state.was_reset_since(start).then_some(books.last)
    }

    /// Returns what was seen to reset nothing.
    pub(crate) fn unproven(&self) -> Rungs {
        self.books.lock().unproven
    }

    /// Records a reset that was carried out, whatever came of it. The caller holds the device's
    /// lock.
    pub(crate) fn record(&self, reset: ResetRecord) {
        let now = clock::now();
        let mut books = self.books.lock();
        books.state.was_reset(reset.cleanness, now);
        books.last = reset;
    }

    /// Records that a reset came to nothing before it touched the device.
    pub(crate) fn record_not_begun(&self, by: Rung, error: Error) {
        let mut books = self.books.lock();
        books.state.failed();
        books.last = ResetRecord::failed(by, error);
    }

    /// Records an error of the hardware: the device has failed. That is no reset, so it doesn't
    /// count in [`reset_since`](Self::reset_since).
    pub(crate) fn record_error(&self, error: Error) {
        let mut books = self.books.lock();
        books.state.failed();
        books.last.error = Some(error);
    }

    /// Records that a rung reset nothing.
    pub(crate) fn disprove(&self, rung: Rung) {
        self.books.lock().unproven.insert(rung);
    }

    /// The toolstack asks for the device's GSI, see [`DeviceState::assign`]. Doesn't sleep.
    ///
    /// # Errors
    ///
    /// The reason.
    pub(crate) fn assign(&self) -> Result<Permitted, Refused> {
        let now = clock::now();
        let mut books = self.books.lock();
        books.state.assign(STRICT_RESET.is_on(), now)
    }

    /// The toolstack lists the device as the domain's, see [`DeviceState::list`]. The caller holds
    /// the device's [`Reservation`](crate::reset::reservation::Reservation) and its lock.
    ///
    /// # Errors
    ///
    /// - `Refused`: the reason, in [`NotListed::Refused`].
    /// - `EBUSY`: the kernel's list says that another domain uses it.
    /// - `ENOMEM`: no memory.
    pub(crate) fn list(&self, domain: DomId) -> Result<Permitted, NotListed> {
        let mut owner = self.owner.lock();
        self.books.lock().state.may_list(domain)?;
        let entry = match owner.take() {
            Some(entry) if entry.domain() == domain => entry,
            other => {
                drop(other);
                Owner::enter(&self.device, domain)?
            }
        };
        // The entry needs memory, and the lock of the books can't be held for that: so the state is
        // asked again.
        let (strict, now) = (STRICT_RESET.is_on(), clock::now());
        let mut books = self.books.lock();
        let permitted = books.state.list(domain, strict, now)?;
        books.last_user = Some(domain);
        drop(books);
        *owner = Some(entry);
        Ok(permitted)
    }

    /// Returns the last domain that used the device since its claim.
    pub(crate) fn last_user(&self) -> Option<DomId> {
        self.books.lock().last_user
    }

    /// The domain gives the device back. Returns `true` if the device was the domain's.
    pub(crate) fn begin_leaving(&self, domain: DomId) -> bool {
        self.books.lock().state.begin_leaving(domain)
    }

    /// The domain doesn't reach the device any more, which is about to be cleaned.
    pub(crate) fn begin_cleaning(&self, domain: DomId) {
        self.books.lock().state.begin_cleaning(domain);
    }

    /// The device is still the domain's after all.
    pub(crate) fn stay(&self, domain: DomId) {
        if self.books.lock().state.stay(domain) {
            self.ended.notify_all();
        }
    }

    /// The domain has left.
    pub(crate) fn left(&self, domain: DomId) {
        let mut owner = self.owner.lock();
        if self.books.lock().state.left(domain) {
            *owner = None;
            self.ended.notify_all();
        }
    }

    /// Waits until a domain that has given the device back has left.
    ///
    /// # Errors
    ///
    /// - `EAGAIN`: it takes more than `patience` milliseconds.
    /// - `ERESTARTSYS`: a signal came first.
    pub(crate) fn wait_left(&self, patience: u32) -> Result {
        self.wait(msecs_to_jiffies(patience), |state| {
            !state.holder(clock::now()).is_leaving()
        })
        .map(drop)
    }

    /// Waits until nobody has the right to reset the device, and takes it. Returns what is left of
    /// the patience. For [`Reservation`](crate::reset::reservation::Reservation).
    ///
    /// # Errors
    ///
    /// - `EAGAIN`: the patience has ended.
    /// - `ERESTARTSYS`: a signal came first.
    pub(crate) fn reserve(&self, patience: Jiffies) -> Result<Jiffies> {
        self.wait(patience, DeviceState::reserve)
    }

    /// Somebody asks for a reset of the device.
    pub(crate) fn reset_requested(&self) {
        let now = clock::now();
        self.books.lock().state.reset_requested(now);
    }

    /// Gives the right to reset the device back.
    pub(crate) fn unreserve(&self) {
        self.books.lock().state.unreserve();
        self.ended.notify_all();
    }

    /// Waits until `ready` says so. Returns what is left of the patience.
    ///
    /// # Errors
    ///
    /// - As for [`reserve`](Self::reserve).
    fn wait(
        &self,
        mut patience: Jiffies,
        ready: impl Fn(&mut DeviceState) -> bool,
    ) -> Result<Jiffies> {
        let mut books = self.books.lock();
        while !ready(&mut books.state) {
            if patience == 0 {
                return Err(EAGAIN);
            }
            patience = match self.ended.wait_interruptible_timeout(&mut books, patience) {
                CondVarTimeoutResult::Woken { jiffies } => jiffies,
                CondVarTimeoutResult::Signal { .. } => return Err(ERESTARTSYS),
                CondVarTimeoutResult::Timeout => 0,
            };
        }
        Ok(patience)
    }

    /// Returns `true` until the device is released. Only the holder of the device's lock can rely
    /// on it.
    pub(crate) fn is_claimed(&self) -> bool {
        self.books.lock().state.is_claimed()
    }

    /// The device is released. Returns who held it until now.
    pub(super) fn release(&self) -> Holder {
        let now = clock::now();
        let mut owner = self.owner.lock();
        let holder = self.books.lock().state.release(now);
        *owner = None;
        self.ended.notify_all();
        holder
    }

    /// Tells whether this is the first time that somebody is to be warned of the device's state.
    pub(crate) fn first_warning(&self) -> bool {
        !self.warned.swap(true, Ordering::Relaxed)
    }
}
