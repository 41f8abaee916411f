// SPDX-License-Identifier: GPL-2.0

//! What a thread may do, and what happens to it.

use crate::pure::time::Time;
use shuttle::rand::Rng;
use std::cell::Cell;

/// What happens beside what the test does; each test says it at its start.
#[derive(Clone, Copy, Default)]
pub(crate) struct World {
    /// Allocations, and starts of work, fail now and then.
    pub(crate) memory_is_short: bool,
    /// Those who wait are sent signals now and then.
    pub(crate) signals: bool,
    /// Time passes for those who wait. Without it they wait for ever, so that it is a deadlock when
    /// nobody wakes them.
    pub(crate) time_passes: bool,
    /// Queues whose work is bounded have one worker.
    pub(crate) few_workers: bool,
}

thread_local! {
    // All threads of a schedule are in one thread of the host: that of the test.
    static WORLD: Cell<World> = const { Cell::new(World { memory_is_short: false, signals: false, time_passes: false, few_workers: false }) };
    static NOW: Cell<Time> = const { Cell::new(Time(0)) };
}

shuttle::thread_local! {
    static SPINLOCKS: Cell<usize> = Cell::new(0);
}

/// Begins a schedule in such a world.
pub(crate) fn begin(world: World) {
    WORLD.set(world);
    NOW.set(Time(0));
    super::bindings::begin();
    super::kbox::begin();
}

/// Returns the time: a little later each time, and now and then a good deal later.
pub(crate) fn now() -> Time {
    let long = world().time_passes && by_chance();
    NOW.set(NOW.get().plus_millis(if long { 6_000 } else { 1 }));
    NOW.get()
}

/// Returns the world of this schedule.
pub(crate) fn world() -> World {
    WORLD.get()
}

/// Returns `true` now and then.
pub(crate) fn by_chance() -> bool {
    below(4) == 0
}

/// Returns a number below that; which one belongs to the schedule.
pub(crate) fn below(end: u32) -> u32 {
    shuttle::rand::thread_rng().gen_range(0..end)
}

/// Counts a spinlock that was taken.
pub(crate) fn spinlock_taken() {
    SPINLOCKS.with(|held| held.set(held.get() + 1));
}

/// Counts a spinlock that was given back.
pub(crate) fn spinlock_given_back() {
    // A schedule that has failed is torn down in any order.
    let _ = SPINLOCKS.try_with(|held| held.set(held.get() - 1));
}

/// As the kernel's `might_sleep()`: says where a thread with a spinlock sleeps or frees.
#[track_caller]
pub(crate) fn might_sleep() {
    if shuttle::current::get_current_task().is_none() || shuttle::thread::panicking() {
        return; // After the last thread, or the failure.
    }
    let held = SPINLOCKS.try_with(Cell::get).unwrap_or(0);
    assert_eq!(held, 0, "sleeps or frees while it holds a spinlock");
}
