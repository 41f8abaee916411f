// SPDX-License-Identifier: GPL-2.0

//! What is known of a claimed device.

use super::{
    aer::AerState,
    messages::Messages,
    record::{
        KernelReset,
        ResetRecord, //
    },
    reset_methods::was_offered_method,
    saved_state::SavedState,
    settings::Settings, //
};
use crate::{
    kapi::{
        clock,
        pci::{
            DeviceExt,
            Header,
            Locked, //
        },
        xen::{
            self,
            Dom0,
            DomainOwner, //
        },
    },
    params::STRICT_RESET,
    pure::{
        device_state::{
            DeviceState,
            Holder, //
        },
        domid::DomId,
        guest_interrupts::Interrupts,
        reset_plan::{
            Rung,
            Rungs, //
        },
        reset_state::Verdict,
        sbdf::Sbdf,
        time::Time, //
    },
};
use kernel::{
    pci,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        CondVar,
        CondVarTimeoutResult,
        Mutex,
        SpinLock, //
    },
    time::Jiffies, //
};

/// A claimed device, from the end of its claim to its release.
///
/// Shared by the driver core (through `Claim`) and by those who looked it up. Whoever is about to
/// touch the device itself takes its lock and looks it up again.
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
    /// Whether the kernel offered a reset method when it found the device. If it did and none is
    /// listed now, the administrator has emptied the list.
    pub(crate) was_offered_method: bool,
    /// The configuration as it was when the device was claimed.
    pub(crate) saved: SavedState,
    #[pin]
    pub(super) books: SpinLock<Books>,
    /// Notified when a reservation ends, and when a domain has left.
    #[pin]
    pub(super) ended: CondVar,
    warned: Atomic<bool>,
    /// What the administrator allows the guest that uses it.
    #[pin]
    pub(crate) settings: Settings,
    /// What is remembered of its errors (AER).
    #[pin]
    pub(crate) aer: AerState,
    /// The kernel's own reset of it that is under way.
    #[pin]
    pub(crate) kernels_reset: Mutex<Option<KernelReset>>,
    /// What it sends to a PV guest.
    #[pin]
    pub(super) messages: Mutex<Messages>,
    /// The entry in the kernel's list of devices that domains use.
    #[pin]
    pub(super) owner: Mutex<Option<DomainOwner>>,
}

/// What changes while a device is claimed. Under its lock nothing sleeps: privcmd asks with
/// preemption off.
pub(super) struct Books {
    pub(super) state: DeviceState,
    last: ResetRecord,
    unproven: Rungs,
    /// The last domain that used the device since its claim.
    pub(super) last_user: Option<DomId>,
}

impl Claimed {
    /// Collects what a claim found out. `in_use`: the device was released while a domain used it.
    pub(crate) fn new<'a>(
        locked: &'a Locked<'a>,
        dom0: Dom0,
        interrupts: Interrupts,
        saved: SavedState,
        last: ResetRecord,
        unproven: Rungs,
        in_use: bool,
    ) -> impl PinInit<Self> + use<'a> {
        let device = locked.device();
        let sbdf = device.sbdf();
        let books = Books {
            state: DeviceState::claimed(last.state, in_use, clock::now()),
            last,
            unproven,
            last_user: None,
        };
        pin_init!(Self {
            device: device.into(),
            sbdf,
            dom0,
            interrupts,
            was_offered_method: was_offered_method(locked),
            saved,
            books <- kernel::new_spinlock!(books),
            ended <- kernel::new_condvar!(),
            warned: Atomic::new(false),
            settings <- Settings::new(),
            messages <- kernel::new_mutex!(Messages::NONE),
            owner <- kernel::new_mutex!(None),
            aer <- AerState::new(),
            kernels_reset <- kernel::new_mutex!(None),
        })
    }

    /// Returns `true` if this is an endpoint: bridges are claimed but not touched.
    pub(crate) fn is_endpoint(&self) -> bool {
        self.device.header() == Header::Normal
    }

    /// Returns who holds the device.
    ///
    /// The kernel's list of devices that domains use counts too: an entry that this driver didn't
    /// make is a use all the same.
    pub(crate) fn holder(&self) -> Holder {
        let holder = self.books.lock().state.holder(clock::now());
        match holder {
            Holder::Nobody => xen::domain_of(&self.device).map_or(Holder::Nobody, Holder::Domain),
            holder => holder,
        }
    }

    /// Returns `true` if the domain may use the device now. The caller holds the device's lock, so
    /// that no reset is under way.
    pub(crate) fn lets_use(&self, domain: DomId) -> bool {
        let books = self.books.lock();
        books.state.holder(clock::now()).lets_use(domain)
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
            state: books.state.reset_state(now),
            ..books.last
        }
    }

    /// Returns the record of the last reset if that ended after `start`. It says what the reset
    /// made of the device, whatever the device is now.
    pub(crate) fn reset_since(&self, start: Time) -> Option<ResetRecord> {
        let books = self.books.lock();
        books.state.was_reset_since(start).then_some(books.last)
    }

    /// Returns the rungs that were seen to reset nothing.
    pub(crate) fn unproven(&self) -> Rungs {
        self.books.lock().unproven
    }

    /// Records a reset that was carried out, whatever came of it. The caller holds the device's
    /// lock.
    pub(crate) fn record(&self, reset: ResetRecord) {
        let now = clock::now();
        let mut books = self.books.lock();
        books.state.was_reset(reset.state, now);
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

    /// Waits until nobody has the right to reset the device, and takes it. Returns what is left of
    /// the patience. For [`Reservation`](super::reservation::Reservation).
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
    pub(super) fn wait(
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
    pub(crate) fn release(&self) -> Holder {
        let now = clock::now();
        let mut owner = self.owner.lock();
        let holder = self.books.lock().state.release(now);
        *owner = None;
        self.ended.notify_all();
        holder
    }

    /// Returns `true` if this is the first time that somebody is to be warned of the device's
    /// state.
    pub(crate) fn first_warning(&self) -> bool {
        !self.warned.xchg(true, Relaxed)
    }
}
