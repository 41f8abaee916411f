// SPDX-License-Identifier: GPL-2.0

//! Who opts out of slot and bus resets by a list of methods that lacks `bus`.

use super::topology::{
    Function,
    FunctionKind,
    ResetOptOut, //
};

/// Marks the functions from whose reset methods the administrator took `bus`, unless they opt out
/// for another reason. `counts` has one 0 for each function, for use meanwhile.
pub(crate) fn mark_bus_removed(functions: &mut [Function], counts: &mut [u8]) {
    for function in &*functions {
        if let Some(count) = function.above.and_then(|bridge| counts.get_mut(bridge)) {
            *count = count.saturating_add(1);
        }
    }
    for function in functions {
        if function.opt_out == ResetOptOut::None && lacks_bus(function, counts) {
            function.opt_out = ResetOptOut::BusRemoved;
        }
    }
}

/// Returns `true` if the administrator took `bus` out of an endpoint's reset methods: the kernel
/// offers it to one that is alone on its bus below a bridge, and to no other.
fn lacks_bus(function: &Function, counts: &[u8]) -> bool {
    function.kind == FunctionKind::Endpoint
        && function.physical.is_none()
        && !function.listed.has_bus()
        && function.above.and_then(|bridge| counts.get(bridge)) == Some(&1)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            reset_method::{
                Listed,
                Method, //
            },
            topology::samples::*, //
        },
        *, //
    };

    #[test]
    fn bus_is_missed_only_where_the_kernel_offers_it() {
        let lacks = |all: &[Function], index: usize| {
            let mut all = all.to_vec();
            let mut counts = vec![0; all.len()];
            mark_bus_removed(&mut all, &mut counts);
            all[index].opt_out == ResetOptOut::BusRemoved
        };
        let listed = Function {
            listed: Listed::new([Method::Bus.kernel_number(), 0, 0, 0, 0, 0, 0, 0]),
            ..endpoint(1)
        };
        assert!(lacks(&[port(0), below(0, endpoint(1))], 1));
        assert!(!lacks(&[port(0), below(0, listed)], 1));
        assert!(!lacks(
            &[port(0), below(0, endpoint(1)), below(0, endpoint(2))],
            1
        ));
        assert!(!lacks(&[endpoint(1)], 0));
        assert!(!lacks(&[port(0), below(0, port(1))], 1));
        // The kernel lists none for virtual functions.
        let virtual_function = Function {
            physical: Some(1),
            ..endpoint(9)
        };
        let all = [
            port(0),
            below(0, listed),
            port(2),
            below(2, virtual_function),
        ];
        assert!(!lacks(&all, 3));
    }

    #[test]
    fn another_reason_is_kept() {
        let quirk = Function {
            opt_out: ResetOptOut::Quirk,
            ..endpoint(1)
        };
        let mut all = [port(0), below(0, endpoint(1)), port(1), below(2, quirk)];
        mark_bus_removed(&mut all, &mut [0; 4]);
        assert_eq!(
            all.map(|function| function.opt_out),
            [
                ResetOptOut::None,
                ResetOptOut::BusRemoved,
                ResetOptOut::None,
                ResetOptOut::Quirk
            ]
        );
    }
}
