// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync`, with shuttle's locks: a thread that takes or gives back one may be the last to
//! run for a while.

use super::{
    alloc::{allocate, AllocError, Flags},
    context::{below, by_chance, might_sleep, spinlock_given_back, spinlock_taken, world},
    prelude::{Error, PinInit},
    time::{self, Jiffies},
};
use core::ops::{Deref, DerefMut};
use shuttle::sync as theirs;

/// A pointer that counts; what it points to is not freed under a spinlock.
pub(crate) struct Arc<T>(std::sync::Arc<T>);

impl<T> Arc<T> {
    pub(crate) fn new(value: T, _: Flags) -> Result<Self, AllocError> {
        allocate()?;
        Ok(Self(std::sync::Arc::new(value)))
    }

    pub(crate) fn pin_init(init: impl PinInit<T>, flags: Flags) -> Result<Self, Error> {
        Ok(Self::new(init.make(), flags)?)
    }

    pub(crate) fn ptr_eq(one: &Self, other: &Self) -> bool {
        std::sync::Arc::ptr_eq(&one.0, &other.0)
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        if std::sync::Arc::strong_count(&self.0) == 1 {
            might_sleep();
        }
    }
}

/// A lock whose holder may sleep.
pub(crate) struct Mutex<T>(theirs::Mutex<T>);

/// A lock whose holder must not.
pub(crate) struct SpinLock<T>(theirs::Mutex<T>);

/// A lock that is held.
pub(crate) struct Guard<'a, T> {
    /// `None` only within [`CondVar`].
    theirs: Option<theirs::MutexGuard<'a, T>>,
    lock: &'a theirs::Mutex<T>,
    spins: bool,
}

/// Takes a lock; what a failed schedule leaves is for nobody.
fn take<T>(lock: &theirs::Mutex<T>) -> theirs::MutexGuard<'_, T> {
    lock.lock().expect("no holder has failed")
}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(theirs::Mutex::new(value))
    }

    #[track_caller]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        might_sleep();
        Guard {
            theirs: Some(take(&self.0)),
            lock: &self.0,
            spins: false,
        }
    }
}

impl<T> SpinLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(theirs::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        let theirs = Some(take(&self.0));
        spinlock_taken();
        Guard {
            theirs,
            lock: &self.0,
            spins: true,
        }
    }
}

impl<'a, T> Guard<'a, T> {
    /// Waits by giving the lock back and taking it again. With another spinlock nobody may.
    fn without(
        &mut self,
        wait: impl FnOnce(theirs::MutexGuard<'a, T>, &'a theirs::Mutex<T>) -> theirs::MutexGuard<'a, T>,
    ) {
        if self.spins {
            spinlock_given_back();
        }
        might_sleep();
        let held = self.theirs.take().expect("held");
        self.theirs = Some(wait(held, self.lock));
        if self.spins {
            spinlock_taken();
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.theirs.as_deref().expect("held")
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.theirs.as_deref_mut().expect("held")
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        drop(self.theirs.take());
        if self.spins {
            spinlock_given_back();
        }
    }
}

/// How a wait with a timeout ended.
pub(crate) enum CondVarTimeoutResult {
    /// Somebody notified, or nobody: what was waited for is to be looked at.
    Woken {
        /// What is left of the time.
        jiffies: Jiffies,
    },
    /// A signal.
    Signal {
        /// What is left of the time.
        jiffies: Jiffies,
    },
    /// The time is over.
    Timeout,
}

/// Threads that wait for a change.
pub(crate) struct CondVar(theirs::Condvar);

impl CondVar {
    pub(crate) const fn new() -> Self {
        Self(theirs::Condvar::new())
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    /// Waits; sometimes it ends without a reason, as the kernel's may.
    pub(crate) fn wait<T>(&self, guard: &mut Guard<'_, T>) {
        if by_chance() {
            return guard.without(doze);
        }
        guard.without(|held, _| self.0.wait(held).expect("no holder has failed"));
    }

    /// Returns `true` if a signal came.
    pub(crate) fn wait_interruptible<T>(&self, guard: &mut Guard<'_, T>) -> bool {
        let signal = world().signals && by_chance();
        if signal {
            guard.without(doze);
        } else {
            self.wait(guard);
        }
        signal
    }

    pub(crate) fn wait_interruptible_timeout<T>(
        &self,
        guard: &mut Guard<'_, T>,
        jiffies: Jiffies,
    ) -> CondVarTimeoutResult {
        if world().signals && by_chance() {
            guard.without(doze);
            return CondVarTimeoutResult::Signal { jiffies };
        }
        if !world().time_passes {
            self.wait(guard);
            return CondVarTimeoutResult::Woken { jiffies };
        }
        // Any time that there is may go by, and as much as it is, others act or not.
        guard.without(doze);
        let passed = jiffies.min(1 + Jiffies::from(below(4)) * jiffies.div_ceil(3));
        time::pass(passed);
        match jiffies - passed {
            0 => CondVarTimeoutResult::Timeout,
            jiffies => CondVarTimeoutResult::Woken { jiffies },
        }
    }
}

/// Gives a lock back, lets time go by, and takes it again.
fn doze<'a, T>(
    held: theirs::MutexGuard<'a, T>,
    lock: &'a theirs::Mutex<T>,
) -> theirs::MutexGuard<'a, T> {
    drop(held);
    shuttle::thread::yield_now();
    take(lock)
}

/// `kernel::sync::atomic`, all in one order.
pub(crate) mod atomic {
    use shuttle::sync::atomic::{AtomicBool, Ordering};

    pub(crate) struct Acquire;

    pub(crate) struct Relaxed;

    pub(crate) struct Release;

    pub(crate) struct Atomic<T>(AtomicBool, core::marker::PhantomData<T>);

    impl Atomic<bool> {
        pub(crate) const fn new(value: bool) -> Self {
            Self(AtomicBool::new(value), core::marker::PhantomData)
        }

        pub(crate) fn xchg(&self, value: bool, _: Relaxed) -> bool {
            self.0.swap(value, Ordering::SeqCst)
        }

        pub(crate) fn load(&self, _: Acquire) -> bool {
            self.0.load(Ordering::SeqCst)
        }

        pub(crate) fn store(&self, value: bool, _: Release) {
            self.0.store(value, Ordering::SeqCst);
        }
    }
}

/// `kernel::sync::aref`.
pub(crate) mod aref {
    /// A reference that counts, to what is itself one here.
    #[derive(Clone)]
    pub(crate) struct ARef<T>(T);

    impl<T: Clone> From<&T> for ARef<T> {
        fn from(there: &T) -> Self {
            Self(there.clone())
        }
    }

    impl<T> core::ops::Deref for ARef<T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0
        }
    }
}
