// SPDX-License-Identifier: GPL-2.0

//! `kernel::alloc`.

use super::context::{by_chance, might_sleep, world};
use core::ops::{Deref, DerefMut};

/// No memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AllocError;

/// How to allocate.
#[derive(Clone, Copy)]
pub(crate) struct Flags;
pub(crate) const GFP_KERNEL: Flags = Flags;

/// Allocates, by `GFP_KERNEL`.
///
/// # Errors
///
/// - [`AllocError`]: memory is short.
#[track_caller]
pub(crate) fn allocate() -> Result<(), AllocError> {
    might_sleep();
    if world().memory_is_short && by_chance() {
        return Err(AllocError);
    }
    Ok(())
}

/// A vector that never has more room than was asked for, which is what the kernel's promises.
#[derive(Debug)]
pub(crate) struct KVec<T> {
    items: Vec<T>,
    capacity: usize,
}

/// What there was no room for.
#[derive(Debug)]
pub(crate) struct PushError<T>(pub(crate) T);

impl<T> KVec<T> {
    pub(crate) const fn new() -> Self {
        Self {
            items: Vec::new(),
            capacity: 0,
        }
    }

    pub(crate) fn reserve(&mut self, additional: usize, _: Flags) -> Result<(), AllocError> {
        if self.items.len() + additional > self.capacity {
            allocate()?;
            self.capacity = self.items.len() + additional;
        }
        Ok(())
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn push_within_capacity(&mut self, item: T) -> Result<(), PushError<T>> {
        if self.items.len() == self.capacity {
            return Err(PushError(item));
        }
        self.items.push(item);
        Ok(())
    }

    pub(crate) fn push(&mut self, item: T, flags: Flags) -> Result<(), AllocError> {
        self.reserve(1, flags)?;
        self.items.push(item);
        Ok(())
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&mut T) -> bool) {
        self.items.retain_mut(keep);
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
    }
}

impl<T> Default for KVec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for KVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T> DerefMut for KVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items
    }
}

impl<T> IntoIterator for KVec<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(mut self) -> Self::IntoIter {
        core::mem::take(&mut self.items).into_iter()
    }
}

impl<'a, T> IntoIterator for &'a KVec<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl<T> Drop for KVec<T> {
    fn drop(&mut self) {
        if self.capacity > 0 {
            might_sleep();
        }
    }
}
