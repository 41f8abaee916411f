// SPDX-License-Identifier: GPL-2.0

//! Locked values that live as long as the module, for callbacks that come without a pointer of
//! ours (driver attributes, notifiers, privcmd's hook).
//!
//! `kernel::sync::global_lock!` leaves it to its user to initialise the lock in time; here the
//! first use does. (Each of our globals is first used while the module loads, before anything that
//! could use it at the same time is registered.)

use core::sync::atomic::{AtomicU8, Ordering};
use kernel::sync::lock::{GlobalGuard, GlobalLock, GlobalLockBackend};

const NEW: u8 = 0;
const BEING_INITIALISED: u8 = 1;
const READY: u8 = 2;

/// A global lock that initialises itself; made by `global!` only.
pub(crate) struct Global<B: GlobalLockBackend + 'static> {
    lock: &'static GlobalLock<B>,
    state: AtomicU8,
}

impl<B: GlobalLockBackend> Global<B> {
    /// For `global!`.
    ///
    /// # Safety
    ///
    /// There must be no other `Global` of this lock: each would initialise it once.
    pub(crate) const unsafe fn new(lock: &'static GlobalLock<B>) -> Self {
        Self {
            lock,
            state: AtomicU8::new(NEW),
        }
    }

    /// Takes the lock.
    pub(crate) fn lock(&'static self) -> GlobalGuard<B> {
        if self.state.load(Ordering::Acquire) != READY {
            self.initialise();
        }
        self.lock.lock()
    }

    #[cold]
    fn initialise(&'static self) {
        if self
            .state
            .compare_exchange(NEW, BEING_INITIALISED, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
        {
            // SAFETY: Only one caller ever sees `NEW`, and there is one `Global` per lock, so this
            // is called once; `lock` is the only other use, and it waits for `READY`.
            unsafe { self.lock.init() };
            self.state.store(READY, Ordering::Release);
        }
        while self.state.load(Ordering::Acquire) != READY {
            core::hint::spin_loop();
        }
    }
}

/// Declares a global value with its lock:
/// `global! { static NAME(LockName): Mutex<Type> = initial value; }`
macro_rules! global {
    ($(#[$meta:meta])* static $name:ident($lock:ident): $kind:ident<$type:ty> = $value:expr;) => {
        kernel::sync::global_lock! {
            unsafe(uninit) static $lock: $kind<$type> = $value;
        }
        $(#[$meta])*
        #[allow(unsafe_code)] // The proof is here, whoever declares the value.
        static $name: $crate::kapi::global::Global<$lock> =
            // SAFETY: The lock is declared above, for this only.
            unsafe { $crate::kapi::global::Global::new(&$lock) };
    };
}
pub(crate) use global;
