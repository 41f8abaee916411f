// SPDX-License-Identifier: GPL-2.0

//! Locked values that live as long as the module, for callbacks that come without a pointer of
//! ours (driver attributes, notifiers, privcmd's hook).
//!
//! `kernel::sync::global_lock!` leaves it to its user to initialise each lock once, before it is
//! used, and so is `unsafe`. Here both are checked, so it can be left to safe code: the module's
//! `init` initialises all before anything that could use them is registered.
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

    /// Initialises the lock. A second call does nothing.
    pub(crate) fn init(&'static self) {
        if self.state.cmpxchg(NEW, BEING_INITIALISED, Relaxed).is_ok() {
            // SAFETY: Only one caller ever sees `NEW`, and there is one `Global` per lock, so this
            // is called once; `lock` is the only other use, and refuses until `READY` is seen.
            unsafe { self.lock.init() };
            self.state.store(READY, Release);
        }
    }

    /// Takes the lock.
    ///
    /// # Panics
    ///
    /// Before [`init`](Self::init).
    pub(crate) fn lock(&'static self) -> GlobalGuard<B> {
        assert!(
            self.state.load(Acquire) == READY,
            "a lock that nobody initialised"
        );
        self.lock.lock()
    }
}

/// Declares a global value with its lock, which is to be initialised by [`Global::init`].
///
/// # Examples
///
/// ```ignore
/// global! {
///     /// The listed slots.
///     static SLOTS(SLOT_LIST): Mutex<Option<List>> = None;
/// }
///
/// SLOTS.init(); // Once, while the module is loaded.
/// *SLOTS.lock() = Some(List::new());
/// ```
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
