// SPDX-License-Identifier: GPL-2.0

//! Whether the system is about to sleep: no guest gets a device then.

use crate::kapi::global::global;
use kernel::prelude::*;

global! {
    /// Whether the system isn't about to sleep. A guest gets a device only under this lock.
    static AWAKE(SYSTEM_IS_AWAKE): Mutex<bool> = true;
}

/// Runs what must not happen while the system goes to sleep; returns `None` if it is about to.
pub(crate) fn while_awake<T>(action: impl FnOnce() -> T) -> Option<T> {
    let awake = AWAKE.lock();
    awake.then(action)
}

/// The system is about to sleep, unless `check` fails. No guest gets a device meanwhile, nor until
/// [`woke`] is called.
///
/// # Errors
///
/// - Those of `check`.
pub(crate) fn about_to_sleep(check: impl FnOnce() -> Result) -> Result {
    let mut awake = AWAKE.lock();
    check()?;
    *awake = false;
    Ok(())
}

/// The system is awake again.
pub(crate) fn woke() {
    *AWAKE.lock() = true;
}
