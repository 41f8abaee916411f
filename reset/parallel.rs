// SPDX-License-Identifier: GPL-2.0

//! Resetting several devices at the same time.

use super::ladder;
use crate::{
    kapi::{global::global, workqueue::OwnQueue},
    stub::claimed::Claimed,
};
use kernel::{
    prelude::*,
    sync::{Arc, CondVar, Mutex},
    time::{Instant, Monotonic},
};

global! {
    /// The queue that the work is put on.
    static QUEUE(RESET_QUEUE): Mutex<Option<Arc<OwnQueue>>> = None;
}

/// The queue's life: from before the driver's registration to after its end.
pub(crate) struct Workers(());

impl Workers {
    /// Makes the queue.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(crate) fn new() -> Result<Self> {
        *QUEUE.lock() = Some(Arc::new(OwnQueue::new(c"rust_pciback")?, GFP_KERNEL)?);
        Ok(Self(()))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let queue = QUEUE.lock().take();
        drop(queue); // Waits for the last work to return, outside of the lock.
    }
}

/// Has a claimed device reset in the background. What comes of it is in the device's record and,
/// when it fails, in the log.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - `ENODEV`: the module goes.
pub(crate) fn reset_later(target: Arc<Claimed>) -> Result {
    spawn(move || {
        // The result is recorded and logged.
        let _ = ladder::go_down(&target, Instant::now());
    })
}

/// Has work done in the background that may wait for hardware, but not for other such work.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - `ENODEV`: the module goes.
pub(crate) fn spawn(work: impl FnOnce() + Send + 'static) -> Result {
    let queue = QUEUE.lock().clone().ok_or(ENODEV)?;
    queue.spawn(work)
}

/// Work under way.
#[pin_data]
struct Group {
    #[pin]
    left: Mutex<Left>,
    #[pin]
    ended: CondVar,
}

/// What is left of it, and what came of the rest.
struct Left {
    jobs: usize,
    result: Result,
}

impl Group {
    fn run(&self, target: &Arc<Claimed>, start: Instant<Monotonic>) {
        let result = ladder::go_down(target, start);
        let mut left = self.left.lock();
        left.jobs = left.jobs.saturating_sub(1);
        left.result = left.result.and(result);
        self.ended.notify_all();
    }
}

/// Resets the devices, all at the same time as far as memory allows; returns when the last is
/// done.
///
/// # Errors
///
/// - One of those of [`ladder::go_down`]; the others were completed.
/// - `ENOMEM`: no memory; nothing was done.
/// - `EINTR`: a signal came; the resets go on.
pub(super) fn reset(targets: &[Arc<Claimed>], start: Instant<Monotonic>) -> Result {
    let Some((last, others)) = targets.split_last() else {
        return Ok(());
    };
    if others.is_empty() {
        return ladder::go_down(last, start);
    }
    let left = Left {
        jobs: targets.len(),
        result: Ok(()),
    };
    let group = Arc::pin_init(
        pin_init!(Group {
            left <- kernel::new_mutex!(left),
            ended <- kernel::new_condvar!(),
        }),
        GFP_KERNEL,
    )?;
    let queue = QUEUE.lock().clone().ok_or(ENODEV)?;
    for target in others {
        let (group_there, target_there) = (group.clone(), target.clone());
        let job = move || group_there.run(&target_there, start);
        if queue.spawn(job).is_err() {
            group.run(target, start); // No memory for doing it elsewhere.
        }
    }
    group.run(last, start);
    let mut left = group.left.lock();
    while left.jobs > 0 {
        // What is under way goes on by itself. (Not ERESTARTSYS: nobody wants it all again.)
        if group.ended.wait_interruptible(&mut left) {
            return Err(EINTR);
        }
    }
    match left.result {
        Err(error) if error == ERESTARTSYS => Err(EINTR),
        result => result,
    }
}
