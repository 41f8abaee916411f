// SPDX-License-Identifier: GPL-2.0

//! What happens to devices when a guest is done with them.

use super::export::{lock, Export};
use crate::{
    pure::{cleanness::Cleanness, domid::DomId},
    reset::request::reset_together,
    stub::{claimed::Claimed, registry},
};
use kernel::{
    prelude::*,
    sync::Arc,
    time::{Instant, Monotonic},
};

/// Takes the devices back from a guest: what was allowed to it ends, they are reset by the whole
/// ladder and restored, and then nobody's. They are the guest's until all of them are done, so that
/// a reset may reach several of them.
///
/// Sleeps for as long as that takes.
pub(super) fn give_back(mut exports: KVec<Export>, domain: DomId) {
    // Not those that were unbound meanwhile: they are nobody's already, or somebody else's.
    exports.retain(|export| registry::has(&export.claimed));
    for Export { claimed, .. } in &exports {
        claimed.begin_leaving();
        claimed.settings.clear();
        claimed.dirtied();
    }
    let start = Instant::<Monotonic>::now();
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
        if claimed.reset_since(start).is_none() {
            if let Err(error) = restore(&claimed) {
                dev_err!(
                    &claimed.device,
                    "given back by domain {domain}: not restored ({})\n",
                    error.to_errno()
                );
            }
        }
        end_use(&claimed);
        report(&claimed, domain, result);
    }
}

/// Restores the configuration of a device that was not reset: it decodes as it did when it was
/// claimed, and masters nothing.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - `EIO`: it doesn't answer.
fn restore(claimed: &Arc<Claimed>) -> Result {
    let locks = lock(&claimed.device)?;
    let mut result = Ok(());
    for device in locks.iter() {
        let quiet = device.quiesce();
        result = claimed.state.restore(&device, quiet);
    }
    result
}

/// Makes it nobody's.
fn end_use(claimed: &Arc<Claimed>) {
    // Without the lock, for want of memory, the mark is left to the device's release.
    if let Ok(locks) = lock(&claimed.device) {
        for device in locks.iter().filter(|_| registry::has(claimed)) {
            device.set_assigned(false);
        }
    }
    claimed.leave_user();
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
