// SPDX-License-Identifier: GPL-2.0

//! As much of the `kernel` crate as its own `rbtree.rs` asks for, on the host.

use std::{
    mem::MaybeUninit,
    ops::{Deref, DerefMut},
};

/// Flags of allocations, which the host has none of.
#[derive(Clone, Copy)]
pub struct Flags;

/// The same for all.
pub const GFP_KERNEL: Flags = Flags;

/// No memory; the host aborts instead.
#[derive(Debug)]
pub struct AllocError;

/// The kernel's box, by the standard library's.
pub struct KBox<T: ?Sized>(Box<T>);

impl<T> KBox<T> {
    pub fn new_uninit(_: Flags) -> Result<KBox<MaybeUninit<T>>, AllocError> {
        Ok(KBox(Box::new_uninit()))
    }

    pub fn into_raw(this: Self) -> *mut T {
        Box::into_raw(this.0)
    }

    /// # Safety
    ///
    /// The pointer must come from `into_raw`, and not be used again.
    pub unsafe fn from_raw(raw: *mut T) -> Self {
        // SAFETY: By the caller's promise.
        Self(unsafe { Box::from_raw(raw) })
    }

    pub fn into_inner(this: Self) -> T {
        *this.0
    }

    pub fn drop_contents(this: Self) -> KBox<MaybeUninit<T>> {
        drop(this);
        KBox(Box::new_uninit())
    }
}

impl<T> KBox<MaybeUninit<T>> {
    pub fn write(this: Self, value: T) -> KBox<T> {
        let mut place = this.0;
        place.write(value);
        // SAFETY: It was just initialised.
        KBox(unsafe { place.assume_init() })
    }
}

impl<T> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

pub mod alloc {
    pub use super::Flags;
}

pub mod error {
    pub type Result<T = (), E = super::AllocError> = core::result::Result<T, E>;
}

pub mod prelude {
    pub use super::{error::Result, KBox};
}

pub mod bindings {
    #[repr(C)]
    #[derive(Clone, Copy)]
    pub struct rb_node {
        pub parent_and_colour: usize,
        pub rb_right: *mut rb_node,
        pub rb_left: *mut rb_node,
    }

    impl Default for rb_node {
        fn default() -> Self {
            Self {
                parent_and_colour: 0,
                rb_right: core::ptr::null_mut(),
                rb_left: core::ptr::null_mut(),
            }
        }
    }

    #[repr(C)]
    #[derive(Clone, Copy)]
    pub struct rb_root {
        pub rb_node: *mut rb_node,
    }

    impl Default for rb_root {
        fn default() -> Self {
            Self {
                rb_node: core::ptr::null_mut(),
            }
        }
    }

    extern "C" {
        pub fn rb_insert_color(node: *mut rb_node, root: *mut rb_root);
        pub fn rb_erase(node: *mut rb_node, root: *mut rb_root);
        pub fn rb_replace_node(old: *mut rb_node, new: *mut rb_node, root: *mut rb_root);
        pub fn rb_next(node: *const rb_node) -> *mut rb_node;
        pub fn rb_prev(node: *const rb_node) -> *mut rb_node;
        pub fn rb_first(root: *const rb_root) -> *mut rb_node;
        pub fn rb_last(root: *const rb_root) -> *mut rb_node;
        pub fn rb_first_postorder(root: *const rb_root) -> *mut rb_node;
        pub fn rb_next_postorder(node: *const rb_node) -> *mut rb_node;
        #[link_name = "host_rb_link_node"]
        pub fn rb_link_node(node: *mut rb_node, parent: *mut rb_node, link: *mut *mut rb_node);
    }
}
