// SPDX-License-Identifier: GPL-2.0

//! Why a device is not reset, and what a reset of it would do: in sysfs and in the log.
//!
//! Readers of sysfs ask this. The driver core may wait for them with the device's lock held, so
//! nothing here waits for the lock of a device.

use super::snapshot::Snapshot;
use crate::{
    device::claimed::Claimed,
    kapi::{
        log::log_limited,
        pci::Unlocked, //
    },
    pure::{
        bdf_grammar::Pattern,
        blocker_text::Reason,
        reset_plan::{
            Blocker,
            Plan,
            Rung,
            Rungs,
            Why, //
        },
        sbdf::Sbdf,
        topology::Reset, //
    },
};
use core::fmt::{
    self,
    Write, //
};
use kernel::{
    pci,
    prelude::*,
    str::CString, //
};

/// Writes the word of the reset that the device would get, `none` if there is none.
///
/// # Errors
///
/// - `ENODEV`: the device is gone.
/// - `ENOMEM`: no memory.
/// - `ENOSPC`: no room to write.
pub(crate) fn explain_plan(device: &pci::Device, out: &mut dyn Write) -> Result {
    let snapshot = Snapshot::around(device, Rungs::default())?;
    let index = snapshot.index_of(device).ok_or(ENODEV)?;
    let word = match snapshot.topology().plan(index, Rungs::default()) {
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
/// - As for [`explain_plan`].
pub(crate) fn explain_blockers(device: &pci::Device, out: &mut dyn Write) -> Result {
    let snapshot = Snapshot::below(device)?;
    let index = snapshot.index_of(device).ok_or(ENODEV)?;
    let sbdf = snapshot.topology().get(index).ok_or(ENODEV)?.sbdf;
    let Some(reset) = snapshot.topology().below(index) else {
        return writeln!(out, "{sbdf} root bus").map_err(|_| ENOSPC);
    };
    let blockers = Blockers::new(&snapshot, reset, device);
    for (line, blocker) in blockers.iter().enumerate() {
        if line == MOST_LINES {
            return writeln!(out, "...").map_err(|_| ENOSPC);
        }
        blockers
            .write(out, blocker, " ")
            .and_then(|()| writeln!(out))
            .map_err(|_| ENOSPC)?;
    }
    Ok(())
}

/// The lines that fit into a page of sysfs in any case: the longest, with a driver's name, have an
/// address of 16 characters and 41 more.
const MOST_LINES: usize = 64;

/// How many blockers a log line names.
const NAMED: usize = 4;

/// The blockers of a reset.
pub(super) struct Blockers<'a> {
    snapshot: &'a Snapshot,
    reset: Reset,
    target: usize,
}

impl<'a> Blockers<'a> {
    /// Names the reset that is blocked, and on whose behalf it would be.
    pub(super) fn new(snapshot: &'a Snapshot, reset: Reset, target: &pci::Device) -> Self {
        Self {
            snapshot,
            reset,
            // An index that doesn't exist is used by nobody.
            target: snapshot.index_of(target).unwrap_or(usize::MAX),
        }
    }

    /// Yields all of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = Blocker> + 'a {
        self.snapshot.topology().blockers(self.reset, self.target)
    }

    /// Returns the text for a log line, the first few by name.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(super) fn to_text(&self) -> Result<CString> {
        CString::try_from_fmt(kernel::prelude::fmt!("{}", Line(self)))
    }

    /// Writes one of them: its address, `before`, the reason.
    ///
    /// # Errors
    ///
    /// - As the writer.
    pub(super) fn write(
        &self,
        out: &mut dyn fmt::Write,
        Blocker { index, why }: Blocker,
        before: &str,
    ) -> fmt::Result {
        if let Some(function) = self.snapshot.topology().get(index) {
            write!(out, "{}{before}", function.sbdf)?;
        }
        let device = match why {
            Why::Driver => self.snapshot.device(index),
            _ => None,
        };
        let name = device.and_then(|device| device.driver_name());
        let driver = name
            .as_ref()
            .map(|name| core::str::from_utf8(name.to_bytes()).unwrap_or("?"));
        write!(out, "{}", Reason { why, driver })
    }
}

/// What a log line says of the blockers.
struct Line<'a, 'b>(&'b Blockers<'a>);

impl kernel::fmt::Display for Line<'_, '_> {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        for (nth, blocker) in self.0.iter().take(NAMED).enumerate() {
            if nth > 0 {
                f.write_str(", ")?;
            }
            self.0.write(f, blocker, " (")?;
            f.write_str(")")?;
        }
        match self.0.iter().skip(NAMED).count() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Logs that no claimed device has that address.
pub(super) fn not_claimed(sbdf: Sbdf) -> Error {
    log_limited!(pr_warn, "reset_device: {sbdf} is not claimed\n");
    ENODEV
}

/// Logs that the pattern covers no claimed device.
pub(super) fn nothing_claimed(pattern: Pattern) -> Error {
    log_limited!(pr_warn, "reset_device: {pattern} is not claimed\n");
    ENODEV
}

/// Logs why no rung is left, and returns the error for the writer: that of a rung that was tried
/// and failed, if there was one.
pub(super) fn refuse(
    target: &Claimed,
    plan: Plan,
    snapshot: &Snapshot,
    tried: Rungs,
    failure: Option<Error>,
) -> Error {
    let device = &target.device;
    match plan {
        Plan::Blocked(reset) => {
            let error = failure.unwrap_or(EBUSY);
            // Before it is printed: it takes memory, and a log line is put together where nobody
            // may sleep.
            let blockers = Blockers::new(snapshot, reset, device).to_text();
            let blockers = blockers.as_ref().map_or("others", |text| {
                core::str::from_utf8(text.to_bytes()).unwrap_or("others")
            });
            log_limited!(
                dev_warn,
                device,
                "reset_device: not reset: a {} reset would reach {blockers} ({})\n",
                reset.rung(),
                error.to_errno()
            );
            error
        }
        Plan::Nothing | Plan::Reset(_) => match failure {
            Some(error) => error, // Said when it failed.
            None => {
                log_limited!(
                    dev_warn,
                    device,
                    "reset_device: {} ({})\n",
                    if !target.is_endpoint() {
                        "bridges are not reset"
                    } else if !tried.is_empty() {
                        "no other reset method"
                    } else {
                        "no reset method"
                    },
                    ENOTTY.to_errno()
                );
                ENOTTY
            }
        },
    }
}

/// Logs that the device went through a weak reset only.
pub(super) fn weak(target: &Claimed, rung: Rung) {
    log_limited!(
        dev_warn,
        &target.device,
        "reset_device: a {rung} reset is weak: the device may not be clean ({})\n",
        ENOTTY.to_errno()
    );
}

/// Logs that the device is still being cleaned after its last guest.
pub(super) fn still_leaving(target: &Claimed) -> Error {
    log_limited!(
        dev_warn,
        &target.device,
        "reset_device: its last guest is still giving it back: try again ({})\n",
        EAGAIN.to_errno()
    );
    EAGAIN
}
