// SPDX-License-Identifier: GPL-2.0

//! Being asked before the system sleeps.
//!
//! C header: [`include/linux/suspend.h`](srctree/include/linux/suspend.h)

use super::notifier::{self, Chain};
use core::marker::PhantomData;
use kernel::{bindings, ffi, prelude::*};

/// Who is asked.
pub(crate) trait Listener {
    /// The system is about to be suspended or hibernated. Processes still run.
    ///
    /// # Errors
    ///
    /// Any error keeps the system awake, and is what user space gets.
    fn about_to_sleep() -> Result;

    /// The system is awake again, or was kept awake by others. Processes run.
    fn woke();
}

/// A registered [`Listener`]; dropping it unregisters and waits for calls under way.
pub(crate) type Registration<T> = notifier::Registration<PowerManagement<T>>;

/// The chain of power management.
pub(crate) struct PowerManagement<T: Listener>(PhantomData<T>);

// SAFETY: `unregister` undoes `register`, and waits, as the chain is a blocking one.
unsafe impl<T: Listener> Chain for PowerManagement<T> {
    unsafe fn register(block: *mut bindings::notifier_block) -> ffi::c_int {
        // SAFETY: By the caller's promise.
        unsafe { bindings::register_pm_notifier(block) }
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // SAFETY: By the caller's promise. The only error is that it isn't registered.
        unsafe { bindings::unregister_pm_notifier(block) };
    }

    unsafe fn called(action: u32, _: *mut ffi::c_void) -> Option<Result> {
        match action {
            bindings::PM_SUSPEND_PREPARE | bindings::PM_HIBERNATION_PREPARE => {
                Some(T::about_to_sleep())
            }
            bindings::PM_POST_SUSPEND | bindings::PM_POST_HIBERNATION => {
                T::woke();
                Some(Ok(()))
            }
            _ => None,
        }
    }
}
