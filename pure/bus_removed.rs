// SPDX-License-Identifier: GPL-2.0

//! Who opts out of slot and bus resets by a list of methods that lacks `bus`.

use super::topology::{
    Function,
    FunctionKind,
    ResetOptOut,
    Topology, //
};

/// Marks the functions from whose reset methods the administrator took `bus`, unless they opt out
/// for another reason.
pub(crate) fn mark_bus_removed(functions: &mut [Function]) {
    for index in 0..functions.len() {
        if !lacks_bus(Topology(functions), index) {
            continue;
        }
        if let Some(function) = functions.get_mut(index) {
            if function.opt_out == ResetOptOut::None {
                function.opt_out = ResetOptOut::BusRemoved;
            }
        }
    }
}

/// Returns `true` if the administrator took `bus` out of an endpoint's reset methods: the kernel
/// offers it to one that is alone on its bus below a bridge, and to no other.
fn lacks_bus(topology: Topology<'_>, index: usize) -> bool {
    topology.get(index).is_some_and(|function| {
        let mut neighbours = topology
            .functions()
            .filter(|(other, neighbour)| *other != index && neighbour.above == function.above);
        function.kind == FunctionKind::Endpoint
            && function.physical.is_none()
            && function.above.is_some()
            && !function.listed.has_bus()
            && neighbours.next().is_none()
    })
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
        let lacks = |all: &[Function], index| lacks_bus(Topology(all), index);
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
    }

    #[test]
    fn another_reason_is_kept() {
        let quirk = Function {
            opt_out: ResetOptOut::Quirk,
            ..endpoint(1)
        };
        let mut all = [port(0), below(0, endpoint(1)), port(1), below(2, quirk)];
        mark_bus_removed(&mut all);
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
