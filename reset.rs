// SPDX-License-Identifier: GPL-2.0

//! Resetting devices.
//!
//! So far by function-level reset only: [`function_level`] runs one on a device whose driver lock
//! is held, [`request`] does so for a claimed device on behalf of the `reset_device` attribute.

#![deny(unsafe_code)]

pub(crate) mod function_level;
pub(crate) mod record;
pub(crate) mod request;
