// SPDX-License-Identifier: GPL-2.0

//! How long it takes to find a claimed device, and a listed slot, among few and among 4,096.
//!
//! The trees are the kernel's own, its Rust file and its C file, built for the host; keys and sets
//! are the driver's. Next to it what it costs to walk a list. Prints JSON: nanoseconds for each
//! look-up, of a million.

#![allow(dead_code, non_camel_case_types, unused_imports, clippy::all)]

#[macro_use]
mod macros {
    /// As in the kernel.
    macro_rules! container_of {
        ($field:expr, $container:ty, $($fields:tt)*) => {{
            let offset: usize = ::core::mem::offset_of!($container, $($fields)*);
            $field.byte_sub(offset).cast::<$container>()
        }};
    }
    pub(crate) use container_of;
}

mod kernel;
mod pure;
mod rbtree {
    include!(env!("KERNEL_RBTREE"));
}

pub(crate) use kernel::{alloc, bindings, error, prelude, AllocError};
pub(crate) use macros::container_of;
use pure::{bdf_grammar::Unit, devfn_set::DevfnSet, sbdf::Sbdf};
use std::{collections::LinkedList, hint::black_box, sync::Arc, time::Instant};

const LOOKUPS: u32 = 1_000_000;
const MANY: u32 = 4096;
const FEW: u32 = 64;

/// The functions of as many buses as it takes.
fn address(number: u32) -> Sbdf {
    Sbdf::new(number >> 16, (number >> 8) as u8, number as u8)
}

/// A number that comes next, in an order that no cache can foresee.
fn next(state: &mut u32) -> u32 {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    *state >> 8
}

fn measure(count: u32, lookup: impl Fn(Sbdf) -> bool) -> f64 {
    let mut state = 1;
    let start = Instant::now();
    let mut found = 0u32;
    for _ in 0..LOOKUPS {
        found += u32::from(lookup(black_box(address(next(&mut state) % count))));
    }
    let took = start.elapsed().as_nanos() as f64 / f64::from(LOOKUPS);
    assert_eq!(found, LOOKUPS, "all of them are there");
    took
}

/// As device/registry.rs keeps the claimed devices.
fn registry(count: u32) -> f64 {
    let mut tree = rbtree::RBTree::new();
    for number in 0..count {
        let value = Arc::new([number; 64]);
        tree.try_create_and_insert(address(number), value, kernel::GFP_KERNEL)
            .expect("memory");
    }
    measure(count, |sbdf| tree.get(&sbdf).cloned().is_some())
}

/// As device/slots.rs keeps the slots.
fn slots(count: u32) -> f64 {
    let mut tree: rbtree::RBTree<(u32, u8), DevfnSet> = rbtree::RBTree::new();
    for number in 0..count {
        let sbdf = address(number);
        let one = DevfnSet::of(Unit::Function(sbdf.devfn()));
        let bus = (sbdf.domain(), sbdf.bus());
        match tree.get_mut(&bus) {
            Some(set) => set.insert(&one),
            None => drop(
                tree.try_create_and_insert(bus, one, kernel::GFP_KERNEL)
                    .expect("memory"),
            ),
        }
    }
    measure(count, |sbdf| {
        let set = tree.get(&(sbdf.domain(), sbdf.bus()));
        set.is_some_and(|set| set.contains(sbdf.devfn()))
    })
}

fn list(count: u32) -> f64 {
    let list: LinkedList<Sbdf> = (0..count).map(address).collect();
    measure(count, |sbdf| list.iter().any(|other| *other == sbdf))
}

fn main() {
    let rows = [
        ("claimed device", registry as fn(u32) -> f64),
        ("listed slot", slots),
        ("a list that is walked", list),
    ];
    let texts: Vec<String> = rows
        .iter()
        .map(|(name, run)| format!("\"{name}\": [{:.1}, {:.1}]", run(FEW), run(MANY)))
        .collect();
    println!("{{{}}}", texts.join(", "));
}
