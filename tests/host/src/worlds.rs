// SPDX-License-Identifier: GPL-2.0

//! Hierarchies of PCI functions to hold the planner against: trees as systems have them, and
//! snapshots that no system has.

use crate::pure::{
    device_state::Holder,
    domid::DomId,
    reset_method::Listed,
    sbdf::Sbdf,
    topology::{Function, FunctionKind, Owner, ResetOptOut, Secondary},
};
use proptest::{prelude::*, sample::Index};

/// Owners, of which so many in sixteen let any reset pass.
fn owners(harmless: u32, passing: Owner) -> impl Strategy<Value = Owner> {
    let domain = |number| DomId::new(number).unwrap();
    let used = move |number| Owner::Pciback(Holder::Domain(domain(number)));
    let leaving = move |number| Owner::Pciback(Holder::Leaving(domain(number)));
    let cleaning = move |number| Owner::Pciback(Holder::Cleaning(domain(number)));
    prop_oneof![
        3 * harmless => Just(passing),
        harmless => Just(Owner::Pciback(Holder::Nobody)),
        2 * (16 - harmless) => prop_oneof![Just(used(1)), Just(leaving(1)), Just(cleaning(1))],
        2 * (16 - harmless) => prop_oneof![
            Just(used(2)),
            Just(leaving(2)),
            Just(cleaning(2)),
            Just(Owner::Pciback(Holder::Assigned)),
            Just(Owner::Driver),
            Just(Owner::PortDriver),
            Just(Owner::Nobody),
        ],
    ]
}

/// What `reset_method` can hold: nothing, what devices have, and what no kernel writes (unknown
/// numbers, the same one twice, more after the end).
fn lists() -> impl Strategy<Value = Listed> {
    let padded = |numbers: &[u8]| {
        let mut list = [0; 8];
        list[..numbers.len()].copy_from_slice(numbers);
        list
    };
    prop_oneof![
        3 => Just(padded(&[])),
        2 => Just(padded(&[5, 6])),
        1 => Just(padded(&[3, 5, 6])),
        3 => proptest::collection::vec(1..10u8, 0..=8).prop_map(move |list| padded(&list)),
        1 => proptest::array::uniform8(0..8u8),
        1 => any::<[u8; 8]>(),
    ]
    .prop_map(Listed::new)
}

fn opt_outs() -> impl Strategy<Value = ResetOptOut> {
    prop_oneof![
        27 => Just(ResetOptOut::None),
        1 => Just(ResetOptOut::MethodsEmptied),
        1 => Just(ResetOptOut::BusRemoved),
        1 => Just(ResetOptOut::Quirk),
    ]
}

/// One function, nowhere yet. So many endpoints in sixteen let any reset pass.
fn functions(harmless: u32) -> impl Strategy<Value = Function> {
    let idle = Owner::Pciback(Holder::Nobody);
    let kinds = prop_oneof![
        12 => (Just(FunctionKind::Endpoint), owners(harmless, idle)),
        5 => (Just(FunctionKind::Bridge), owners(15, Owner::PortDriver)),
        2 => (Just(FunctionKind::Bridge), owners(15, Owner::Nobody)),
        1 => (Just(FunctionKind::Other), owners(8, idle)),
    ];
    let secondaries = prop_oneof![Just(Secondary::Bus), Just(Secondary::Slot)];
    (kinds, opt_outs(), lists(), secondaries).prop_map(
        |((kind, owner), opt_out, listed, secondary)| Function {
            sbdf: Sbdf::new(0, 0, 0),
            kind,
            above: None,
            physical: None,
            owner,
            opt_out,
            // The one is read from the other.
            listed: match opt_out {
                ResetOptOut::MethodsEmptied => Listed::new([0; 8]),
                _ => listed,
            },
            secondary,
        },
    )
}

/// A function on its way into a tree.
#[derive(Clone, Debug)]
struct Seed {
    function: Function,
    /// Whether it becomes a virtual function if it can.
    is_virtual: bool,
    /// Which of those that are there already it is below, or is a virtual function of.
    at: Index,
    /// Where it comes in the snapshot: below need not be after.
    key: u16,
}

/// Hangs each function below a bridge that came before it or on a root bus.
fn grow(seeds: &[Seed]) -> Vec<Function> {
    let mut order: Vec<usize> = (0..seeds.len()).collect();
    order.sort_by_key(|seed| seeds[*seed].key);
    let index = |seed: usize| order.iter().position(|other| *other == seed);

    let (mut bridges, mut physical, mut grown) = (vec![], vec![], vec![]);
    for (nth, seed) in seeds.iter().enumerate() {
        let mut function = seed.function;
        function.sbdf = Sbdf::new(0, (nth / 8) as u8, nth as u8);
        if seed.is_virtual && function.kind == FunctionKind::Endpoint && !physical.is_empty() {
            function.physical = index(*seed.at.get(&physical));
        } else {
            // Of all buses, one is a root bus; they need not be told apart.
            function.above = match seed.at.index(bridges.len() + 1) {
                0 => None,
                bridge => index(bridges[bridge - 1]),
            };
            match function.kind {
                FunctionKind::Bridge => bridges.push(nth),
                FunctionKind::Endpoint => physical.push(nth),
                FunctionKind::Other => (),
            }
        }
        grown.push(function);
    }
    order.iter().map(|seed| grown[*seed]).collect()
}

/// Trees as systems have them: functions below bridges that nest, on several root buses, with
/// virtual functions, and in any order.
pub(crate) fn trees() -> impl Strategy<Value = Vec<Function>> {
    let virtuals = prop_oneof![4 => Just(false), 1 => Just(true)];
    let seeds = move |harmless| {
        let parts = (
            functions(harmless),
            virtuals.clone(),
            any::<Index>(),
            any::<u16>(),
        );
        let seed = parts.prop_map(|(function, is_virtual, at, key)| Seed {
            function,
            is_virtual,
            at,
            key,
        });
        proptest::collection::vec(seed, 1..14)
    };
    // Where many block something, no wide reset of a large tree goes through.
    prop_oneof![seeds(13), seeds(15)].prop_map(|seeds| grow(&seeds))
}

/// How many functions make a large one of the next; few for an interpreter.
pub(crate) const MANY: usize = if cfg!(miri) { 8 } else { 40 };

/// Snapshots that no system has: places out of range, rings, virtual functions of themselves,
/// endpoints with something below.
pub(crate) fn garbage(most: usize) -> impl Strategy<Value = Vec<Function>> {
    let indices = move || {
        prop_oneof![
            3 => Just(None),
            8 => (0..most).prop_map(Some),
            1 => any::<usize>().prop_map(Some),
        ]
    };
    let function = (functions(13), indices(), indices(), lists()).prop_map(
        |(function, above, physical, listed)| Function {
            above,
            physical,
            listed,
            ..function
        },
    );
    proptest::collection::vec(function, 0..most)
}

/// Mostly trees.
pub(crate) fn snapshots() -> impl Strategy<Value = Vec<Function>> {
    prop_oneof![5 => trees(), 1 => garbage(9)]
}
