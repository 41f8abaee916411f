// SPDX-License-Identifier: GPL-2.0

//! Refusing a device to a guest: the reason goes to the toolstack and the log.

use super::{
    guest::{
        Guest,
        Uses, //
    },
    listing::ListedDevice, //
};
use crate::kapi::log::log_limited;
use kernel::{
    prelude::*,
    str::CString, //
};

/// How many refusals are remembered, which is more than a list has devices.
const MOST_REFUSED: usize = 64;

impl Guest {
    /// Says that a listed device isn't exported: to the toolstack each time that it is `answered`,
    /// in the log once.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(super) fn refuse(
        &self,
        uses: &mut Uses,
        entry: &ListedDevice,
        error: Error,
        why: &'static str,
        answered: bool,
    ) -> Result {
        let text = refused(entry, why)?;
        if answered {
            self.complain(error, &text);
            return Ok(());
        }
        let refusal = (entry.device, error.to_errno());
        if !uses.refused.contains(&refusal) && uses.refused.len() < MOST_REFUSED {
            uses.refused.push(refusal, GFP_KERNEL)?;
            self.log(error, &text);
        }
        Ok(())
    }

    /// Complains to the toolstack, where xenbus has the directory, and in the log.
    pub(super) fn complain_or_log(&self, error: Error, text: &CStr) {
        if self.is_bound() {
            self.complain(error, text);
        } else {
            self.log(error, text);
        }
    }

    /// Complains to the toolstack, and in the log.
    pub(super) fn complain(&self, error: Error, text: &CStr) {
        let _ = self.while_bound(|device| {
            device.error(error, text);
            Ok(())
        });
    }

    fn log(&self, error: Error, text: &CStr) {
        let text = core::str::from_utf8(text.to_bytes()).unwrap_or("");
        log_limited!(
            pr_warn,
            "domain {}: {text} ({})\n",
            self.domain,
            error.to_errno()
        );
    }
}

/// The text for xenstore that says why a device is not exported.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
pub(super) fn refused(entry: &ListedDevice, why: &str) -> Result<CString> {
    match entry.device {
        Some(device) => CString::try_from_fmt(fmt!("{device} is not exported: {why}")),
        None => CString::try_from_fmt(fmt!("a device is not exported: {why}")),
    }
}
