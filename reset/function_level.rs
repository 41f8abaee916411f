// SPDX-License-Identifier: GPL-2.0

//! The reset of one device by its own methods, when it is claimed or released: the driver core
//! holds the device's lock then, so no bridge can be locked and no neighbour touched.

use super::{
    execute::{
        execute_function,
        Done,
        Failed,
        Member, //
    },
    notify,
    snapshot, //
};
use crate::{
    device::{
        record::ResetRecord,
        saved_state::SavedState, //
    },
    kapi::{
        pci::{
            listed_methods,
            CfgLocked,
            DeviceExt,
            Header,
            Locked, //
        },
        xen::Dom0, //
    },
    pure::{
        canary::Proof,
        reset_plan::{
            Rung,
            Rungs, //
        },
    },
};
use kernel::prelude::*;

/// What the ladder's own methods came to.
pub(crate) struct Outcome {
    /// The last of them, or [`ResetRecord::NONE`] where there is none.
    pub(crate) record: ResetRecord,
    /// Those that were seen to reset nothing.
    pub(crate) unproven: Rungs,
}

/// Goes down the function-level methods that are listed for the device until one is not seen to
/// reset nothing; `unproven` is called for each that did. `state` is restored after each. A bridge
/// has none: a reset of it would reach what is below. The device must have been seen to answer
/// since its lock was taken.
///
/// # Errors
///
/// - `EBUSY`, step "look for virtual functions": the device has virtual functions, which would be
///   lost.
/// - `EIO`: the device doesn't answer, and nothing was tried; or it didn't take its state back.
/// - `ETIMEDOUT`: it didn't come back from the reset.
/// - The errno of the step that failed.
pub(crate) fn reset(
    device: &CfgLocked<'_>,
    state: &SavedState,
    unproven: impl Fn(Rung),
) -> Result<Outcome, Failed> {
    let mut outcome = Outcome {
        record: ResetRecord::NONE,
        unproven: Rungs::default(),
    };
    if device.device().header() != Header::Normal {
        return Ok(outcome);
    }
    let mut answers = true;
    for method in listed_methods(device.device()).function_level() {
        if snapshot::has_virtual_functions(device.device()) {
            return Err(Failed::at("look for virtual functions")(EBUSY));
        }
        let member = Member {
            device: device.share(),
            state: Some(state),
        };
        let Done { micros, findings } = execute_function(&member, method, answers)?;
        answers = false;
        let proof = match findings.into_iter().next() {
            Some(finding) => finding?,
            None => Proof::Unknown,
        };
        let rung = Rung::Function(method);
        outcome.record = ResetRecord::executed(rung, proof, micros);
        if proof != Proof::Disproven {
            break;
        }
        outcome.unproven.insert(rung);
        unproven(rung);
    }
    Ok(outcome)
}

/// Notifies Xen of a reset, unless it is known to have reset nothing, and notes what Xen knows.
///
/// # Errors
///
/// - Xen's errno.
pub(crate) fn notify_xen(record: &mut ResetRecord, dom0: Dom0, locked: &Locked<'_>) -> Result {
    let was_reset = record.proof != Some(Proof::Disproven);
    if let Some(rung) = record.by.filter(|_| was_reset) {
        record.xen = Some(notify::notify_xen(dom0, locked, rung)?);
    }
    Ok(())
}
