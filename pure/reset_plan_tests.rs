// SPDX-License-Identifier: GPL-2.0

//! Examples for the planner. (Random hierarchies: tests/host/src/planner.rs.)

use super::{
    super::{
        reset_method::Listed,
        topology::samples::*, //
    },
    *, //
};

const FLR: u8 = 3;
const PM: u8 = 5;

fn with(numbers: &[u8], function: Function) -> Function {
    let mut list = [0; 8];
    list[..numbers.len()].copy_from_slice(numbers);
    Function {
        listed: Listed::new(list),
        ..function
    }
}

fn owned(owner: Owner, function: Function) -> Function {
    Function { owner, ..function }
}

fn used(domain: u16) -> Owner {
    Owner::Pciback(Holder::Domain(DomId::new(domain).unwrap()))
}

fn leaving(domain: u16) -> Owner {
    Owner::Pciback(Holder::Leaving(DomId::new(domain).unwrap()))
}

fn cleaning(domain: u16) -> Owner {
    Owner::Pciback(Holder::Cleaning(DomId::new(domain).unwrap()))
}

fn plan(all: &[Function], target: usize) -> Plan {
    Topology(all).plan(target, Rungs::default())
}

fn word(plan: Plan) -> &'static str {
    match plan {
        Plan::Reset(reset) => reset.rung().name(),
        Plan::Blocked(_) => "blocked",
        Plan::Nothing => "nothing",
    }
}

#[test]
fn the_gentlest_comes_first_and_each_once() {
    let all = [port(0), below(0, with(&[PM, FLR], endpoint(1)))];
    let mut tried = Rungs::default();
    let mut words = Vec::new();
    while let Plan::Reset(reset) = Topology(&all).plan(1, tried) {
        words.push(reset.rung().name());
        tried.insert(reset.rung());
    }
    assert_eq!(words, ["flr", "bus", "pm"]);
    assert!(tried.iter().map(Rung::name).eq(words));
}

/// Not a power-state reset, which comes after that of the bus.
#[test]
fn only_what_resets_the_function_alone_and_comes_first_is_its_own() {
    let all = [port(0), below(0, with(&[PM, FLR], endpoint(1)))];
    let mut tried = Rungs::default();
    let mut own = Vec::new();
    while let Some(reset) = Topology(&all).next(1, tried) {
        own.push(Topology(&all).is_next_own(1, tried));
        tried.insert(reset.rung());
    }
    assert_eq!(own, [true, false, false]);
    assert!(!Topology(&all).is_next_own(1, tried), "none is left");
}

#[test]
fn a_neighbour_blocks_by_driver_domain_or_absence() {
    let why = |owner| {
        let all = [
            port(0),
            below(0, endpoint(1)),
            below(0, owned(owner, endpoint(2))),
        ];
        let reset = Topology(&all).below(1).unwrap();
        Topology(&all)
            .blockers(reset, 1)
            .map(|b| (b.index, b.why))
            .collect::<Vec<_>>()
    };
    assert_eq!(why(Owner::Driver), [(2, Why::Driver)]);
    assert_eq!(why(Owner::Nobody), [(2, Why::Unclaimed)]);
    assert_eq!(why(used(7)), [(2, Why::Used(DomId::new(7).unwrap()))]);
    assert_eq!(why(leaving(7)), [(2, Why::Used(DomId::new(7).unwrap()))]);
    assert_eq!(why(Owner::Pciback(Holder::Assigned)), [(2, Why::Assigned)]);
    assert_eq!(why(Owner::Pciback(Holder::Nobody)), []);
}

#[test]
fn a_domain_that_gives_one_function_back_keeps_the_other() {
    let pair = |first, second| {
        [
            port(0),
            below(0, owned(first, endpoint(1))),
            below(0, owned(second, endpoint(2))),
        ]
    };
    assert_eq!(word(plan(&pair(used(7), used(7)), 1)), "blocked");
    assert_eq!(word(plan(&pair(cleaning(7), used(7)), 1)), "blocked");
    assert_eq!(word(plan(&pair(cleaning(7), leaving(7)), 1)), "blocked");
    assert_eq!(word(plan(&pair(cleaning(7), cleaning(7)), 1)), "bus");
    assert_eq!(word(plan(&pair(used(7), cleaning(7)), 1)), "bus");
    assert_eq!(word(plan(&pair(cleaning(7), cleaning(8)), 1)), "bus");
    assert_eq!(
        word(plan(&pair(Owner::Pciback(Holder::Nobody), cleaning(8)), 1)),
        "bus"
    );
    assert_eq!(
        word(plan(&pair(used(7), Owner::Pciback(Holder::Nobody)), 1)),
        "bus"
    );
    assert_eq!(word(plan(&pair(used(7), used(8)), 1)), "blocked");
    assert_eq!(
        word(plan(&pair(Owner::Pciback(Holder::Nobody), used(8)), 1)),
        "blocked"
    );
}

#[test]
fn bridges_between_are_allowed_and_their_drivers_are_not() {
    let nested = |owner| {
        [
            port(0),
            below(0, endpoint(1)),
            owned(owner, below(0, port(2))),
            below(2, endpoint(3)),
        ]
    };
    assert_eq!(word(plan(&nested(Owner::PortDriver), 1)), "bus");
    assert_eq!(word(plan(&nested(Owner::Nobody), 1)), "bus");
    assert_eq!(
        word(plan(&nested(Owner::Pciback(Holder::Nobody)), 1)),
        "bus"
    );
    assert_eq!(word(plan(&nested(Owner::Driver), 1)), "blocked");
}

