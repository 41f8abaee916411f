// SPDX-License-Identifier: GPL-2.0

//! The domain that a claimed device is assigned to, from the moment that the toolstack asks for the
//! device until the domain has given it back.

use super::claimed::Claimed;
use crate::{
    kapi::{
        clock,
        xen::DomainOwner, //
    },
    params::STRICT_RESET,
    pure::{
        device_state::{
            Permitted,
            Refused, //
        },
        domid::DomId, //
    },
};
use kernel::{
    prelude::*,
    time::msecs_to_jiffies, //
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

/// The longest that anybody waits for a guest's use to end, in milliseconds. The kernel gives a
/// device a minute to come back from a reset (`PCIE_RESET_READY_POLL_MS`, drivers/pci/pci.h); then
/// the next rung is tried, and the next.
const LEAVING_PATIENCE: u32 = 200_000;

impl Claimed {
    /// The toolstack asks for the device's GSI, see `DeviceState::assign`. Doesn't sleep.
    ///
    /// # Errors
    ///
    /// The reason.
    pub(crate) fn assign(&self) -> Result<Permitted, Refused> {
        let now = clock::now();
        let mut books = self.books.lock();
        books.state.assign(STRICT_RESET.is_on(), now)
    }

    /// The toolstack lists the device as the domain's, see `DeviceState::list`. The caller holds
    /// the device's [`Reservation`](super::reservation::Reservation) and its lock.
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
                DomainOwner::enter(&self.device, domain)?
            }
        };
        // The entry takes memory, which can't be had under the spinlock of the books. The state may
        // have changed meanwhile, so it is asked again.
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

    /// The domain no longer reaches the device, which is about to be cleaned.
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
    /// - `EAGAIN`: it takes too long.
    /// - `ERESTARTSYS`: a signal came first.
    pub(crate) fn wait_left(&self) -> Result {
        self.wait(msecs_to_jiffies(LEAVING_PATIENCE), |state| {
            !state.holder(clock::now()).is_leaving()
        })
        .map(drop)
    }
}
