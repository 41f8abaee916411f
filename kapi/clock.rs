// SPDX-License-Identifier: GPL-2.0

//! The monotonic clock, as a number that decisions can be made on.
//!
//! UPSTREAM(instant-as-nanos): `Instant::as_nanos()` is private to the kernel crate.
//!
//! C header: [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h)

use crate::pure::time::Time;
use kernel::bindings;

/// Returns the time now. May be called anywhere.
///
/// # Examples
///
/// ```ignore
/// let start = clock::now();
/// ```
pub(crate) fn now() -> Time {
    // SAFETY: It may be called in any context but NMIs, which nothing here is.
    Time(unsafe { bindings::ktime_get() })
}
