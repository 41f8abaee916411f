// SPDX-License-Identifier: GPL-2.0

//! Log lines: at a limited rate, where something outside the kernel can provoke them, and about a
//! device that the driver may no longer have.
//!
//! UPSTREAM(ratelimit-init): the state is built by hand, its lock included.
//!
//! C headers: [`include/linux/ratelimit.h`](srctree/include/linux/ratelimit.h),
//! [`include/linux/dev_printk.h`](srctree/include/linux/dev_printk.h)

use super::pci::raw_dev;
use core::ffi::CStr;
use kernel::{
    bindings,
    device,
    ffi::c_int,
    pci,
    str::CStrExt as _,
    types::Opaque, //
};

/// `log_limited!(dev_warn, device, "...", ...)`: the given macro, unless its limit is reached.
///
/// # Examples
///
/// ```ignore
/// log_limited!(dev_warn, device, "malformed ({errno})\n");
/// ```
macro_rules! log_limited {
    ($macro:ident, $($arguments:tt)*) => {{
        static LIMIT: $crate::kapi::log::RateLimit =
            $crate::kapi::log::RateLimit::new(c"rust_pciback");
        if LIMIT.allows() {
            kernel::prelude::$macro!($($arguments)*);
        }
    }};
}
pub(crate) use log_limited;

/// Lines let through in one interval, and its length in jiffies: the kernel's own defaults
/// (`DEFAULT_RATELIMIT_BURST`, `DEFAULT_RATELIMIT_INTERVAL`).
const BURST: i32 = 10;
const INTERVAL: i32 = 5 * bindings::CONFIG_HZ as i32;

/// A limit of 10 lines in 5 seconds.
pub(crate) struct RateLimit {
    state: Opaque<bindings::ratelimit_state>,
    name: &'static CStr,
}

// SAFETY: `___ratelimit()` serialises access to the state by the lock in it.
unsafe impl Sync for RateLimit {}

impl RateLimit {
    /// Takes the name under which the kernel reports suppressed lines.
    pub(crate) const fn new(name: &'static CStr) -> Self {
        // SAFETY: All bytes zero is what `RATELIMIT_STATE_INIT` makes of the fields not set here:
        // an unlocked raw spinlock, no lines left, flags clear.
        let mut state: bindings::ratelimit_state = unsafe { core::mem::zeroed() };
        state.interval = INTERVAL;
        state.burst = BURST;
        #[cfg(CONFIG_DEBUG_SPINLOCK)]
        {
            // `SPINLOCK_MAGIC`, `SPINLOCK_OWNER_INIT` (include/linux/spinlock_types_raw.h).
            state.lock.magic = 0xdead_4ead;
            state.lock.owner_cpu = u32::MAX;
            state.lock.owner = core::ptr::without_provenance_mut(usize::MAX);
        }
        Self {
            state: Opaque::new(state),
            name,
        }
    }

    /// Returns `true` if a line may be written now.
    pub(crate) fn allows(&self) -> bool {
        // SAFETY: The state is initialised and never moves (it is only used in statics), and the
        // name is a C string.
        unsafe { bindings::___ratelimit(self.state.get(), self.name.as_char_ptr()) != 0 }
    }
}

/// How urgent a line is.
#[derive(Clone, Copy)]
pub(crate) enum Level {
    /// Something failed.
    Error,
    /// Something may be wrong.
    Warning,
    /// Something happened.
    Info,
}

impl Level {
    /// Returns the kernel's number (`LOGLEVEL_*` of include/linux/kern_levels.h).
    const fn number(self) -> c_int {
        match self {
            Self::Error => 3,
            Self::Warning => 4,
            Self::Info => 6,
        }
    }
}

/// Writes a line about a device that looks as if `driver` wrote it, whichever driver the device has
/// by now.
pub(crate) fn write(level: Level, driver: &CStr, device: &pci::Device, text: &CStr) {
    let dev: &device::Device = device.as_ref();
    // SAFETY: The device is valid, the format takes three strings, and these are three.
    unsafe {
        bindings::dev_printk_emit(
            level.number(),
            raw_dev(device),
            c"%s %s: %s\n".as_char_ptr(),
            driver.as_char_ptr(),
            dev.name().as_char_ptr(),
            text.as_char_ptr(),
        );
    }
}
