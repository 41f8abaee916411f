// SPDX-License-Identifier: GPL-2.0

//! Attaching the devices that the toolstack lists for a guest.

use super::{
    export::{
        export,
        Export,
        NotExported, //
    },
    guest::{
        Guest,
        Uses, //
    },
    guests,
    listing::ListedDevice,
    refusal::refused, //
};
use kernel::prelude::*;

/// What became of a listed device.
pub(super) enum AttachOutcome {
    /// The guest uses it.
    Exported,
    /// The guest can't have it yet.
    Later {
        /// No event says when it can: try again.
        retry: bool,
    },
    /// The guest doesn't get it, for this reason.
    Refused(Error, &'static str),
}

impl Guest {
    /// Exports again a device that was released and claimed anew while the guest used it.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(super) fn export_anew(
        &self,
        uses: &mut Uses,
        entry: &ListedDevice,
    ) -> Result<AttachOutcome> {
        let (mut old, mut kept) = (KVec::new(), KVec::new());
        kept.reserve(uses.exports.len(), GFP_KERNEL)?;
        old.reserve(uses.exports.len(), GFP_KERNEL)?;
        for export in core::mem::take(&mut uses.exports) {
            let list = if Some(export.sbdf) == entry.device {
                &mut old
            } else {
                &mut kept
            };
            // There is room.
            let _ = list.push_within_capacity(export);
        }
        uses.exports = kept;
        let outcome = self.export(uses, entry, old.first());
        if !matches!(
            outcome,
            Ok(AttachOutcome::Exported | AttachOutcome::Refused(..))
        ) {
            for export in old {
                // As many were taken out.
                let _ = uses.exports.push_within_capacity(export);
            }
        }
        outcome
    }

    /// Exports one device; `before`: the export of it that this replaces.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    /// - xenstored's errno.
    pub(super) fn export(
        &self,
        uses: &mut Uses,
        entry: &ListedDevice,
        before: Option<&Export>,
    ) -> Result<AttachOutcome> {
        let Some(sbdf) = entry.device else {
            return Ok(AttachOutcome::Refused(EINVAL, "no device address"));
        };
        uses.exports.reserve(1, GFP_KERNEL)?;
        let export = match export(sbdf, self.domain, &uses.exports, before) {
            Ok(export) => export,
            Err(NotExported::Refused(error, why)) => return Ok(AttachOutcome::Refused(error, why)),
            Err(NotExported::Later { retry }) => return Ok(AttachOutcome::Later { retry }),
            // That domain's toolstack may have taken it off its list, which wasn't read yet.
            Err(NotExported::UsedBy(other)) => {
                return Ok(if guests::lists(other, sbdf)? {
                    AttachOutcome::Refused(EBUSY, "another domain uses it")
                } else {
                    AttachOutcome::Later { retry: false }
                });
            }
            Err(NotExported::Failed(error)) => return Err(error),
        };
        dev_info!(&export.claimed.device, "used by domain {}\n", self.domain);
        if let Some(why) = export.withheld {
            if let Ok(text) = refused(entry, why) {
                self.complain_or_log(EPERM, &text);
            }
        }
        // There is room.
        let _ = uses.exports.push_within_capacity(export);
        Ok(AttachOutcome::Exported)
    }
}
