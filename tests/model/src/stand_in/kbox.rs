// SPDX-License-Identifier: GPL-2.0

//! `kernel::alloc::KBox`. What was freed stays as it is until the schedule has ended: so whoever
//! uses it all the same is found out, and no other box gets its address.

use super::{
    alloc::{allocate, Flags},
    context::might_sleep,
    prelude::{PinInit, Result},
};
use core::{any::Any, ops::Deref, pin::Pin};
use std::cell::RefCell;

/// A box that was freed.
struct Freed {
    start: usize,
    size: usize,
    _memory: Box<dyn Any>,
}

thread_local! {
    // As in `context`.
    static FREED: RefCell<Vec<Freed>> = const { RefCell::new(Vec::new()) };
}

/// Begins a schedule.
pub(crate) fn begin() {
    FREED.take();
}

/// Returns `true` if the address is in memory that was freed.
pub(crate) fn is_freed(address: usize) -> bool {
    let covers = |freed: &Freed| (freed.start..freed.start + freed.size).contains(&address);
    FREED.with_borrow(|list| list.iter().any(covers))
}

/// A value with an address.
pub(crate) struct KBox<T: 'static>(Option<Box<T>>);

impl<T: Unpin> KBox<T> {
    pub(crate) fn pin_init(init: impl PinInit<T>, _: Flags) -> Result<Pin<Self>> {
        allocate()?;
        Ok(Pin::new(Self(Some(Box::new(init.make())))))
    }
}

impl<T: 'static> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().expect("not freed")
    }
}

impl<T: 'static> Drop for KBox<T> {
    fn drop(&mut self) {
        might_sleep();
        let Some(memory) = self.0.take() else { return };
        let freed = Freed {
            start: core::ptr::from_ref(&*memory).addr(),
            size: size_of::<T>(),
            _memory: memory,
        };
        FREED.with_borrow_mut(|list| list.push(freed));
    }
}
