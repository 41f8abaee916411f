// SPDX-License-Identifier: GPL-2.0

//! What the driver notifies Xen of and asks it, one function for each purpose.
//!
//! Each function hides one `physdev_op` command with its rules: which kind of dom0 may use it (PV
//! or PVH), which devices it can name (segments of 16 bits), and what the answers mean. Errors
//! carry Xen's own errno.

#![deny(unsafe_code)]

pub(crate) mod msix;
pub(crate) mod pirq;

use crate::{
    kapi::{
        acpi::Node,
        compat::PASSTHROUGH_CAN_BE_OFF,
        log::log_limited,
        pci::{
            DeviceExt,
            Header,
            Locked, //
        },
        physdev::{
            self,
            physdev_op, //
        },
        xen::{
            Dom0,
            Dom0Kind, //
        },
    },
    pure::{
        domid::DomId,
        hypercall_answer::{
            self as answer,
            Answer, //
        },
        intx::Gsi, //
    },
};
use kernel::{
    error::to_result,
    ffi::c_int,
    pci,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

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

/// The result of a notification of Xen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notified {
    /// Xen knows.
    Done,
    /// In this kind of dom0 Xen needn't know.
    NotNeeded,
    /// Xen can't be notified: too old, or the segment has no name in its interface.
    Impossible,
}

impl Notified {
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
struct Once(Atomic<bool>);

impl Once {
    const fn new() -> Self {
        Self(Atomic::new(false))
    }

    fn first(&self) -> bool {
        !self.0.xchg(true, Relaxed)
    }
}

/// Returns the name of a device in Xen's interface; logs once, for the first that has none, why it
/// is skipped.
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
                    "segment above ffff: Xen can not be notified of such devices\n"
                );
            }
            None
        }
    }
}

/// Turns a sorted answer into what callers handle.
fn notified(answer: Answer) -> Result<Notified> {
    match answer {
        Answer::Done => Ok(Notified::Done),
        Answer::Unsupported => Ok(Notified::Impossible),
        Answer::Refused(errno) => Err(Error::from_errno(errno)),
    }
}

/// As [`notified`]; warns once per operation of an old Xen.
fn notified_or_warn(answer: Answer, said: &Once, operation: &str) -> Result<Notified> {
    let notified = notified(answer)?;
    if notified == Notified::Impossible && said.first() {
        pr_warn!("this Xen doesn't support {operation}: going on without\n");
    }
    Ok(notified)
}

/// Asks Xen whether it has accepted the device.
///
/// Only a PVH dom0 asks. There, Xen 4.20 keeps a record even of a device that it refused to add (it
/// refuses every virtual function), but that record belongs to no domain: a state reset would
/// follow its null pointer and crash the host. Xen has no operation that only asks, so this adds
/// the device again, as the kernel did. If Xen has the device, that changes nothing; if not, it is
/// a second try, whose failure is the answer.
///
/// # Errors
///
/// - Xen's errno: it doesn't have the device and refused to add it (`ENODEV` for a virtual
///   function on Xen 4.20, `EOPNOTSUPP` without an IOMMU on x86). The device must not be named to
///   it.
pub(crate) fn ask_known(dom0: Dom0, locked: &Locked<'_>) -> Result<Notified> {
    static SAID: Once = Once::new();
    /// `XEN_PCI_DEV_*` of physdev.h.
    const EXTENDED_FUNCTION: u32 = 1;
    const VIRTUAL_FUNCTION: u32 = 2;
    const HAS_PROXIMITY: u32 = 4;

    if dom0.kind() == Dom0Kind::Pv {
        return Ok(Notified::NotNeeded);
    }
    let device = locked.device();
    let Some(name) = xen_name(device) else {
        return Ok(Notified::Impossible);
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
    // To a function with a header that it doesn't know, Xen says the same, after recording it.
    let known = matches!(device.header(), Header::Normal | Header::Bridge);
    let answer = answer::of_pci(ret, known && PASSTHROUGH_CAN_BE_OFF);
    notified_or_warn(answer, &SAID, "adding PCI devices")
}

/// Removes the device from Xen, with all that it recorded of it and set up for it, and adds it
/// anew. No domain that had the device may still exist: when it ended, Xen would free interrupts
/// that are another's by then. Nor may the device have virtual functions.
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

/// Returns `true` if Xen has no such domain, not even one that it is still destroying.
pub(crate) fn has_ended(dom0: Dom0, domain: DomId) -> bool {
    /// `-ESRCH`.
    const ESRCH: c_int = -3;
    // An invalid PIRQ is refused (`EINVAL`), but only after the domain was looked up.
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

/// Notifies Xen that the device was reset, so that vPCI forgets what it knew of it. The device's
/// BARs must be restored: Xen reads them anew.
///
/// Only a PVH dom0 notifies Xen, and only of a device for which [`ask_known`] succeeded.
///
/// # Errors
///
/// - Xen's errno: `EEXIST` when a BAR covers something else, `ENODEV` when Xen has no such device.
/// - `EEXIST` too where Xen hides the device's MSI-X from dom0 instead of saying so (4.21.0).
pub(crate) fn notify_reset(dom0: Dom0, locked: &Locked<'_>, kind: ResetKind) -> Result<Notified> {
    static SAID: Once = Once::new();
    if dom0.kind() == Dom0Kind::Pv {
        return Ok(Notified::NotNeeded);
    }
    let device = locked.device();
    let Some(dev) = xen_name(device) else {
        return Ok(Notified::Impossible);
    };
    let ret = physdev_op(
        dom0,
        &mut physdev::PciDeviceReset {
            dev,
            flags: kind.flag(),
        },
    );
    // Where Xen was not notified, or refused, that is all there is to say.
    let hidden = ret >= 0 && locked.hides_msix();
    if hidden {
        log_limited!(
            dev_err,
            device,
            "Xen hides its MSI-X since it was notified of a reset\n"
        );
    }
    let answer = answer::of_reset(ret, PASSTHROUGH_CAN_BE_OFF, hidden);
    notified_or_warn(answer, &SAID, "state resets of PCI devices")
}

/// Sets up an IO-APIC input so that the interrupt can be given to a guest. Only a PVH dom0 does:
/// in a PV dom0 the kernel's interrupt code did.
///
/// # Errors
///
/// - Xen's errno: `EINVAL` for a number that no IO-APIC has.
pub(crate) fn setup_gsi(dom0: Dom0, gsi: Gsi) -> Result<Notified> {
    static SAID: Once = Once::new();
    if dom0.kind() == Dom0Kind::Pv {
        return Ok(Notified::NotNeeded);
    }
    let ret = physdev_op(
        dom0,
        &mut physdev::SetupGsi {
            gsi: i32::try_from(gsi.number).map_err(|_| EINVAL)?,
            triggering: u8::from(!gsi.signalling.edge_triggered),
            polarity: u8::from(!gsi.signalling.active_high),
        },
    );
    notified_or_warn(answer::setup_gsi(ret), &SAID, "GSI set-up")
}
