// SPDX-License-Identifier: GPL-2.0

//! `kernel::types`.

use core::{cell::UnsafeCell, mem::MaybeUninit};

/// A value that C writes, too.
#[repr(transparent)]
pub(crate) struct Opaque<T>(UnsafeCell<MaybeUninit<T>>);

impl<T> Opaque<T> {
    pub(crate) fn ffi_init(init: impl FnOnce(*mut T)) -> Self {
        let mut value = MaybeUninit::uninit();
        init(value.as_mut_ptr());
        Self(UnsafeCell::new(value))
    }

    pub(crate) const fn get(&self) -> *mut T {
        self.0.get().cast()
    }
}

/// `kernel::container_of!`.
#[macro_export]
macro_rules! container_of {
    ($field:expr, $container:ty, $name:ident) => {
        $field
            .wrapping_byte_sub(core::mem::offset_of!($container, $name))
            .cast::<$container>()
    };
}
