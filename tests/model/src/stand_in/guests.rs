// SPDX-License-Identifier: GPL-2.0

//! `crate::backend::guests`: that guests are scheduled, whichever.

use super::sync::{CondVar, Mutex};

shuttle::lazy_static! {
    static ref TIMES: Mutex<usize> = Mutex::new(0);
    static ref SCHEDULED: CondVar = CondVar::new();
}

pub(crate) fn schedule_waiting() {
    *TIMES.lock() += 1;
    SCHEDULED.notify_all();
}

pub(crate) fn schedule_all() {
    schedule_waiting();
}

/// Returns how many times guests were scheduled so far.
pub(crate) fn times() -> usize {
    *TIMES.lock()
}

/// Waits until they are scheduled, if they were not since there were so many times.
pub(crate) fn wait(times: usize) {
    let mut now = TIMES.lock();
    while *now == times {
        SCHEDULED.wait(&mut now);
    }
}
