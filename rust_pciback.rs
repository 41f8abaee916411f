// SPDX-License-Identifier: GPL-2.0

//! A PCI stub driver for a Xen dom0: it claims devices so that guests can have them, resets them,
//! and tells Xen what it must know. It replaces the C driver `xen-pciback`.
//!
//! - [`stub`] takes and releases devices,
//! - [`reset`] resets them,
//! - [`backend`] is the side of the guests that use them,
//! - [`gsi`] knows their interrupts,
//! - [`sysfs`] is how users talk to the driver, [`hypercall`] how the driver talks to Xen,
//! - [`pure`] makes the decisions, [`kapi`] is the only part with `unsafe` code.
//!
//! See Documentation/architecture.md.

mod backend;
mod gsi;
mod hypercall;
mod kapi;
mod parallel;
mod pure;
mod reset;
mod stub;
mod sysfs;

#[cfg(pciback_faults)]
use crate::kapi::param::number_param;
use crate::{
    backend::Backend,
    gsi::{files::GsiFiles, hook::Hook},
    kapi::{
        param::{string_param, switch_param},
        pci::check_reset_methods,
        pci_driver::Adapter,
    },
    parallel::Workers,
    stub::{
        arrivals::Arrivals,
        registry::Registry,
        sleep::Guard,
        slots::Slots,
        together::{AllClaimed, Collection},
        virtual_functions::Watch,
        Stub,
    },
};
use kernel::{driver, prelude::*, InPlaceModule, ThisModule};

module! {
    type: PciBack,
    name: "rust_pciback",
    authors: ["The rust-pciback developers"],
    description: "Xen PCI device stub driver with true resets",
    license: "GPL",
    alias: ["xen-backend:pci"],
}

string_param!(
    /// Devices to claim when the module is loaded.
    HIDE,
    "hide",
    "devices to claim when the module is loaded, as (0000:03:00.0)(04:*.*)"
);

switch_param!(
    /// Whether guests get devices only that were cleaned by a reset.
    STRICT_RESET,
    "strict_reset",
    false,
    "give guests no device that was not cleaned by a reset (0)",
    0o644
);

switch_param!(
    /// Whether guests see devices at their real addresses.
    PASSTHROUGH,
    "passthrough",
    false,
    "guests see their devices at the real addresses, not on a virtual bus (0)",
    0o444
);

switch_param!(
    /// Whether the driver of a PVH dom0 holds the MSI-X tables of devices that it claims.
    HOLD_MSIX,
    "hold_msix",
    true,
    "PVH dom0: have Xen know the MSI-X tables of devices, so that guests get MSI-X (1)",
    0o644
);

#[cfg(pciback_faults)]
string_param!(
    /// See [`stub::fault`].
    FAIL_STEP,
    "fail_step",
    "test build: the step of a claim that fails"
);

#[cfg(pciback_faults)]
string_param!(
    /// See [`reset::fault`].
    SKIP_RESET,
    "skip_reset",
    "test build: the reset method that does nothing and reports success"
);

#[cfg(pciback_faults)]
string_param!(
    /// See [`reset::fault`].
    LOST,
    "lost",
    "test build: devices that do not come back from a reset"
);

#[cfg(pciback_faults)]
string_param!(
    /// See [`reset::fault`].
    REFUSED,
    "refused",
    "test build: devices of whose resets Xen refuses to hear"
);

#[cfg(pciback_faults)]
number_param!(
    /// How many calls there are still to pass, that which fails included; 0: none fails. See
    /// [`kapi::fault`].
    FAIL_CALL,
    "fail_call",
    "test build: the how-many-th call from now on fails"
);

#[cfg(pciback_faults)]
number_param!(
    /// The errno, positive; 0 stands for one that no real call returns.
    FAIL_ERRNO,
    "fail_errno",
    "test build: with which errno (33)"
);

#[cfg(pciback_faults)]
number_param!(
    /// The `physdev_op` that Xen seems to refuse; 0: none.
    FAIL_PHYSDEV_OP,
    "fail_physdev_op",
    "test build: the number of the hypercall that Xen refuses, with fail_errno"
);

/// The module. Its fields are dropped in this order, which undoes [`PciBack::init`] in reverse.
#[pin_data]
struct PciBack {
    #[pin]
    _backend: Backend,
    _hook: Hook,
    #[pin]
    _sleep: Guard,
    #[pin]
    _virtual_functions: Watch,
    _all_claimed: AllClaimed,
    #[pin]
    _driver: driver::Registration<Adapter<Stub>>,
    #[pin]
    _arrivals: Arrivals,
    #[pin]
    _gsi_files: GsiFiles,
    _workers: Workers,
    _registry: Registry,
    _slots: Slots,
}

impl InPlaceModule for PciBack {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let listed = Collection::begin();
        try_pin_init!(Self {
            _: { stub::require_initial_domain()? },
            _: { check_reset_methods()? },
            _slots: Slots::from_hide(HIDE.value())?,
            _registry: Registry::new(),
            _workers: Workers::new()?,
            _gsi_files <- GsiFiles::new(),
            _arrivals <- Arrivals::new(),
            // Fails where the C driver is loaded.
            _driver <- driver::Registration::new(stub::NAME, module),
            _all_claimed: AllClaimed::new(),
            _: { listed.claim() },
            // After the driver: its name being ours proves that the C driver's hook isn't there.
            _hook: Hook::new(&_driver),
            _virtual_functions <- Watch::new(),
            _sleep <- Guard::new(),
            // Last: guests may be waiting.
            _backend <- Backend::new(module),
        })
    }
}
