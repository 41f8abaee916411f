// SPDX-License-Identifier: GPL-2.0

//! How guests will get the interrupts of a device that is being claimed.

use super::{
    fault,
    journal::{Chapter, Level},
};
use crate::{
    hypercall::{
        self,
        msix::{self, Hold},
        Told,
    },
    kapi::{
        pci::{DeviceExt, Header, Locked, MsixTable},
        xen::{Dom0, Kind},
    },
    pure::{
        claim_step::ClaimStep,
        domid::DomId,
        guest_interrupts::{GuestInterrupts, Msix, Table, Without},
    },
    reset::snapshot,
    HOLD_MSIX,
};
use kernel::{
    prelude::*,
    time::{delay::fsleep, Delta},
};

/// Has Xen know the device's MSI-X table, where it doesn't know it by `prepared`, the answer to
/// PHYSDEVOP_prepare_msix. What fails here fails no claim: guests then get other interrupts.
///
/// Returns what guests can have, and the hold on the table, if there is one.
pub(super) fn arrange(
    locked: &Locked<'_>,
    dom0: Dom0,
    prepared: Told,
) -> (GuestInterrupts, Option<Hold>) {
    let device = locked.device();
    // A bridge has interrupts, but no guest gets one to handle them.
    if device.header() != Header::Normal {
        return (GuestInterrupts::NONE, None);
    }
    let (msix, held) = match prepared {
        Told::Done => (Msix::Prepared, None),
        Told::NotNeeded => (Msix::None(Without::Capability), None),
        Told::Impossible if dom0.kind() == Kind::Pv => (Msix::None(Without::Xen), None),
        Told::Impossible if !HOLD_MSIX.is_on() => (Msix::None(Without::Wish), None),
        Told::Impossible => match hold(locked, dom0) {
            Ok((table, hold)) => (Msix::Held(table), Some(hold)),
            Err(without) => (Msix::None(without), None),
        },
    };
    let guest = GuestInterrupts {
        msix,
        msi: device.has_msi(),
        pin: device.pin().is_some(),
    };
    (guest, held)
}

/// Holds the table of a device that has MSI-X.
fn hold(locked: &Locked<'_>, dom0: Dom0) -> Result<(Table, Hold), Without> {
    let failed = |error: Error| match error.to_errno() {
        msix::ENODATA => Without::Lost,
        errno => Without::Hold(errno),
    };
    fault::before(ClaimStep::HoldMsix).map_err(failed)?;
    let table = MsixTable::read(locked).map_err(|_| Without::Table)?;
    if table.entries < 2 {
        return Err(Without::SecondVector);
    }
    let hold = Hold::new(dom0, locked, table).map_err(failed)?;
    let table = Table {
        entries: table.entries,
        address: table.bar.saturating_add(u64::from(table.offset)),
    };
    Ok((table, hold.ok_or(Without::Xen)?))
}

/// Has Xen record a device anew whose MSI-X table it lost, so that the native driver can have MSI-X.
/// `last`: the last domain that used the device. The table was let go of.
pub(super) fn mend(locked: &Locked<'_>, dom0: Dom0, last: Option<DomId>, lines: &Chapter) {
    let device = locked.device();
    // dom0 has no end, and leaves nothing behind.
    let guest = last.filter(|domain| domain.number() != 0);
    let ended = guest.is_none_or(|domain| wait_ended(dom0, domain));
    let mended = if !ended || snapshot::has_virtual_functions(device) {
        Err(EBUSY)
    } else {
        hypercall::record_anew(dom0, locked)
    };
    match mended {
        Ok(()) => lines.write(
            Level::Info,
            device,
            fmt!("a guest used MSI, so Xen lost the MSI-X table: the device is recorded anew"),
        ),
        Err(error) => {
            let errno = error.to_errno();
            lines.write(
                Level::Error,
                device,
                fmt!("Xen lost the MSI-X table ({errno}): once its last guest has ended, remove the device and rescan the bus"),
            );
        }
    }
}

/// Waits until Xen has taken a domain apart, at most some seconds; returns `true` if it has.
fn wait_ended(dom0: Dom0, domain: DomId) -> bool {
    /// How often it is looked, in milliseconds, and how many times: Xen has no event for that. A
    /// domain that ends normally is gone in less than a second.
    const PAUSE: u32 = 50;
    const TIMES: u32 = 100;
    let ended = (0..TIMES).any(|time| {
        if time > 0 {
            fsleep(Delta::from_millis(i64::from(PAUSE)));
        }
        hypercall::has_ended(dom0, domain)
    });
    // Its interrupts are freed after the processors have all passed by (RCU).
    fsleep(Delta::from_millis(i64::from(PAUSE)));
    ended
}
