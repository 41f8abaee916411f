// SPDX-License-Identifier: GPL-2.0

//! Backends on xenbus: devices that the toolstack describes in xenstore and a driver here serves.
//!
//! [`BackendRegistration`] registers a [`BackendDriver`], which gets a [`XenbusDevice`] for each
//! device. [`store`] reads and writes xenstore, [`watch`] reports changes in it, and [`ready`] its
//! start.
//!
//! C header: [`include/xen/xenbus.h`](srctree/include/xen/xenbus.h)

mod device;
mod driver;
mod raw;
pub(crate) mod ready;
pub(crate) mod store;
pub(crate) mod watch;

pub(crate) use self::{
    device::XenbusDevice,
    driver::{
        BackendDriver,
        BackendRegistration, //
    },
};
