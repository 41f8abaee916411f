// SPDX-License-Identifier: GPL-2.0

//! Backends on xenbus: devices that the toolstack describes in xenstore and a driver here serves.
//!
//! [`BackendRegistration`] registers a [`BackendDriver`], which gets a [`XenbusDevice`] for each
//! device. [`store`] reads and writes xenstore, [`watch`] reports changes in it, and [`ready`] its
//! start. [`RingPage`] and [`EventChannel`] are what is shared with a frontend.
//!
//! C header: [`include/xen/xenbus.h`](srctree/include/xen/xenbus.h)

mod device;
mod driver;
mod event_channel;
mod raw;
pub(crate) mod ready;
mod ring_page;
pub(crate) mod store;
pub(crate) mod watch;

pub(crate) use self::{
    device::XenbusDevice,
    driver::{
        BackendDriver,
        BackendRegistration, //
    },
    event_channel::{
        EventChannel,
        EventHandler, //
    },
    ring_page::RingPage, //
};
