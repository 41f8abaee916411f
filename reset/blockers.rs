// SPDX-License-Identifier: GPL-2.0

//! The devices that block a reset, in words.

use super::snapshot::Snapshot;
use crate::{
    kapi::pci::Neighbour,
    pure::{
        reset_plan::{Blocker, Why},
        topology::{Consent, Reset},
    },
};
use core::fmt;
use kernel::{error::Result, pci, str::CString};

/// How much is written of a driver's name. (Modules' names have fewer than 64 characters.)
const LONGEST: usize = 32;

/// How many of them a log line names.
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
            // A place that doesn't exist is used by nobody.
            target: snapshot.place_of(target).unwrap_or(usize::MAX),
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
        Blocker { place, why }: Blocker,
        before: &str,
    ) -> fmt::Result {
        if let Some(function) = self.snapshot.topology().get(place) {
            write!(out, "{}{before}", function.sbdf)?;
        }
        match why {
            Why::Driver => {
                let device = self.snapshot.device(place);
                match device.and_then(|device| device.driver_name()) {
                    Some(name) => {
                        let name = core::str::from_utf8(name.to_bytes()).unwrap_or("?");
                        write!(out, "driver {}", name.get(..LONGEST).unwrap_or(name))
                    }
                    None => out.write_str("driver changing"),
                }
            }
            Why::Unclaimed => out.write_str("no driver"),
            Why::Used(domain) => write!(out, "domain {domain}"),
            Why::Assigned => out.write_str("being given to a guest"),
            Why::Consent(Consent::Quirk) => out.write_str("kernel quirk"),
            Why::Consent(_) => out.write_str("reset_method"),
            Why::Kind => out.write_str("not claimable"),
        }
    }
}

/// What a log line says of the blockers.
struct Line<'a, 'b>(&'b Blockers<'a>);

impl kernel::fmt::Display for Line<'_, '_> {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        for (index, blocker) in self.0.iter().take(NAMED).enumerate() {
            if index > 0 {
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
