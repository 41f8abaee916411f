// SPDX-License-Identifier: GPL-2.0

//! What is remembered of a claimed device's errors (AER).

use crate::pure::error_recovery::{
    Next,
    Resets, //
};
use kernel::{
    prelude::*,
    sync::{
        CondVar,
        CondVarTimeoutResult,
        Mutex, //
    },
    time::{
        msecs_to_jiffies,
        Instant,
        Monotonic, //
    },
};

/// What is remembered of a claimed device's errors.
#[pin_data]
pub(crate) struct AerState {
    since: Instant<Monotonic>,
    #[pin]
    books: Mutex<Books>,
    /// Notified when the claim has ended.
    #[pin]
    ended: CondVar,
}

struct Books {
    /// The device has failed in the recovery that is under way.
    affected: bool,
    resets: Resets,
    /// A reset is to come.
    pending: bool,
    /// The toolstack was notified in the use under way, or is about to be.
    notified: bool,
    /// The claim has ended.
    ended: bool,
}

impl AerState {
    /// The state of a device that has had no error.
    pub(crate) fn new() -> impl PinInit<Self> {
        let books = Books {
            affected: false,
            resets: Resets::default(),
            pending: false,
            notified: false,
            ended: false,
        };
        pin_init!(Self {
            since: Instant::now(),
            books <- kernel::new_mutex!(books),
            ended <- kernel::new_condvar!(),
        })
    }

    /// Forgets all errors: somebody has reset the device, which is clean.
    pub(crate) fn forget(&self) {
        self.books.lock().resets = Resets::default();
    }

    /// Ends the waiting for a reset to come: the device is released.
    pub(crate) fn end(&self) {
        self.books.lock().ended = true;
        self.ended.notify_all();
    }

    /// Returns `true` if the toolstack is to be notified of an error. One message in each use is
    /// enough, however many errors there are: a guest can provoke them.
    pub(crate) fn begin_notifying(&self) -> bool {
        !core::mem::replace(&mut self.books.lock().notified, true)
    }

    /// The use has ended, or the toolstack can't be notified in it: it is notified of the next
    /// error.
    pub(crate) fn forget_notification(&self) {
        self.books.lock().notified = false;
    }

    /// Notes whether the recovery that begins concerns the device.
    pub(crate) fn begin_recovery(&self, affected: bool) {
        self.books.lock().affected = affected;
    }

    /// Notes that the recovery under way concerns the device; returns `true` if it did before.
    pub(crate) fn mark_affected(&self) -> bool {
        core::mem::replace(&mut self.books.lock().affected, true)
    }

    /// Ends a recovery. Returns `true` if it concerned the device.
    pub(crate) fn end_recovery(&self) -> bool {
        core::mem::take(&mut self.books.lock().affected)
    }

    /// Returns what follows from an error: nothing while the reset for the last error is still to
    /// come.
    pub(crate) fn next_step(&self) -> Option<Next> {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(0);
        let mut books = self.books.lock();
        if books.pending {
            return None;
        }
        let (resets, next) = books.resets.after_error(now);
        books.resets = resets;
        books.pending = matches!(next, Next::ResetAfter(_));
        Some(next)
    }

    /// The reset that was to come begins, or isn't wanted any more.
    pub(crate) fn end_pending(&self) {
        self.books.lock().pending = false;
    }

    /// Waits for that many milliseconds; returns `true` if the device is still claimed.
    pub(crate) fn pause(&self, millis: u32) -> bool {
        let mut books = self.books.lock();
        let mut patience = msecs_to_jiffies(millis);
        while !books.ended && patience > 0 {
            patience = match self.ended.wait_interruptible_timeout(&mut books, patience) {
                CondVarTimeoutResult::Woken { jiffies }
                | CondVarTimeoutResult::Signal { jiffies } => jiffies,
                CondVarTimeoutResult::Timeout => 0,
            };
        }
        !books.ended
    }
}
