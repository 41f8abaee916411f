// SPDX-License-Identifier: GPL-2.0

//! What the driver tells and asks Xen, in the driver's own words.
//!
//! Each function hides one `physdev_op` command with its rules: whom it is for (a PV or a PVH
//! dom0), what can be named in it (segments of 16 bits), and what the answers mean. Errors carry
//! Xen's own errno.

#![deny(unsafe_code)]

pub(crate) mod msix;

use crate::{
    kapi::{
        acpi::{Node, Signalling},
        pci::{DeviceExt, Locked},
        physdev::{self, physdev_op},
        xen::{Dom0, Kind},
    },
    pure::{
        domid::DomId,
        hypercall_answer::{self as answer, Answer},
    },
};
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{error::to_result, ffi::c_int, pci, prelude::*};

/// The kinds of reset that Xen distinguishes (`PCI_DEVICE_RESET_*` of physdev.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResetKind {
    /// Only this function was reset.
    Flr,
    /// It was reset with everything else on its bus.
    Hot,
}

impl ResetKind {
    const fn flag(self) -> u32 {
        match self {
            Self::Hot => 2,
            Self::Flr => 3,
        }
    }
}

/// What became of a message to Xen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Xen knows.
    Done,
    /// This kind of dom0 doesn't tell Xen.
    NotNeeded,
    /// Xen cannot be told: too old, or the segment has no name in its interface.
    Impossible,
}

impl Told {
    /// Returns a word for log lines and sysfs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Done => "told",
            Self::NotNeeded => "not-needed",
            Self::Impossible => "cannot-be-told",
        }
    }
}

/// A warning that is written once in the module's life.
struct Once(AtomicBool);

