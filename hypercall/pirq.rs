// SPDX-License-Identifier: GPL-2.0

//! Interrupts of devices that are mapped for a guest.
//!
//! Both kinds of dom0 may do that for any domain, as device models do. Xen sees to it that the
//! device is that domain's, writes the message to the device, and unmasks it when the guest binds
//! the PIRQ. dom0 itself has no interrupt for it. (`allocate_and_map_msi_pirq()` of
//! xen/arch/x86/irq.c, `msix_capability_init()` of xen/arch/x86/msi.c.)

use super::{
    msix::TableEntry,
    xen_name, //
};
use crate::{
    kapi::{
        log::log_limited,
        pci::Locked,
        physdev::{
            physdev_op,
            MapPirq,
            UnmapPirq, //
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
    },
};
use kernel::{
    ffi::c_int,
    prelude::*, //
};

/// Which interrupt of a device.
#[derive(Clone, Copy)]
pub(crate) enum Message {
    /// Its MSI, the only one.
    Msi,
    /// An entry of its MSI-X table.
    Msix(TableEntry),
}

/// A PIRQ of a guest's that a device's interrupt is mapped to; dropping it unmaps it.
pub(crate) struct GuestPirq {
    dom0: Dom0,
    domain: DomId,
    number: i32,
}

impl GuestPirq {
    /// Maps an interrupt. The device must decode memory, for MSI-X. Whether it sends messages is
    /// left as it is.
    ///
    /// # Errors
    ///
    /// - Xen's errno: `ENODEV` when it takes the device for another domain's, `ENOSPC` when the
    ///   guest has no PIRQ left, `EINVAL` when there is no interrupt vector left or no such entry,
    ///   `ENXIO` when the device doesn't decode memory, `ENODATA` when Xen doesn't know the MSI-X
    ///   table (see [`super::msix`]), `ENOMEM`, `ESRCH` when there is no such domain.
    /// - `ENOSYS`: Xen is too old, or the device has no name in its interface.
    pub(crate) fn map(
        dom0: Dom0,
        locked: &Locked<'_>,
        domain: DomId,
        message: Message,
    ) -> Result<Self> {
        let name = xen_name(locked.device()).ok_or(Error::from_errno(UNSUPPORTED))?;
        let (entry_nr, table_base) = match message {
            Message::Msi => (0, 0),
            Message::Msix(entry) => (i32::from(entry.index), entry.bar),
        };
        let mut map = MapPirq {
            domid: domain.number(),
            kind: MapPirq::MSI_SEG,
            index: -1,
            pirq: -1,
            bus: u32::from(name.seg) << 16 | u32::from(name.bus),
            devfn: i32::from(name.devfn),
            entry_nr,
            table_base,
        };
        Ok(Self {
            dom0,
            domain,
            number: ask(dom0, &mut map)?,
        })
    }

    /// Returns its number, which the guest binds.
    pub(crate) const fn number(&self) -> i32 {
        self.number
    }
}

/// The PIRQ by which a guest gets a GSI. It is the toolstack's: dropping this leaves it as it is.
///
/// The toolstack maps it before it lists a device: in a PV dom0 to the GSI's own number, in a PVH
/// dom0 to a free one, for which Xen is asked. Xen answers for what is mapped, and maps what isn't:
/// also what the toolstack has unmapped meanwhile.
pub(crate) struct GsiPirq {
    number: i32,
    /// In a PVH dom0: who has it.
    mapped: Option<Mapped>,
}

/// A GSI that a domain has.
struct Mapped {
    dom0: Dom0,
    domain: DomId,
    gsi: i32,
}

impl GsiPirq {
    /// Finds it.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: there is no such GSI.
    /// - Xen's errno: `EPERM` for a GSI that isn't dom0's, `ESRCH` when there is no such domain,
    ///   `ENOSPC` when the guest has no PIRQ left, `ENOMEM`.
    /// - `ENOSYS`: Xen is too old.
    pub(crate) fn of(dom0: Dom0, domain: DomId, gsi: u32) -> Result<Self> {
        let gsi = i32::try_from(gsi).map_err(|_| EINVAL)?;
        if dom0.kind() == Dom0Kind::Pv {
            return Ok(Self {
                number: gsi,
                mapped: None,
            });
        }
        let mapped = Mapped { dom0, domain, gsi };
        Ok(Self {
            number: mapped.map()?,
            mapped: Some(mapped),
        })
    }

    /// Returns its number.
    pub(crate) const fn number(&self) -> i32 {
        self.number
    }

    /// Takes it from the guest, which must have no other device with the same GSI.
    pub(crate) fn unmap(self) {
        let Some(mapped) = self.mapped else {
            return;
        };
        // Its number may be another interrupt's by now, if the toolstack has unmapped it.
        if let Ok(number) = mapped.map() {
            let Mapped { dom0, domain, .. } = mapped;
            drop(GuestPirq {
                dom0,
                domain,
                number,
            });
        }
    }
}

impl Mapped {
    /// Has Xen map it, if it isn't mapped; returns the PIRQ.
    ///
    /// # Errors
    ///
    /// - As for [`GsiPirq::of`].
    fn map(&self) -> Result<i32> {
        let mut map = MapPirq {
            domid: self.domain.number(),
            kind: MapPirq::GSI,
            index: self.gsi,
            pirq: -1,
            bus: 0,
            devfn: 0,
            entry_nr: 0,
            table_base: 0,
        };
        ask(self.dom0, &mut map)
    }
}

/// Has Xen map a PIRQ; returns its number.
fn ask(dom0: Dom0, map: &mut MapPirq) -> Result<i32> {
    match answer::plain(physdev_op(dom0, map)) {
        Answer::Done => Ok(map.pirq),
        Answer::Unsupported => Err(Error::from_errno(UNSUPPORTED)),
        Answer::Refused(errno) => Err(Error::from_errno(errno)),
    }
}

/// `-ENOSYS`: it can't be asked.
const UNSUPPORTED: c_int = -38;
/// `-EINVAL`: it isn't mapped any more.
const NOT_MAPPED: c_int = -22;
/// `-ESRCH`: the domain has ended, and Xen has unmapped what it had.
const NO_DOMAIN: c_int = -3;

impl Drop for GuestPirq {
    fn drop(&mut self) {
        let Self { domain, number, .. } = *self;
        let mut unmap = UnmapPirq {
            domid: domain.number(),
            pirq: number,
        };
        let ret = physdev_op(self.dom0, &mut unmap);
        if ret < 0 && ret != NOT_MAPPED && ret != NO_DOMAIN {
            log_limited!(
                pr_warn,
                "PIRQ {number} of domain {domain} is not unmapped ({ret})\n"
            );
        }
    }
}
