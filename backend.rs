// SPDX-License-Identifier: GPL-2.0

//! The side of guests: the xenbus backend `pci`, by which the toolstack says which devices a guest
//! has, see Documentation/guests.md.
//!
//! All [`guests`] are known by their directories. When something changes, a [`guest`] is scheduled
//! on the [`queue`]. Then [`reconcile`] reads the toolstack's [`listing`], [`attach`]es what was
//! added to it and [`detach`]es what was removed. An [`export`] is a device that a guest uses; when
//! the guest or the toolstack is done with it, [`give_back`] cleans it.
//!
//! A PV guest, or a Linux stub domain, has a [`frontend`] too. What it asks for is done to a
//! [`function`]. See Documentation/pv-frontends.md.

#![deny(unsafe_code)]

mod aer_notify;
mod attach;
mod detach;
mod export;
mod frontend;
mod function;
mod give_back;
mod guest;
mod guests;
mod listing;
mod queue;
mod reconcile;
mod refusal;
mod store;

pub(crate) use self::{
    aer_notify::aer_notify,
    guests::schedule_all,
    reconcile::settle, //
};

use self::{
    guest::Guest,
    guests::GuestTable,
    queue::BackendQueue,
    store::Listening, //
};
use crate::kapi::xenbus::BackendRegistration;
use kernel::{
    prelude::*,
    ThisModule, //
};

/// The backend's life: within that of the driver.
#[pin_data]
pub(crate) struct Backend {
    #[pin]
    _listening: Listening,
    #[pin]
    _registration: BackendRegistration<Guest>,
    // After the registration, whose end leaves devices to be given back.
    _queue: BackendQueue,
    // After the queue: its work asks for guests.
    _guests: GuestTable,
}

impl Backend {
    /// Registers the backend, and connects the guests that are there already.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    /// - `EBUSY`: another backend has the name.
    pub(crate) fn new(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _guests: GuestTable::open(),
            _queue: BackendQueue::new()?,
            _registration <- BackendRegistration::new(module),
            _listening <- Listening::new(),
        })
    }
}

/// Initialises the locks of this part, before anything else is called.
pub(crate) fn init_locks() {
    guests::init_locks();
    queue::init_locks();
    store::init_locks();
}
