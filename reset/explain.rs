// SPDX-License-Identifier: GPL-2.0

//! What a reset of a device would do now, and what keeps it from doing more.
//!
//! Asked by readers of sysfs, for whom the driver core waits with the device's lock held: nothing
//! here waits for a lock of a device.

use super::{blockers::Blockers, snapshot::Snapshot};
use crate::pure::reset_plan::{Plan, Rungs};
use core::fmt::Write;
use kernel::{pci, prelude::*};

/// Writes the word of the reset that the device would get, `none` if there is none.
///
/// # Errors
///
/// - `ENODEV`: the device is gone.
/// - `ENOMEM`: no memory.
/// - `ENOSPC`: no room to write.
pub(crate) fn plan(device: &pci::Device, out: &mut dyn Write) -> Result {
    let snapshot = Snapshot::take()?;
    let place = snapshot.place_of(device).ok_or(ENODEV)?;
    let word = match snapshot.topology().plan(place, Rungs::default()) {
        Plan::Reset(reset) => reset.rung().name(),
        Plan::Blocked(_) | Plan::Nothing => "none",
    };
    writeln!(out, "{word}").map_err(|_| ENOSPC)
}

/// Writes one line for each device that blocks a reset of all that is below the bridge above the
/// device: its address and the reason. A line `...` stands for those that don't fit.
///
/// # Errors
///
/// - As for [`plan`].
pub(crate) fn blockers(device: &pci::Device, out: &mut dyn Write) -> Result {
    let snapshot = Snapshot::take()?;
    let place = snapshot.place_of(device).ok_or(ENODEV)?;
    let sbdf = snapshot.topology().get(place).ok_or(ENODEV)?.sbdf;
    let Some(reset) = snapshot.topology().below(place) else {
        return writeln!(out, "{sbdf} root bus").map_err(|_| ENOSPC);
    };
    let blockers = Blockers::new(&snapshot, reset, device);
    for (index, blocker) in blockers.iter().enumerate() {
        if index == MOST {
            return writeln!(out, "...").map_err(|_| ENOSPC);
        }
        blockers
            .write(out, blocker, " ")
            .and_then(|()| writeln!(out))
            .map_err(|_| ENOSPC)?;
    }
    Ok(())
}

/// The lines that surely fit into a page of sysfs: the longest, with a driver's name, have an address
/// of 16 characters and 41 more.
const MOST: usize = 64;
