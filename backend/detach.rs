// SPDX-License-Identifier: GPL-2.0

//! Detaching devices from a guest: those that the toolstack took off its list, or all.

use super::{
    export::Export,
    give_back::Cleaning,
    guest::{
        Guest,
        Uses, //
    },
    guests,
    listing::{
        self,
        keeps, //
    },
    queue, //
};
use crate::device::registry;
use kernel::{
    prelude::*,
    sync::atomic::Release, //
};

impl Guest {
    /// Takes back the exports that `ends` selects. They are cleaned in the background: what the
    /// toolstack adds meanwhile doesn't wait for that.
    ///
    /// While a device is leaving nobody can get it, not even the same guest. The list is read once
    /// more then: a device that was taken off and put back on the list stays.
    ///
    /// # Errors
    ///
    /// Nothing is taken back:
    ///
    /// - `ENOMEM`: no memory.
    /// - xenstored's errno.
    pub(super) fn take_back(&self, uses: &mut Uses, ends: impl Fn(&Export) -> bool) -> Result {
        if !uses.exports.iter().any(&ends) {
            return Ok(());
        }
        // Allocate everything first: once a device is leaving, it must be cleaned.
        let mut ended = KVec::with_capacity(uses.exports.len(), GFP_KERNEL)?;
        let mut kept = KVec::with_capacity(uses.exports.len(), GFP_KERNEL)?;
        let mut leaving = KVec::with_capacity(uses.exports.len(), GFP_KERNEL)?;
        let cleaning = Cleaning::new(self.domain)?;
        for export in core::mem::take(&mut uses.exports) {
            let list = match ends(&export) {
                true if self.begin_leaving(&export) => &mut ended,
                true => continue,
                false => &mut kept,
            };
            // There is room.
            let _ = list.push_within_capacity(export);
        }
        uses.exports = kept;
        let again = listing::read(&self.node);
        for export in ended {
            let stays = match &again {
                Ok(Some(list)) => keeps(list, &export),
                // The list can't be read, so no device is taken back.
                Ok(None) | Err(_) => true,
            };
            let list = if stays {
                export.claimed.stay(self.domain);
                &mut uses.exports
            } else {
                &mut leaving
            };
            // There is room: as many were taken out.
            let _ = list.push_within_capacity(export);
        }
        if !leaving.is_empty() {
            cleaning.begin(leaving);
            queue::enqueue(cleaning);
        }
        if !uses.exports.is_empty() {
            // Others may have found a device leaving that stays after all.
            guests::schedule_waiting();
        }
        again.map(drop)
    }

    /// Begins to end the use of an export. Returns `false` if it was released meanwhile. When it is
    /// claimed anew, this guest doesn't count.
    fn begin_leaving(&self, export: &Export) -> bool {
        let is_ours = export.claimed.begin_leaving(self.domain);
        if !is_ours {
            registry::forget_in_use(export.sbdf);
        }
        is_ours
    }

    /// Takes all back, to be cleaned in the background. Returns `true` if none of the domain's is
    /// being cleaned any more; else the guest is scheduled when one is clean.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory; called again, it goes on.
    pub(super) fn take_all(&self, uses: &mut Uses) -> Result<bool> {
        uses.refused.clear();
        if !uses.exports.is_empty() {
            let cleaning = Cleaning::new(self.domain)?;
            let mut exports = core::mem::take(&mut uses.exports);
            exports.retain(|export: &mut Export| self.begin_leaving(export));
            cleaning.begin(exports);
            queue::enqueue(cleaning);
        }
        // Set before it is asked: whoever gives a device back from here on schedules those who
        // wait.
        self.waits.store(true, Release);
        let all_clean = !registry::all()?.iter().any(|claimed| {
            let holder = claimed.holder();
            holder.is_leaving() && holder.domain() == Some(self.domain)
        });
        self.waits.store(!all_clean, Release);
        Ok(all_clean)
    }
}
