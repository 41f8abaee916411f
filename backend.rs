// SPDX-License-Identifier: GPL-2.0

//! The side of guests: the xenbus backend `pci`, by which the toolstack says which devices a guest
//! has, see Documentation/backend.md.
//!
//! All [`guests`] are known by their directories. A [`guest`] reads the toolstack's [`listing`], and
//! for each device makes an [`export`]; when the guest or the toolstack is done with it,
//! [`give_back`] cleans it.

#![deny(unsafe_code)]

mod export;
mod give_back;
mod guest;
mod guests;
mod listing;
mod queue;
mod store;
mod taken_away;

pub(crate) use self::{
    guests::{reconcile_all, settle},
    taken_away::taken_away,
};

use self::{guest::Guest, queue::Workers, store::Listening};
use crate::kapi::xenbus::Registration;
use kernel::{prelude::*, ThisModule};

/// The backend's life: within that of the driver.
#[pin_data]
pub(crate) struct Backend {
    #[pin]
    _listening: Listening,
    #[pin]
    _registration: Registration<Guest>,
    // After the registration, whose end leaves devices to be given back.
    _workers: Workers,
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
            _workers: Workers::new()?,
            _registration <- Registration::new(module),
            _listening <- Listening::new(),
        })
    }
}

/// Does what nobody would ask for once more, and again where it fails: there may be memory the next
/// time.
///
/// # Errors
///
/// - Those of `action`, the third time.
fn insist<T>(mut action: impl FnMut() -> Result<T>) -> Result<T> {
    const TRIES: usize = 3;
    let mut result = action();
    for _ in 1..TRIES {
        if result.is_ok() {
            break;
        }
        result = action();
    }
    result
}
