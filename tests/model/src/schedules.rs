// SPDX-License-Identifier: GPL-2.0

//! The driver's locks under many schedules: at each point where a thread takes or gives back a
//! lock, waits or starts another one, any other may go on.
//!
//! A deadlock, and a thread that sleeps or frees with a spinlock, fail any of these tests. What
//! shuttle prints then can be run again with `shuttle::replay()`.

mod registry;
mod reservation;
mod workers;

use crate::{
    device::{claimed::Claimed, record::ResetRecord, saved_state::SavedState},
    kapi::xen::Dom0,
    pci::{Device, Locked},
    prelude::GFP_KERNEL,
    pure::{
        guest_interrupts::{GuestInterrupts, Interrupts},
        reset_plan::Rungs,
        sbdf::Sbdf,
    },
    stand_in::context::{begin, World},
};
use shuttle::{
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
    Config, Runner,
};
use std::{sync::Arc, time::Instant};

/// How many schedules each property is tried with, unless `PCIBACK_SCHEDULES` says it.
const SCHEDULES: usize = 20_000;

/// The least number of changes of threads against their priorities that the second half can have:
/// most defects need no more than two at the right places.
const DEPTH: usize = 3;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// Returns the claimed device of a slot, for which there is memory some time.
pub(crate) fn claimed(slot: u8) -> crate::sync::Arc<Claimed> {
    let device = Device::new(Sbdf::new(0, 0, slot * 8));
    let locked = Locked::of(&device);
    loop {
        let claimed = Claimed::new(
            &locked,
            Dom0,
            Interrupts {
                gsi: None,
                guest: GuestInterrupts::NONE,
            },
            SavedState,
            ResetRecord::NONE,
            Rungs::default(),
            false,
        );
        if let Ok(claimed) = crate::sync::Arc::pin_init(claimed, GFP_KERNEL) {
            break claimed;
        }
    }
}

/// Holds a property against many schedules: one half goes on with any thread each time, the other
/// half with one as long as it can, but for a few places (PCT).
pub(crate) fn hold(world: World, property: impl Fn() + Send + Sync + 'static) {
    let many = setting("PCIBACK_SCHEDULES").map_or(SCHEDULES, |many| many as usize);
    let seed = setting("PCIBACK_SCHEDULE_SEED").unwrap_or(1);
    let start = Instant::now();
    let property = Arc::new(property);
    let run = |scheduler: Box<dyn Scheduler + Send>| {
        let property = property.clone();
        let mut config = Config::new();
        config.silence_warnings = true;
        config.stack_size = 0x10000;
        Runner::new(scheduler, config).run(move || {
            begin(world);
            property();
        })
    };
    let mut ran = run(Box::new(RandomScheduler::new_from_seed(seed, many / 2)));
    let rest = many - many / 2;
    ran += run(Box::new(PctScheduler::new_from_seed(seed, DEPTH, rest)));
    crate::report("schedules", ran, start);
}