#[test]
fn who_is_not_reached_does_not_block() {
    let elsewhere = owned(Owner::Driver, endpoint(2));
    let all = [
        port(0),
        below(0, with(&[FLR], endpoint(1))),
        elsewhere,
        port(3),
        below(3, elsewhere),
    ];
    assert_eq!(word(plan(&all, 1)), "flr");
    let bus = Topology(&all).below(1).unwrap();
    assert_eq!(Topology(&all).blockers(bus, 1).count(), 0);
}

#[test]
fn a_slot_is_used_where_there_is_one() {
    let slot = Function {
        secondary: Secondary::Slot,
        ..port(0)
    };
    assert_eq!(word(plan(&[slot, below(0, endpoint(1))], 1)), "slot");
}

#[test]
fn root_buses_are_never_reset() {
    assert_eq!(word(plan(&[endpoint(1)], 0)), "nothing");
    assert_eq!(word(plan(&[with(&[PM], endpoint(1))], 0)), "pm");
}

#[test]
fn only_a_bridge_resets_a_bus() {
    for kind in [FunctionKind::Endpoint, FunctionKind::Other] {
        let above = Function { kind, ..port(0) };
        assert_eq!(word(plan(&[above, below(0, endpoint(1))], 1)), "nothing");
    }
}

#[test]
fn who_may_be_anywhere_blocks_unless_it_is_ours() {
    for (owner, wanted) in [
        (Owner::Driver, "blocked"),
        (Owner::Nobody, "blocked"),
        (Owner::Pciback(Holder::Nobody), "flr"),
    ] {
        let lost = owned(owner, below(2, endpoint(2)));
        let all = [port(0), below(0, with(&[FLR], endpoint(1))), lost];
        assert_eq!(word(plan(&all, 1)), wanted);
    }
}

#[test]
fn a_bridge_is_never_a_target() {
    let all = [port(0), below(0, with(&[FLR, PM], port(1)))];
    assert_eq!(word(plan(&all, 1)), "nothing");
}

#[test]
fn weak_is_no_way_around_a_blocker() {
    let all = [
        port(0),
        below(0, with(&[PM], endpoint(1))),
        below(0, owned(Owner::Driver, endpoint(2))),
    ];
    assert_eq!(word(plan(&all, 1)), "blocked");
}

#[test]
fn what_the_administrator_says_counts() {
    let mut all = [port(0), below(0, endpoint(1)), below(0, endpoint(2))];
    for opt_out in [
        ResetOptOut::MethodsEmptied,
        ResetOptOut::BusRemoved,
        ResetOptOut::Quirk,
    ] {
        all[1].opt_out = opt_out;
        assert_eq!(word(plan(&all, 1)), "nothing");
        assert_eq!(word(plan(&all, 2)), "blocked");
        all[1].opt_out = ResetOptOut::None;
    }
    all[0].opt_out = ResetOptOut::Quirk;
    assert_eq!(word(plan(&all, 1)), "blocked");
}

#[test]
fn virtual_functions_in_use_block_their_physical_function() {
    let virtual_function = |owner| Function {
        physical: Some(1),
        ..owned(owner, endpoint(9))
    };
    let all = |owner| {
        [
            port(0),
            below(0, with(&[FLR], endpoint(1))),
            virtual_function(owner),
        ]
    };
    assert_eq!(word(plan(&all(used(7)), 1)), "blocked");
    assert_eq!(word(plan(&all(Owner::Driver), 1)), "blocked");
    assert_eq!(word(plan(&all(Owner::Pciback(Holder::Nobody)), 1)), "flr");
}

#[test]
fn rungs_are_a_set() {
    let mut all = Rungs::default();
    assert!(all.is_empty());
    for rung in Rung::ALL {
        let mut one = Rungs::default();
        one.insert(rung);
        assert!(!all.contains(rung) && one.contains(rung));
        // Once or twice is the same.
        for _ in 0..2 {
            one.insert(rung);
            all.extend(one);
            assert!(one.iter().eq([rung]) && all.contains(rung));
        }
        assert!(!one.is_empty() && !all.is_empty());
    }
    assert!(all.iter().eq(Rung::ALL));
}

#[test]
fn only_a_power_state_reset_is_weak() {
    for rung in Rung::ALL {
        assert_eq!(rung.is_weak(), rung == Rung::Function(Method::Pm), "{rung}");
    }
}

/// The way may change while a reset is prepared (a slot's driver comes or goes), not what is reset.
#[test]
fn resets_are_alike_if_they_reset_the_same() {
    let below = |bridge, by| Reset::Below { bridge, by };
    let of = |of, by| Reset::Function { of, by };
    let slot = below(3, Secondary::Slot);
    let flr = of(3, Method::Flr);
    assert!(slot.is_like(slot) && flr.is_like(flr));
    assert!(slot.is_like(below(3, Secondary::Bus)));
    for other in [below(4, Secondary::Slot), flr] {
        assert!(!slot.is_like(other) && !other.is_like(slot));
    }
    assert!(!flr.is_like(of(4, Method::Flr)) && !flr.is_like(of(3, Method::Pm)));
}
