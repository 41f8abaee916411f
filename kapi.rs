// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers for what the `kernel` crate lacks.
//!
//! This is the only part of the driver that may contain `unsafe` code; the rest denies it. A
//! wrapper offers an API that cannot be misused from safe code, or takes a token (such as
//! [`pci::Locked`]) that proves what the C function demands. It decides nothing: what is done with
//! it is decided in [`crate::device`] and above.
//!
//! What keeps a wrapper from the `kernel` crate is marked by `UPSTREAM(code)`.

pub(crate) mod acpi;
pub(crate) mod attr;
pub(crate) mod clock;
pub(crate) mod compat;
pub(crate) mod device_file;
pub(crate) mod fault;
pub(crate) mod global;
pub(crate) mod gsi_hook;
pub(crate) mod irq;
pub(crate) mod log;
pub(crate) mod module_ref;
pub(crate) mod notifier;
pub(crate) mod param;
pub(crate) mod pci;
pub(crate) mod pci_driver;
pub(crate) mod physdev;
pub(crate) mod uevent;
pub(crate) mod workqueue;
pub(crate) mod xen;
pub(crate) mod xenbus;
