// SPDX-License-Identifier: GPL-2.0

//! What happens to devices when a guest is done with them.

use super::{
    export::{lock, Export},
    guests,
};
use crate::{
    kapi::clock,
    pure::{cleanness::Cleanness, domid::DomId, time::Time},
    reset::request::reset_together,
    stub::claimed::Claimed,
};
use kernel::{prelude::*, sync::Arc};

/// Takes the devices back from a guest: what was allowed to it ends, they are reset by the whole
/// ladder and restored, and then nobody's. They are the guest's until all of them are done, so that
/// a reset may reach several of them.
///
/// Sleeps for as long as that takes.
pub(super) fn give_back(mut exports: KVec<Export>, domain: DomId) {
    // Not those that were released meanwhile: they are nobody's already, or somebody else's.
    exports.retain(|export: &mut Export| export.claimed.begin_leaving(domain));
    if exports.is_empty() {
        return;
    }
    for Export { claimed, .. } in &exports {
        claimed.settings.end_use();
    }
    let start = clock::now();
    let mut targets = KVec::new();
    let listed = exports
        .iter()
        .try_for_each(|export| targets.push(export.claimed.clone(), GFP_KERNEL));
    let result = match listed {
        // What became of each device is in its own record; what failed is in the log.
        Ok(()) => reset_together(&targets, start),
        Err(error) => Err(error.into()),
    };
    for Export { claimed, .. } in exports {
        if let Err(error) = end_use(&claimed, domain, start) {
            dev_err!(
                &claimed.device,
                "given back by domain {domain}: not restored ({})\n",
                error.to_errno()
            );
        }
        report(&claimed, domain, result);
    }
    guests::reconcile_waiting();
}

/// Makes a device nobody's. If no reset has restored its configuration since `start`, that is done
/// here: it decodes as it did when it was claimed, and masters nothing.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - `EIO`: it doesn't answer.
fn end_use(claimed: &Arc<Claimed>, domain: DomId, start: Time) -> Result {
    // Without the lock, for want of memory, the mark is left to the device's release.
    let result = lock(&claimed.device).and_then(|locks| {
        let mut result = Ok(());
        // Another driver may have the device by now.
        for device in locks.iter().filter(|_| claimed.is_claimed()) {
            if claimed.reset_since(start).is_none() {
                let quiet = device.quiesce();
                result = claimed.saved.restore(&device, quiet);
            }
            device.set_assigned(false);
        }
        result
    });
    claimed.left(domain);
    result
}

fn report(claimed: &Claimed, domain: DomId, result: Result) {
    let device = &claimed.device;
    match (claimed.last_reset().cleanness, result) {
        (Cleanness::Clean, _) => dev_info!(device, "given back by domain {domain}: clean\n"),
        (state, Ok(())) => {
            dev_warn!(device, "given back by domain {domain}: {}\n", state.name());
        }
        (state, Err(error)) => dev_warn!(
            device,
            "given back by domain {domain}: {} ({})\n",
            state.name(),
            error.to_errno()
        ),
    }
}
