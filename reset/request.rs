// SPDX-License-Identifier: GPL-2.0

//! Resets that user space asks for.

use super::{
    blockers,
    ladder,
    snapshot::Snapshot, //
};
use crate::{
    device::{
        claimed::Claimed,
        registry,
        workers::{
            self,
            Wait, //
        },
    },
    kapi::clock,
    pure::{
        bdf_grammar::Pattern,
        device_state::Holder,
        reset_batch::{
            divide,
            Task, //
        },
        reset_state::ResetState,
        time::Time, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Resets all claimed devices that the addresses cover, and notifies Xen.
///
/// Sleeps for as long as the resets take, and before that for as long as somebody else (another
/// reset, a driver coming or going) holds one of the devices.
///
/// # Errors
///
/// Where some devices fail, the others are reset all the same, and the error is that of one of
/// those that failed.
///
/// - `ENODEV`: an address covers no device that this driver has claimed.
/// - `ENOTTY`: there is no method, or none that does more than a power-state reset, which was
///   tried.
/// - `EBUSY`: there is a method, but it would reach a device that others use or could use.
/// - `EAGAIN`: another reset is under way for too long, or devices keep coming and going.
/// - `EIO`, `ETIMEDOUT`: the device doesn't answer, or didn't come back.
/// - `ENOMEM`: no memory.
/// - The errno of another step of the reset, or Xen's errno when it refused to hear of it.
pub(crate) fn reset_devices(patterns: impl Iterator<Item = Pattern> + Clone) -> Result {
    let start = clock::now();
    let claimed = registry::all()?;
    let mut result = Ok(());
    for pattern in patterns.clone() {
        if !claimed.iter().any(|claimed| pattern.covers(claimed.sbdf)) {
            result = Err(blockers::nothing_claimed(pattern));
        }
    }
    let mut targets = KVec::new();
    for claimed in &claimed {
        let wanted = |pattern: Pattern| pattern.covers(claimed.sbdf);
        if patterns.clone().any(wanted) {
            claimed.reset_requested();
            targets.push(claimed.clone(), GFP_KERNEL)?;
        }
    }
    let left = wait_left(&mut targets, start);
    if left == Err(ERESTARTSYS) {
        return left; // Nothing was done yet, so the write can be restarted.
    }
    result.and(left).and(reset_together(&targets, start))
}

/// Waits for devices that are being cleaned after their last guests: whoever asks for a reset now
/// is about to give them to the next guest. Those that are clean afterwards are removed from
/// `targets`, and so are those for which it takes too long.
///
/// # Errors
///
/// - `EAGAIN`: it takes too long.
/// - `ERESTARTSYS`: a signal came.
fn wait_left(targets: &mut KVec<Arc<Claimed>>, start: Time) -> Result {
    let mut result = Ok(());
    targets.retain(|target: &mut Arc<Claimed>| {
        if !target.holder().is_leaving() {
            return true;
        }
        match target.wait_left() {
            Ok(()) => !target
                .reset_since(start)
                .is_some_and(|record| record.is_clean()),
            Err(error) if error == ERESTARTSYS => {
                result = Err(error);
                false
            }
            Err(_) => {
                result = Err(blockers::still_leaving(target));
                false
            }
        }
    });
    result
}

/// Resets the devices by the whole ladder, a shared bus once for all of them, and notifies Xen. A
/// reset that ended after `start` isn't repeated.
///
/// # Errors
///
/// One of those of [`reset_devices`], but for the first; the others were completed.
pub(crate) fn reset_together(targets: &[Arc<Claimed>], start: Time) -> Result {
    let result = match targets.split_first() {
        None => Ok(()),
        Some((only, [])) => ladder::go_down(only, start, |_| true).map_err(|error| {
            // What was done already isn't to be done once more.
            if error == ERESTARTSYS && only.reset_since(start).is_some() {
                EINTR
            } else {
                error
            }
        }),
        Some(_) => reset_many(targets, start),
    };
    for target in targets {
        let record = target.reset_since(start);
        if record.is_some_and(|record| record.state == ResetState::Clean) {
            target.aer.forget();
        }
    }
    result
}

/// Resets several devices: those that lead first, then what their resets didn't reach after all.
fn reset_many(targets: &[Arc<Claimed>], start: Time) -> Result {
    let mut alone = KVec::new();
    let mut with = KVec::new();
    {
        let snapshot = Snapshot::take()?;
        let mut tasks = KVec::new();
        for target in targets {
            let index = snapshot.index_of(&target.device).unwrap_or(usize::MAX);
            tasks.push(Task::new(index), GFP_KERNEL)?;
        }
        divide(snapshot.topology(), &mut tasks);
        for (task, target) in tasks.iter().zip(targets) {
            let list = if task.part.is_own() {
                &mut alone
            } else {
                &mut with
            };
            list.push(target.clone(), GFP_KERNEL)?;
        }
    }
    let mut result = at_the_same_time(&alone, start);
    with.retain(
        |target: &mut Arc<Claimed>| match target.reset_since(start) {
            Some(record) => {
                if let Some(error) = record.error {
                    result = result.and(Err(error));
                }
                record.state != ResetState::Clean && record.error.is_none()
            }
            None => true,
        },
    );
    result.and(at_the_same_time(&with, start))
}

/// Resets the devices at the same time.
///
/// # Errors
///
/// - One of those of [`ladder::go_down`]; the others were completed.
/// - `ENOMEM`: no memory; nothing was done.
/// - `EINTR`: a signal came; the resets go on.
fn at_the_same_time(targets: &[Arc<Claimed>], start: Time) -> Result {
    let reset = move |target: &Arc<Claimed>| ladder::go_down(target, start, |_| true);
    match workers::for_all(targets, Wait::Interruptibly, reset) {
        // A restarted write would reset everything again.
        Err(error) if error == ERESTARTSYS => Err(EINTR),
        result => result,
    }
}

/// Resets a claimed device in the background, if it is `still_wanted` when its turn comes, and as
/// long as nobody holds it. What comes of it is in the device's record and, when it fails, in the
/// log.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - `ENODEV`: the module goes.
pub(crate) fn reset_later(
    target: Arc<Claimed>,
    still_wanted: impl FnOnce(&Claimed) -> bool + Send + 'static,
) -> Result {
    workers::spawn(move || {
        if still_wanted(&target) {
            // The result is recorded and logged.
            let _ = ladder::go_down(&target, clock::now(), is_free);
        }
    })
}

/// Returns `true` if nobody holds a device.
fn is_free(claimed: &Claimed) -> bool {
    claimed.holder() == Holder::Nobody
}
