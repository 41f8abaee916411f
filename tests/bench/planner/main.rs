// SPDX-License-Identifier: GPL-2.0

//! How long the planner takes for each device, among few functions and among 10,000, and whether it
//! allocates. Prints JSON: nanoseconds for each device.
//!
//! The hierarchy is that of a server with much SR-IOV: ports, each with a physical function of a
//! native driver and claimed virtual functions with FLR; every eighth port has an endpoint without
//! any method of its own instead, which is reset by its bus.

#![allow(dead_code, unused_imports, clippy::all)]

#[path = "../../.."]
mod driver {
    pub(crate) mod pure;
}

use driver::pure::{
    bus_removed::mark_bus_removed,
    device_state::Holder,
    positions::{self, Position},
    reset_batch::{divide, Task},
    reset_method::Listed,
    reset_plan::{Plan, Rungs},
    sbdf::Sbdf,
    topology::{Function, FunctionKind, Owner, ResetOptOut, Secondary, Topology},
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Instant,
};

const FEW: usize = 100;
const MANY: usize = 10_000;
/// Functions behind a port, the physical one included.
const BEHIND: usize = 24;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// Counts.
struct Counting;

// SAFETY: The system's allocator does it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: By the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: By the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn function(index: usize, kind: FunctionKind, owner: Owner, method: u8) -> Function {
    Function {
        sbdf: Sbdf::new((index >> 16) as u32, (index >> 8) as u8, index as u8),
        kind,
        above: None,
        physical: None,
        owner,
        opt_out: ResetOptOut::None,
        listed: Listed::new([method, 0, 0, 0, 0, 0, 0, 0]),
        secondary: Secondary::Bus,
    }
}

/// As many functions.
fn hierarchy(count: usize) -> Vec<Function> {
    let ours = Owner::Pciback(Holder::Nobody);
    let mut all: Vec<Function> = Vec::new();
    let mut port = 0;
    while all.len() < count {
        let (index, above) = (all.len(), Some(port));
        let next = match (index - port, port / (BEHIND + 1) % 8) {
            _ if index == port => function(index, FunctionKind::Bridge, Owner::PortDriver, 0),
            (1, 7) => Function {
                above,
                ..function(index, FunctionKind::Endpoint, ours, 6)
            },
            (1, _) => Function {
                above,
                ..function(index, FunctionKind::Endpoint, Owner::Driver, 3)
            },
            (_, 7) => Function {
                above: None,
                ..function(index, FunctionKind::Endpoint, ours, 3)
            },
            _ => Function {
                above,
                physical: Some(port + 1),
                ..function(index, FunctionKind::Endpoint, ours, 3)
            },
        };
        all.push(next);
        if index - port == BEHIND {
            port = index + 1;
        }
    }
    all
}

fn is_ours(function: &Function) -> bool {
    function.kind == FunctionKind::Endpoint && matches!(function.owner, Owner::Pciback(_))
}

fn targets(all: &[Function]) -> Vec<usize> {
    (0..all.len())
        .filter(|index| is_ours(&all[*index]))
        .collect()
}

/// Runs it often enough, without an allocation; returns nanoseconds for each of so many devices.
fn measure(devices: usize, mut run: impl FnMut()) -> f64 {
    run();
    let (before, start, mut rounds) = (ALLOCATIONS.load(Relaxed), Instant::now(), 0);
    while rounds == 0 || start.elapsed().as_millis() < 200 {
        run();
        rounds += 1;
    }
    let took = start.elapsed().as_nanos() as f64 / f64::from(rounds) / devices as f64;
    assert_eq!(ALLOCATIONS.load(Relaxed), before, "the planner allocates");
    took
}

/// Finding each device's bridge by its key, as a look at everything does.
fn find(count: usize) -> f64 {
    let scattered = |index: usize| index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut positions = Vec::with_capacity(count);
    measure(count, || {
        positions.clear();
        positions.extend((0..count).map(|index| Position {
            key: scattered(index),
            index,
        }));
        positions::sort(&mut positions);
        for index in 0..count {
            let found = positions::find(&positions, scattered(black_box(index)));
            assert_eq!(found, Some(index));
        }
    })
}

fn mark(count: usize) -> f64 {
    let mut all = hierarchy(count);
    let mut counts = vec![0; count];
    measure(count, || {
        counts.fill(0);
        mark_bus_removed(black_box(&mut all), &mut counts);
    })
}

/// Who leads and who follows, where all of ours are to be reset.
fn parts(count: usize) -> f64 {
    let all = hierarchy(count);
    let targets = targets(&all);
    let mut tasks: Vec<Task> = targets.iter().map(|target| Task::new(*target)).collect();
    measure(tasks.len(), || {
        divide(Topology(black_box(&all)), &mut tasks)
    })
}

/// The plan of one virtual function, by a look at everything.
fn plan_by_all(count: usize) -> f64 {
    let all = hierarchy(count);
    let target = targets(&all)[0];
    measure(1, || {
        let plan = Topology(black_box(&all)).plan(target, Rungs::default());
        assert!(matches!(plan, Plan::Reset(_)));
    })
}

/// The same by a look at what it depends on.
fn plan_by_part(count: usize) -> f64 {
    let all = hierarchy(count);
    let target = all[targets(&all)[0]];
    let part = [
        all[0],
        Function {
            physical: None,
            ..target
        },
    ];
    measure(1, || {
        let topology = Topology(black_box(&part));
        assert!(topology.is_next_own(1, Rungs::default()));
        let plan = topology.plan(1, Rungs::default());
        assert!(matches!(plan, Plan::Reset(_)));
    })
}

fn main() {
    let rows = [
        ("sort and find each by its key", find as fn(usize) -> f64),
        ("mark who lacks `bus`", mark),
        ("divide a request for all of ours", parts),
        ("plan one by all", plan_by_all),
        ("plan one by its part", plan_by_part),
    ];
    let texts: Vec<String> = rows
        .iter()
        .map(|(name, run)| format!("\"{name}\": [{:.1}, {:.1}]", run(FEW), run(MANY)))
        .collect();
    println!("{{{}}}", texts.join(", "));
}
