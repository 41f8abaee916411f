// SPDX-License-Identifier: GPL-2.0

//! Attributes in the directory `pciback` of each claimed device.

use crate::{
    hypercall::Told,
    kapi::{
        attr::{attribute_groups, DeviceShow, Page},
        pci::DeviceExt,
    },
    pure::{mark::Proof, reset_plan::Rung},
    reset::explain,
    stub::{claimed::Claimed, registry},
};
use core::{ffi::CStr, fmt::Write};
use kernel::{pci, prelude::*, sync::Arc};

/// Finds what is known of the device.
fn claimed(device: &pci::Device) -> Result<Arc<Claimed>> {
    registry::find(device.sbdf()).ok_or(ENODEV)
}

/// Writes a line.
fn line(page: &mut Page<'_>, text: core::fmt::Arguments<'_>) -> Result {
    page.write_fmt(text).map_err(|_| ENOSPC)
}

/// Declares an attribute that shows one line about the claimed device.
macro_rules! one_line {
    ($(#[$meta:meta])* $type:ident, $name:literal, |$claimed:ident| $value:expr) => {
        $(#[$meta])*
        struct $type;

        impl DeviceShow for $type {
            const NAME: &'static CStr = $name;

            fn show(device: &pci::Device, page: &mut Page<'_>) -> Result {
                let $claimed = claimed(device)?;
                line(page, format_args!("{}\n", $value))
            }
        }
    };
}

one_line!(
    /// `state`: what the last reset made of the device.
    State, c"state", |claimed| claimed.last_reset().cleanness.name()
);

one_line!(
    /// `assignable`: whether a guest may have it.
    Assignable, c"assignable", |claimed| claimed.verdict().name()
);

one_line!(
    /// `last_reset_method`: how it was last reset.
    LastResetMethod, c"last_reset_method",
    |claimed| claimed.last_reset().by.map_or("none", Rung::name)
);

one_line!(
    /// `last_reset_proof`: whether the hardware shows that it was reset.
    LastResetProof, c"last_reset_proof",
    |claimed| claimed.last_reset().proof.map_or("none", Proof::name)
);

one_line!(
    /// `last_reset_error`: 0, or the errno that ended the last reset.
    LastResetError, c"last_reset_error",
    |claimed| claimed.last_reset().error.map_or(0, Error::to_errno)
);

one_line!(
    /// `last_reset_time_us`: how long the last reset took, in microseconds.
    LastResetTime, c"last_reset_time_us", |claimed| claimed.last_reset().micros
);

one_line!(
    /// `last_reset_xen`: whether Xen knows of the last reset.
    LastResetXen, c"last_reset_xen",
    |claimed| claimed.last_reset().told.map_or("none", Told::name)
);

one_line!(
    /// `guest_interrupts`: how a guest that gets it can get its interrupts.
    GuestInterrupts, c"guest_interrupts", |claimed| claimed.interrupts.guest
);

/// `used_by`: the domain that uses it.
struct UsedBy;

impl DeviceShow for UsedBy {
    const NAME: &'static CStr = c"used_by";

    fn show(device: &pci::Device, page: &mut Page<'_>) -> Result {
        match claimed(device)?.holder().domain() {
            Some(domain) => line(page, format_args!("{domain}\n")),
            None => line(page, format_args!("none\n")),
        }
    }
}

/// `reset_plan`: what a reset would do now.
struct ResetPlan;

impl DeviceShow for ResetPlan {
    const NAME: &'static CStr = c"reset_plan";

    fn show(device: &pci::Device, page: &mut Page<'_>) -> Result {
        explain::plan(device, page)
    }
}

/// `reset_blockers`: what keeps a reset from reaching the whole bus.
struct ResetBlockers;

impl DeviceShow for ResetBlockers {
    const NAME: &'static CStr = c"reset_blockers";

    fn show(device: &pci::Device, page: &mut Page<'_>) -> Result {
        explain::blockers(device, page)
    }
}

/// `unproven_methods`: what was seen to reset nothing.
struct UnprovenMethods;

impl DeviceShow for UnprovenMethods {
    const NAME: &'static CStr = c"unproven_methods";

    fn show(device: &pci::Device, page: &mut Page<'_>) -> Result {
        let mut before = "";
        for rung in claimed(device)?.unproven().iter() {
            line(page, format_args!("{before}{}", rung.name()))?;
            before = " ";
        }
        line(page, format_args!("\n"))
    }
}

attribute_groups!(
    GROUPS: DeviceAttribute,
    Some(c"pciback"),
    [
        STATE = DeviceAttribute::read_only::<State>(),
        ASSIGNABLE = DeviceAttribute::read_only::<Assignable>(),
        INTERRUPTS = DeviceAttribute::read_only::<GuestInterrupts>(),
        USED_BY = DeviceAttribute::read_only::<UsedBy>(),
        PLAN = DeviceAttribute::read_only::<ResetPlan>(),
        BLOCKERS = DeviceAttribute::read_only::<ResetBlockers>(),
        UNPROVEN = DeviceAttribute::read_only::<UnprovenMethods>(),
        METHOD = DeviceAttribute::read_only::<LastResetMethod>(),
        PROOF = DeviceAttribute::read_only::<LastResetProof>(),
        ERROR = DeviceAttribute::read_only::<LastResetError>(),
        TIME = DeviceAttribute::read_only::<LastResetTime>(),
        XEN = DeviceAttribute::read_only::<LastResetXen>(),
    ],
    []
);
