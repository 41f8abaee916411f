// SPDX-License-Identifier: GPL-2.0

//! Locked values that live as long as the module, for callbacks that come without a pointer of
//! ours (driver attributes, notifiers, privcmd's hook).
//!
//! With `kernel::sync::global_lock!` the user must initialise each lock once before its first use,
//! so it is `unsafe`. Here safe code can do that. [`global!`] also makes the function that
//! initialises the locks of a file, all of them, and the compiler refuses a file whose function
//! nobody calls: the module's `init` calls them before anything that could use a lock is
//! registered. A lock that is taken sooner all the same is initialised then, so taking one never
//! fails.
//!
//! UPSTREAM(global-lock-init): a lock class that needs no call would do without all this.

use kernel::sync::{
    atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
    lock::{
        GlobalGuard,
        GlobalLock,
        GlobalLockBackend, //
    },
};

const NEW: u32 = 0;
const BEING_INITIALISED: u32 = 1;
const READY: u32 = 2;

/// A global lock; made by `global!` only.
pub(crate) struct Global<B: GlobalLockBackend + 'static> {
    lock: &'static GlobalLock<B>,
    state: Atomic<u32>,
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
            state: Atomic::new(NEW),
        }
    }

    /// Initialises the lock. Does nothing if that was done.
    #[cold]
    pub(crate) fn init(&'static self) {
        if self.state.cmpxchg(NEW, BEING_INITIALISED, Relaxed).is_ok() {
            // SAFETY: Only one caller ever sees `NEW`, and there is one `Global` per lock, so this
            // is called once; `lock` is the only other use, and comes after `READY`.
            unsafe { self.lock.init() };
            self.state.store(READY, Release);
        }
        // Another caller may be initialising it, which takes some instructions. While the module's
        // `init` runs there is no other caller.
        while self.state.load(Acquire) != READY {
            core::hint::spin_loop();
        }
    }

    /// Takes the lock.
    pub(crate) fn lock(&'static self) -> GlobalGuard<B> {
        if self.state.load(Acquire) != READY {
            self.init();
        }
        self.lock.lock()
    }
}

/// Declares the global values of a file, with their locks, and `init_locks()`, which initialises
/// these. It stands once in a file.
///
/// # Examples
///
/// ```ignore
/// global! {
///     /// The listed slots.
///     static SLOTS(SLOT_LIST): Mutex<Option<List>> = None;
/// }
///
/// init_locks(); // While the module is loaded. Where nobody calls it, this doesn't compile.
/// *SLOTS.lock() = Some(List::new());
/// ```
macro_rules! global {
    ($(
        $(#[$meta:meta])* static $name:ident($lock:ident): $kind:ident<$type:ty> = $value:expr;
    )+) => {
        $(
            kernel::sync::global_lock! {
                unsafe(uninit) static $lock: $kind<$type> = $value;
            }
            $(#[$meta])*
            #[allow(unsafe_code)] // The proof is here, whoever declares the value.
            static $name: $crate::kapi::global::Global<$lock> =
                // SAFETY: The lock is declared above, for this only.
                unsafe { $crate::kapi::global::Global::new(&$lock) };
        )+

        /// Initialises the locks of this file, before anything else is called.
        #[deny(dead_code)] // Nothing else would say that it isn't called.
        pub(crate) fn init_locks() {
            $($name.init();)+
        }
    };
}
pub(crate) use global;
