// SPDX-License-Identifier: GPL-2.0

use super::{
    samples::*,
    *, //
};

#[test]
fn a_bus_reset_reaches_nested_buses_and_virtual_functions() {
    let virtual_function = Function {
        physical: Some(3),
        ..endpoint(9)
    };
    let all = [
        port(0),               // 0
        below(0, port(1)),     // 1
        below(1, endpoint(2)), // 2
        below(0, endpoint(3)), // 3, with a virtual function
        virtual_function,      // 4
        endpoint(5),           // 5, on the root bus
    ];
    let scope = |bridge| {
        let by = Secondary::Bus;
        Topology(&all)
            .scope(Reset::Below { bridge, by })
            .collect::<Vec<_>>()
    };
    assert_eq!(scope(0), [1, 2, 3, 4]);
    assert_eq!(scope(1), [2]);
    assert!(scope(5).is_empty());
    assert!(scope(usize::MAX).is_empty());
}

#[test]
fn a_function_reset_reaches_its_virtual_functions() {
    let virtual_function = Function {
        physical: Some(0),
        ..endpoint(9)
    };
    let all = [endpoint(0), virtual_function, endpoint(1)];
    let of = |of| Reset::Function {
        of,
        by: Method::Flr,
    };
    assert!(Topology(&all).scope(of(0)).eq([0, 1]));
    assert!(Topology(&all).scope(of(1)).eq([1]));
}

#[test]
fn who_lies_about_its_place_may_be_anywhere() {
    let virtual_of = |physical| Function {
        physical: Some(physical),
        ..endpoint(9)
    };
    let all = [
        port(0),
        below(0, endpoint(1)),
        virtual_of(1),
        below(1, endpoint(3)),  // below an endpoint
        below(4, port(4)),      // below itself
        below(99, endpoint(5)), // below nothing
        virtual_of(2),          // of a virtual function
        virtual_of(99),         // of nothing
        below(4, endpoint(8)),  // below one who lies
    ];
    for index in 0..=all.len() {
        assert_eq!(Topology(&all).is_located(index), index < 3, "{index}");
    }
    let elsewhere = Reset::Function {
        of: 1,
        by: Method::Flr,
    };
    let may = |index| Topology(&all).may_reach(elsewhere, index);
    assert!(!may(0) && may(1) && may(2) && (3..9).all(may));
}

#[test]
fn a_ring_ends() {
    let all = [below(1, port(0)), below(0, port(1)), below(0, endpoint(2))];
    assert!(Topology(&all).is_below(2, 1));
    assert!(!Topology(&all).is_below(2, 2));
}
