// SPDX-License-Identifier: GPL-2.0

//! Going down the ladder for one claimed device: resetting it by one rung after the other.
//!
//! For each rung the hierarchy is read anew and the reset planned, then all that the plan reaches
//! is reserved and locked, and then the plan is made once more. Only if it is still the same is it
//! carried out.

use super::{
    blockers::{
        self,
        Blockers, //
    },
    execute::{
        Done,
        Failed, //
    },
    notify::{
        self,
        notify_xen, //
    },
    scope::ResetScope,
    snapshot::Snapshot, //
};
use crate::{
    device::{
        claimed::Claimed,
        intx,
        record::ResetRecord,
        reservation::Reservation,
        NAME, //
    },
    fault,
    kapi::{
        log::log_limited,
        pci::{
            DeviceLock,
            DeviceLocks,
            Locked,
            Unlocked, //
        },
    },
    pure::{
        canary::Proof,
        reset_plan::{
            Plan,
            Rung,
            Rungs,
            Unproven,
            Why, //
        },
        reset_state::ResetState,
        time::Time,
        topology::Reset, //
    },
};
use kernel::{
    pci,
    prelude::*,
    sync::Arc, //
};

/// How often a plan is made again that has changed by the time that everything is locked. A device
/// that comes or goes changes it once; more than that is no coincidence.
const TRIES: usize = 3;

/// What came of a rung.
enum Step {
    /// No other rung is tried.
    Ended(Result),
    /// This rung failed: try the next.
    GoDown(Rungs, Option<Error>),
    /// No rung is left, or none that may be used.
    NoWay(Plan, Snapshot),
    /// The hierarchy changed meanwhile.
    Changed,
}

/// Resets the device by the gentlest method that works. A slot or bus reset that another request
/// has carried out since `start` isn't repeated. Nothing more is done when the reset isn't
/// `still_wanted`; that is asked with the device reserved, so that no guest can get it then.
///
/// # Errors
///
/// - `ENODEV`: the device was released meanwhile.
/// - `ENOTTY`: there is no method, or only ones that were seen to reset nothing, or a power-state
///   reset, which was tried.
/// - `EBUSY`: a method is there, but would reach somebody else's device.
/// - `EAGAIN`: another reset is under way for too long, or the hierarchy keeps changing.
/// - `EIO`, `ETIMEDOUT`, Xen's errno, others: the last step that failed.
pub(crate) fn go_down(
    target: &Arc<Claimed>,
    start: Time,
    still_wanted: fn(&Claimed) -> bool,
) -> Result {
    let mut tried = Rungs::default();
    let mut failure: Option<Error> = None;
    let mut tries = 0usize;
    loop {
        let next = step(target, tried, failure.is_some(), start, still_wanted);
        let next = next.map_err(|failed| {
            if failed.error != ERESTARTSYS {
                log_failure(&target.device, None, &failed);
            }
            failed.error
        })?;
        match next {
            Step::Ended(result) => return result,
            Step::GoDown(rungs, error) => {
                tried.extend(rungs);
                failure = error.or(failure);
            }
            Step::NoWay(plan, snapshot) => {
                return Err(blockers::refuse(target, plan, &snapshot, tried, failure));
            }
            Step::Changed => {
                tries = tries.saturating_add(1);
                if tries == TRIES {
                    log_failure(
                        &target.device,
                        None,
                        &Failed::at("planning while devices come and go")(EAGAIN),
                    );
                    return Err(EAGAIN);
                }
            }
        }
    }
}

/// Plans, locks and carries out the next rung. After one that `failed`, a weak one is left out: the
/// device would look cleaner than it is.
fn step(
    target: &Arc<Claimed>,
    tried: Rungs,
    failed: bool,
    start: Time,
    still_wanted: fn(&Claimed) -> bool,
) -> Result<Step, Failed> {
    let snapshot = Snapshot::around(&target.device, tried).map_err(Failed::at("snapshot"))?;
    let Some(index) = index_of(&snapshot, target) else {
        return Ok(Step::Ended(Err(blockers::not_claimed(target.sbdf))));
    };
    let reset = match snapshot.topology().plan(index, tried) {
        Plan::Reset(reset) if failed && reset.rung().is_weak() => {
            return Ok(Step::NoWay(Plan::Nothing, snapshot));
        }
        Plan::Reset(reset) => reset,
        plan if wait_for_claims(target, plan, &snapshot) => return Ok(Step::Changed),
        plan => return Ok(Step::NoWay(plan, snapshot)),
    };
    let scope = ResetScope::of(&snapshot, reset).map_err(Failed::at("preparation"))?;
    let _reserved =
        Reservation::take(scope.ours()).map_err(Failed::at("waiting for another reset"))?;
    if !still_wanted(target) {
        return Ok(Step::Ended(Ok(())));
    }
    let shared = matches!(reset, Reset::Below { .. });
    if shared
        && target
            .reset_since(start)
            .is_some_and(|record| record.is_clean())
    {
        return Ok(Step::Ended(Ok(()))); // Another request has reset it.
    }
    fault::planned();
    let locks = DeviceLocks::new(scope.to_lock().map_err(Failed::at("preparation"))?);
    if !still_so(target, tried, reset, &scope).map_err(Failed::at("second plan"))? {
        return Ok(Step::Changed);
    }
    let outcome = scope.reset(&locks, reset, target);
    // With the locks still held: once a native driver has the device, Xen must not be told to
    // forget what it knows of it.
    conclude(target, reset.rung(), &scope, &locks, outcome)
}

