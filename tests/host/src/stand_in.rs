// SPDX-License-Identifier: GPL-2.0

//! As much of the kernel crate, and of the driver's own wrappers, as device/slots.rs needs: so that
//! it is that file which is tested.

/// `crate::kapi`.
pub(crate) mod kapi {
    pub(crate) mod global {
        /// Declares a value with its lock.
        macro_rules! global {
            ($(#[$meta:meta])* static $name:ident($lock:ident): Mutex<$type:ty> = $value:expr;) => {
                $(#[$meta])*
                static $name: $crate::stand_in::Mutex<$type> = $crate::stand_in::Mutex::new($value);
            };
        }
        pub(crate) use global;
    }
}

/// A lock that a test which failed leaves usable.
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(crate) fn init(&self) {}

    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, T> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// `kernel::prelude`.
pub(crate) mod prelude {
    /// An errno.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Error(pub(crate) i32);

    pub(crate) type Result<T = (), E = Error> = core::result::Result<T, E>;

    pub(crate) const ENOENT: Error = Error(2);
    pub(crate) const ENOMEM: Error = Error(12);
    pub(crate) const ENODEV: Error = Error(19);
    pub(crate) const EINVAL: Error = Error(22);

    /// How to allocate.
    pub(crate) struct Flags;
    pub(crate) const GFP_KERNEL: Flags = Flags;

    /// The log, which no test reads.
    macro_rules! pr_err {
        ($($arguments:tt)*) => {
            drop(format!($($arguments)*))
        };
    }
    pub(crate) use pr_err;
}

/// `kernel::rbtree`.
pub(crate) mod rbtree {
    use super::prelude::{Flags, Result, ENOMEM};
    use std::{cell::Cell, collections::BTreeMap};

    thread_local! {
        /// How many allocations succeed before there is no memory any more.
        pub(crate) static MEMORY: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    /// A tree.
    pub(crate) struct RBTree<K, V>(BTreeMap<K, V>);

    impl<K: Ord, V> RBTree<K, V> {
        pub(crate) fn new() -> Self {
            Self(BTreeMap::new())
        }

        pub(crate) fn try_create_and_insert(
            &mut self,
            key: K,
            value: V,
            _: Flags,
        ) -> Result<Option<V>> {
            let left = MEMORY.get().checked_sub(1).ok_or(ENOMEM)?;
            MEMORY.set(left);
            Ok(self.0.insert(key, value))
        }

        pub(crate) fn get(&self, key: &K) -> Option<&V> {
            self.0.get(key)
        }

        pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
            self.0.get_mut(key)
        }

        pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
            self.0.remove(key)
        }

        pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
            self.0.iter()
        }
    }
}
