// SPDX-License-Identifier: GPL-2.0

//! Rate limits for log lines that something outside the kernel can provoke.
//!
//! C header: [`include/linux/ratelimit.h`](srctree/include/linux/ratelimit.h)

use core::ffi::CStr;
use kernel::{bindings, str::CStrExt as _, types::Opaque};

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

    /// Tells whether a line may be written now.
    pub(crate) fn allows(&self) -> bool {
        // SAFETY: The state is initialised and never moves (it is only used in statics), and the
        // name is a C string.
        unsafe { bindings::___ratelimit(self.state.get(), self.name.as_char_ptr()) != 0 }
    }
}