impl Once {
    const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    fn first(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

/// Names a device to Xen; says once, for the first that has no name there, why it is skipped.
fn xen_name(device: &pci::Device) -> Option<physdev::PciDevice> {
    static SAID: Once = Once::new();
    let sbdf = device.sbdf();
    match sbdf.xen_segment() {
        Some(seg) => Some(physdev::PciDevice {
            seg,
            bus: sbdf.bus(),
            devfn: sbdf.devfn(),
        }),
        None => {
            if SAID.first() {
                dev_warn!(
                    device,
                    "segment above ffff: Xen is not told of such devices\n"
                );
            }
            None
        }
    }
}

/// Turns a sorted answer into what callers handle.
fn told(answer: Answer) -> Result<Told> {
    match answer {
        Answer::Done => Ok(Told::Done),
        Answer::Unsupported => Ok(Told::Impossible),
        Answer::Refused(errno) => Err(Error::from_errno(errno)),
    }
}

/// As [`told`]; warns once per operation of an old Xen.
fn settle(answer: Answer, said: &Once, operation: &str) -> Result<Told> {
    let told = told(answer)?;
    if told == Told::Impossible && said.first() {
        pr_warn!("this Xen doesn't support {operation}: going on without\n");
    }
    Ok(told)
}

/// Asks Xen whether it has accepted the device.
///
/// Only a PVH dom0 asks. There, Xen 4.20 keeps a record even of a device that it refused to add
/// (it refuses every virtual function), but one that belongs to no domain; a state reset would
/// follow that record's null pointer and take the host down. Xen has no operation that only asks,
/// so this adds the device again, with the words that the kernel used: for a device that Xen has,
/// that changes nothing; for one that it doesn't, it is a second try, whose failure is the answer.
///
/// # Errors
///
/// - Xen's errno: it doesn't have the device and refused to add it (`ENODEV` for a virtual
///   function on Xen 4.20, `EOPNOTSUPP` without an IOMMU). The device must not be named to it.
pub(crate) fn ask_known(dom0: Dom0, locked: &Locked<'_>) -> Result<Told> {
    static SAID: Once = Once::new();
    /// `XEN_PCI_DEV_*` of physdev.h.
    const EXTENDED_FUNCTION: u32 = 1;
    const VIRTUAL_FUNCTION: u32 = 2;
    const HAS_PROXIMITY: u32 = 4;

    if dom0.kind() == Kind::Pv {
        return Ok(Told::NotNeeded);
    }
    let device = locked.device();
    let Some(name) = xen_name(device) else {
        return Ok(Told::Impossible);
    };
    let mut add = physdev::PciDeviceAdd {
        seg: name.seg,
        bus: name.bus,
        devfn: name.devfn,
        flags: 0,
        physfn_bus: 0,
        physfn_devfn: 0,
        pxm: 0,
    };
    if let Some(physfn) = locked.physical_function() {
        add.flags |= VIRTUAL_FUNCTION;
        add.physfn_bus = physfn.sbdf().bus();
        add.physfn_devfn = physfn.sbdf().devfn();
    } else if device.ari_enabled() && device.sbdf().slot() != 0 {
        add.flags |= EXTENDED_FUNCTION;
    }
    if let Some(pxm) = proximity(locked) {
        add.flags |= HAS_PROXIMITY;
        add.pxm = pxm;
    }
    let ret = physdev_op(dom0, &mut add);
    settle(answer::plain(ret), &SAID, "adding PCI devices")
}

/// Has Xen forget the device, with all that it recorded of it and set up for it, and record it anew.
/// No domain that had the device may be left: Xen would end that one's interrupts when they are
/// another's already. Nor may it have virtual functions.
///
/// # Errors
///
/// - Xen's errno: it had no such device (`ENODEV`), or doesn't take it back.
pub(crate) fn record_anew(dom0: Dom0, locked: &Locked<'_>) -> Result {
    let name = xen_name(locked.device()).ok_or(ENODEV)?;
    let removed = to_result(physdev_op(dom0, &mut physdev::PciDeviceRemove(name)));
    // Xen has forgotten it even where it reports an error.
    ask_known(dom0, locked)?;
    removed
}

/// Returns `true` if Xen has no such domain, not even one that it is still taking apart.
pub(crate) fn has_ended(dom0: Dom0, domain: DomId) -> bool {
    /// `-ESRCH`.
    const ESRCH: c_int = -3;
    // What is no PIRQ is refused (`EINVAL`), after the domain was looked up.
    let mut unmap = physdev::UnmapPirq {
        domid: domain.number(),
        pirq: -1,
    };
    physdev_op(dom0, &mut unmap) == ESRCH
}

/// Finds the device's proximity domain as the kernel does when it adds a device: the nearest
/// `_PXM` upwards from the device itself, or from the first bridge above it that ACPI lists.
fn proximity(locked: &Locked<'_>) -> Option<u32> {
    let mut node = Node::of_device(locked.device())
        .or_else(|| Node::of_bridges_above(locked.physical_function().unwrap_or(locked.device())));
    while let Some(this) = node {
        if let Some(pxm) = this.proximity() {
            return Some(pxm);
        }
        node = this.parent();
    }
    None
}

/// Tells Xen that the device was reset, so that vPCI forgets what it knew of it. The device's BARs
/// must be restored: Xen reads them anew.
///
/// Only a PVH dom0 tells, and only of a device for which [`ask_known`] succeeded.
///
/// # Errors
///
/// - Xen's errno: `EEXIST` when a BAR covers something else, `ENODEV` when Xen has no such device.
pub(crate) fn reset_done(dom0: Dom0, device: &pci::Device, kind: ResetKind) -> Result<Told> {
    static SAID: Once = Once::new();
    if dom0.kind() == Kind::Pv {
        return Ok(Told::NotNeeded);
    }
    let Some(dev) = xen_name(device) else {
        return Ok(Told::Impossible);
    };
    let ret = physdev_op(
        dom0,
        &mut physdev::PciDeviceReset {
            dev,
            flags: kind.flag(),
        },
    );
    settle(answer::plain(ret), &SAID, "state resets of PCI devices")
}

/// Sets up an IO-APIC input so that the interrupt can be given to a guest. Only a PVH dom0 does:
/// in a PV dom0 the kernel's interrupt code did.
///
/// # Errors
///
/// - Xen's errno: `EINVAL` for a number that no IO-APIC has.
pub(crate) fn setup_gsi(dom0: Dom0, gsi: u32, signalling: Signalling) -> Result<Told> {
    static SAID: Once = Once::new();
    if dom0.kind() == Kind::Pv {
        return Ok(Told::NotNeeded);
    }
    let ret = physdev_op(
        dom0,
        &mut physdev::SetupGsi {
            gsi: i32::try_from(gsi).map_err(|_| EINVAL)?,
            triggering: u8::from(!signalling.edge_triggered),
            polarity: u8::from(!signalling.active_high),
        },
    );
    settle(answer::setup_gsi(ret), &SAID, "GSI set-up")
}
