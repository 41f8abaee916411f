// SPDX-License-Identifier: GPL-2.0

//! What is known of claimed devices, and of the slots whose devices are to be claimed.
//!
//! [`claimed`] is one device, [`assignment`] the domain that has it, [`registry`] all devices,
//! [`slots`] the list, and [`backend_domain`] knows devices that are no hardware. [`saved_state`],
//! [`bridge_state`], [`enabled`] and [`canary`] are what is kept of a device's registers, and how
//! it is put back; [`msix`] is where it has its MSI-X table. [`messages`] are what a PV guest gets
//! of a device, by its [`sender`]; [`intx`] is dom0's part in its pin.
//!
//! Nothing here acts on its own: the callbacks of the driver core in [`crate::stub`], guests in
//! [`crate::backend`] and resets in [`crate::reset`] ask for it.

#![deny(unsafe_code)]

pub(crate) mod aer;
pub(crate) mod assignment;
mod ats;
pub(crate) mod backend_domain;
mod bars;
pub(crate) mod bridge_state;
pub(crate) mod canary;
pub(crate) mod claimed;
pub(crate) mod command;
pub(crate) mod config_effects;
pub(crate) mod enabled;
mod fmt;
pub(crate) mod intx;
mod intx_line;
pub(crate) mod messages;
pub(crate) mod msix;
pub(crate) mod ordered_log;
pub(crate) mod pm;
mod power;
mod ready;
pub(crate) mod record;
pub(crate) mod registry;
pub(crate) mod reservation;
pub(crate) mod reset_methods;
pub(crate) mod saved_state;
pub(crate) mod sender;
pub(crate) mod settings;
pub(crate) mod slots;
pub(crate) mod workers;

use core::ffi::CStr;

/// The driver's name, which the toolstacks look for.
pub(crate) const NAME: &CStr = c"pciback";
