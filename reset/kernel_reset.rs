// SPDX-License-Identifier: GPL-2.0

//! Resets of a claimed device that the kernel carries out by itself. Somebody wrote to the device's
//! file `reset` (xenopsd does, before anything else) or to a bridge's `reset_subordinate`, or the
//! driver of another device reset their common bus (vfio, `pci_reset_bus()`).
//!
//! The kernel saves the configuration before and restores it after, even if it is a guest's. So
//! [`prepare`] quiesces the device before it is saved, and [`done`] restores the configuration of
//! its claim.
//!
//! **Locks.** The kernel holds the device's lock and keeps user space from its configuration space,
//! from before [`prepare`] to after [`done`]. No reservation is taken, because its holder may be
//! waiting for that lock. The lock is enough: a reservation only orders planning. Its holder
//! touches the device and writes the record under the device's lock, and checks the plan again once
//! it has that lock. So such a reset comes wholly before or wholly after this one, and the record
//! is that of the last.

use super::notify::{
    self,
    notify_xen, //
};
use crate::{
    device::{
        claimed::Claimed,
        intx,
        record::{
            KernelReset,
            ResetRecord, //
        },
        registry,
        reset_methods::is_alone_on_its_bus, //
    },
    kapi::{
        log::log_limited,
        pci::{
            listed_methods,
            CfgLocked,
            DeviceExt,
            Unlocked, //
        },
    },
    pure::{
        canary::Proof,
        kernel_reset::{
            Facts,
            Guess, //
        },
        reset_plan::{
            Rung,
            Unproven, //
        },
        reset_state::ResetState, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc,
    time::Instant, //
};

/// Returns what is known of the device, unless it is a bridge: what is below a bridge may be in
/// use, so it keeps what the kernel restores.
fn endpoint(device: &CfgLocked<'_>) -> Option<Arc<Claimed>> {
    registry::find(device.device().sbdf()).filter(|claimed| claimed.is_endpoint())
}

/// The kernel is about to reset the device.
pub(crate) fn prepare(device: &CfgLocked<'_>) {
    let Some(claimed) = endpoint(device) else {
        return;
    };
    // If it doesn't wake and the reset doesn't help, that is found out after the reset.
    let _ = device.wake();
    let start = Instant::now();
    let answered = device.is_ready();
    let quiet = device.quiesce();
    *claimed.kernels_reset.lock() = Some(KernelReset {
        quiet,
        canaries: device.plant_unsaved_canaries(),
        start,
        answered,
        listed: listed_methods(device.device()),
        alone: is_alone_on_its_bus(device.device()),
    });
}

/// The kernel has reset the device, or failed to, and has restored what was there before.
pub(crate) fn done(device: &CfgLocked<'_>) {
    let Some(claimed) = endpoint(device) else {
        return;
    };
    let under_way = claimed.kernels_reset.lock().take();
    let Some(under_way) = under_way else { return };
    let micros = under_way.start.elapsed().as_micros_ceil();
    let facts = Facts {
        listed: under_way.listed,
        answered: under_way.answered,
        micros,
        immediate: device.device().is_immediately_ready(),
        alone: under_way.alone,
    };
    let guess = facts.conclude();
    // The kernel has waited for the device.
    let came_back = device.is_ready();
    let proof = device.check_canaries(under_way.canaries, None);
    // The kernel may have restored what decodes.
    let restored = claimed
        .saved
        .restore(device, under_way.quiet.after_reset(None));
    intx::see_to_pin(&claimed, device);
    let record = match restored {
        _ if !came_back => failed(&claimed, guess.by, "ready check", ETIMEDOUT),
        Err(error) => failed(&claimed, guess.by, "restore", error),
        Ok(()) => notify(device, &claimed, guess, proof, micros),
    };
    conclude(&claimed, guess, record);
}

/// Notifies Xen of a reset, unless it is known to have reset nothing, and returns the record.
fn notify(
    device: &CfgLocked<'_>,
    claimed: &Claimed,
    guess: Guess,
    proof: Proof,
    micros: i64,
) -> ResetRecord {
    let mut record = ResetRecord::executed(guess.by, proof, micros);
    if !guess.is_known(proof) {
        record.state = ResetState::Unproven;
    }
    if proof == Proof::Disproven {
        return record;
    }
    match notify_xen(claimed.dom0, device, guess.by) {
        Ok(notified) => record.xen = Some(notified),
        Err(error) => {
            record.state = ResetState::Failed;
            record.error = Some(error);
            let _ = failed(claimed, guess.by, "notify", error);
        }
    }
    record
}

/// Logs a step that failed, and returns the record.
fn failed(claimed: &Claimed, by: Rung, step: &'static str, error: Error) -> ResetRecord {
    log_limited!(
        dev_err,
        &claimed.device,
        "reset by the kernel: {step} by {by} failed ({}): write its address to reset_device\n",
        error.to_errno()
    );
    ResetRecord::failed(by, error)
}

/// Stores the record and notifies user space.
fn conclude(claimed: &Claimed, guess: Guess, record: ResetRecord) {
    let device = &claimed.device;
    match record.state {
        ResetState::Clean => claimed.aer.forget(),
        ResetState::Unproven if record.proof == Some(Proof::Disproven) => {
            if guess.sure {
                claimed.disprove(guess.by);
            }
            log_limited!(dev_warn, device, "{}\n", Unproven(guess.by));
        }
        ResetState::Failed => {} // That was logged.
        state => log_limited!(
            dev_warn,
            device,
            "reset by the kernel, by {}: {}; for a better reset, write its address to reset_device\n",
            guess.by,
            state.name()
        ),
    }
    claimed.record(record);
    notify::uevent(device, &record);
}
