// SPDX-License-Identifier: GPL-2.0

//! `kernel::time`: only waiting takes any.

use std::cell::Cell;

/// A moment, of which nothing is needed here.
pub(crate) struct Instant<C>(core::marker::PhantomData<C>);

pub(crate) struct Monotonic;

pub(crate) type Jiffies = u64;

shuttle::thread_local! {
    static PASSED: Cell<Jiffies> = Cell::new(0);
}

pub(crate) fn msecs_to_jiffies(milliseconds: u32) -> Jiffies {
    Jiffies::from(milliseconds) / 4
}

/// Has time pass for the thread.
pub(crate) fn pass(jiffies: Jiffies) {
    PASSED.with(|passed| passed.set(passed.get() + jiffies));
}

/// Returns for how long the thread has waited in all.
pub(crate) fn passed() -> Jiffies {
    PASSED.with(Cell::get)
}