/// Waits until what blocks a reset is claimed, or released, if that is under way: then it has this
/// driver, which hasn't claimed it. Returns `true` if it was.
fn wait_for_claims(target: &Claimed, plan: Plan, snapshot: &Snapshot) -> bool {
    let Plan::Blocked(reset) = plan else {
        return false;
    };
    let mut waited = false;
    for blocker in Blockers::new(snapshot, reset, &target.device).iter() {
        if blocker.why != Why::Driver {
            continue;
        }
        let Some(device) = snapshot.device(blocker.index) else {
            continue;
        };
        if device.driver_name().is_some_and(|name| &*name == NAME) {
            drop(DeviceLock::new(device));
            waited = true;
        }
    }
    waited
}

/// Returns the index of the device if it is still claimed as it was.
fn index_of(snapshot: &Snapshot, target: &Arc<Claimed>) -> Option<usize> {
    let index = snapshot.index_of(&target.device)?;
    let now = snapshot.claimed(index)?;
    Arc::ptr_eq(now, target).then_some(index)
}

/// Returns `true` if the plan would be the same now, and reach the same.
fn still_so(target: &Arc<Claimed>, tried: Rungs, plan: Reset, before: &ResetScope) -> Result<bool> {
    let now = Snapshot::around(&target.device, tried)?;
    let Some(index) = index_of(&now, target) else {
        return Ok(false);
    };
    match now.topology().plan(index, tried) {
        Plan::Reset(reset) if reset.is_like(plan) => Ok(ResetScope::of(&now, reset)?.is(before)),
        _ => Ok(false),
    }
}

/// Notifies Xen, stores the records, and draws the conclusion for the target.
///
/// # Errors
///
/// - `ENOMEM`: no memory; nothing was done.
fn conclude(
    target: &Arc<Claimed>,
    planned: Rung,
    scope: &ResetScope,
    locks: &DeviceLocks,
    outcome: Result<(Rung, Done), Failed>,
) -> Result<Step, Failed> {
    let mut tried = Rungs::default();
    tried.insert(planned);
    let (rung, Done { micros, findings }) = match outcome {
        Ok(done) => done,
        Err(failed) if failed.error == EAGAIN => return Ok(Step::Changed),
        Err(failed) if failed.error == ENOMEM => return Err(failed),
        Err(failed) => {
            log_failure(&target.device, Some(planned), &failed);
            target.record_not_begun(planned, failed.error);
            notify::uevent(&target.device, &target.last_reset());
            return Ok(Step::GoDown(tried, Some(failed.error)));
        }
    };
    tried.insert(rung);
    let mut others = Ok(());
    let mut mine = ResetRecord::failed(rung, ENODEV);
    for ((locked, claimed), finding) in scope.locked_members(locks).zip(findings) {
        let device = locked.device();
        let record = match (claimed, finding) {
            (Some(claimed), Ok(proof)) => notify(&locked, claimed, rung, proof, micros),
            (Some(_), Err(failed)) => {
                log_failure(device, Some(rung), &failed);
                ResetRecord::failed(rung, failed.error)
            }
            (None, finding) => {
                if let Err(failed) = finding {
                    log_failure(device, Some(rung), &failed);
                    others = Err(failed.error);
                }
                continue;
            }
        };
        let Some(claimed) = claimed else { continue };
        intx::see_to_pin(claimed, &locked);
        if record.state == ResetState::Unproven {
            claimed.disprove(rung);
            log_limited!(dev_warn, device, "{}\n", Unproven(rung));
        }
        if Arc::ptr_eq(claimed, target) {
            mine = record;
        } else {
            others = record.error.map_or(others, Err);
        }
        finish(claimed, record);
    }
    Ok(match mine {
        ResetRecord {
            state: ResetState::Clean,
            ..
        } => Step::Ended(others),
        ResetRecord {
            state: ResetState::Weak,
            ..
        } => {
            blockers::weak(target, rung);
            Step::Ended(Err(ENOTTY))
        }
        // Xen refused, and would after a stronger reset as well.
        ResetRecord {
            proof: Some(_),
            error: Some(error),
            ..
        } => Step::Ended(Err(error)),
        ResetRecord { error, .. } => Step::GoDown(tried, error),
    })
}

/// Notifies Xen of a reset that was carried out, unless it is known to have reset nothing, and
/// returns the record.
fn notify(
    locked: &Locked<'_>,
    claimed: &Claimed,
    rung: Rung,
    proof: Proof,
    micros: i64,
) -> ResetRecord {
    let record = ResetRecord::executed(rung, proof, micros);
    if proof == Proof::Disproven {
        return record;
    }
    match notify_xen(claimed.dom0, locked, rung) {
        Ok(notified) => ResetRecord {
            xen: Some(notified),
            ..record
        },
        Err(error) => {
            log_failure(&claimed.device, Some(rung), &Failed::at("notify")(error));
            ResetRecord {
                state: ResetState::Failed,
                error: Some(error),
                ..record
            }
        }
    }
}

/// Stores the record of a device, and notifies user space.
fn finish(claimed: &Claimed, record: ResetRecord) {
    claimed.record(record);
    notify::uevent(&claimed.device, &record);
}

/// Logs a step that failed.
fn log_failure(device: &pci::Device, rung: Option<Rung>, failed: &Failed) {
    let Failed { step, error } = *failed;
    let (by, rung) = rung.map_or(("", ""), |rung| (" by ", rung.name()));
    log_limited!(
        dev_err,
        device,
        "reset_device: {step}{by}{rung} failed ({})\n",
        error.to_errno()
    );
}
