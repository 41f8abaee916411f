// SPDX-License-Identifier: GPL-2.0

//! A PCI stub driver for a Xen dom0: it claims devices so that guests can have them, resets them,
//! and tells Xen what it must know. It replaces the C driver `xen-pciback`.
//!
//! - [`stub`] takes and releases devices,
//! - [`reset`] resets them,
//! - [`backend`] is the side of the guests that use them,
//! - [`gsi`] knows their interrupts,
//! - [`device`] keeps what is known of claimed devices,
//! - [`sysfs`] is how users talk to the driver, [`hypercall`] how the driver talks to Xen,
//! - [`pure`] makes the decisions, [`kapi`] is the only part with `unsafe` code.
//!
//! See Documentation/architecture.md.

mod backend;
mod device;
mod fault;
mod gsi;
mod hypercall;
mod kapi;
mod params;
mod pure;
mod reset;
mod stub;
mod sysfs;

use crate::{
    backend::Backend,
    device::{
        registry::Registry,
        reset_methods::check_reset_methods,
        slots::Slots,
        workers::Workers, //
    },
    gsi::{
        files::GsiFiles,
        hook::Hook, //
    },
    kapi::{
        compat,
        param::module_info,
        pci_driver::Adapter, //
    },
    params::HIDE,
    stub::{
        bulk::{
            BulkRelease,
            DeferredClaims, //
        },
        hotplug::HotplugReserve,
        pm::PmGuard,
        sriov::SriovWatch,
        Stub, //
    },
};
use kernel::{
    driver,
    prelude::*,
    InPlaceModule,
    ThisModule, //
};

module! {
    type: PciBack,
    name: "rust_pciback",
    authors: ["The rust-pciback developers"],
    description: "Xen PCI device stub driver with true resets",
    license: "GPL",
    // By the driver's name it is found by those who know only that: driverctl, and people.
    alias: ["xen-backend:pci", "pciback"],
}

// That of debian/changelog, as `make lint` checks.
module_info!("version", "0.1.0");

/// The module. Its fields are dropped in this order, which undoes [`PciBack::init`] in reverse.
#[pin_data]
struct PciBack {
    #[pin]
    _backend: Backend,
    _hook: Hook,
    #[pin]
    _pm: PmGuard,
    #[pin]
    _sriov: SriovWatch,
    _bulk_release: BulkRelease,
    #[pin]
    _driver: driver::Registration<Adapter<Stub>>,
    #[pin]
    _hotplug: HotplugReserve,
    #[pin]
    _gsi_files: GsiFiles,
    _workers: Workers,
    _registry: Registry,
    _slots: Slots,
}

impl InPlaceModule for PciBack {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        init_locks();
        let listed = DeferredClaims::begin();
        try_pin_init!(Self {
            _: { stub::require_initial_domain()? },
            _: { compat::tell_if_untested() },
            _: { check_reset_methods()? },
            _slots: Slots::from_hide(HIDE.value())?,
            _registry: Registry::new(),
            _workers: Workers::new()?,
            _gsi_files <- GsiFiles::new(),
            _hotplug <- HotplugReserve::new(),
            // Fails where the C driver is loaded.
            _driver <- driver::Registration::new(device::NAME, module),
            _bulk_release: BulkRelease::new(),
            _: { listed.claim() },
            // After the driver: its name being ours proves that the C driver's hook isn't there.
            _hook: Hook::new(&_driver),
            _sriov <- SriovWatch::new(),
            _pm <- PmGuard::new(),
            // Last: guests may be waiting.
            _backend <- Backend::new(module),
        })
    }
}

/// Initialises the locks of all global values, before anything that could use one is registered.
/// (They are global because attributes, notifiers and hooks come without a pointer of ours.)
fn init_locks() {
    device::ordered_log::init_locks();
    device::pm::init_locks();
    device::registry::init_locks();
    device::saved_state::init_locks();
    device::slots::init_locks();
    device::workers::init_locks();
    gsi::files::init_locks();
    gsi::tables::init_locks();
    backend::init_locks();
    stub::bulk::init_locks();
    stub::hotplug::init_locks();
}
