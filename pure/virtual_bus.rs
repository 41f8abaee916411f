// SPDX-License-Identifier: GPL-2.0

//! Where a guest sees the devices that are exported to it.

use super::sbdf::Sbdf;

/// How addresses are chosen (the parameter `passthrough`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    /// One virtual bus 0000:00 with the exported devices in its slots.
    Virtual,
    /// Each device at its real address.
    Real,
}

/// A device and where the guest sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Its real address.
    pub(crate) real: Sbdf,
    /// It is a virtual function.
    pub(crate) is_virtual_function: bool,
    /// The guest's address.
    pub(crate) seen: Sbdf,
}

/// Slots of a bus (PCI Local Bus Specification 3.0 sec 3.2.2.3.2: 5 bits).
const SLOTS: u8 = 32;

impl Placed {
    /// Returns `true` if `real` may join this device in its virtual slot: they are functions of one
    /// device. A virtual function 0 stays alone: it doesn't announce other functions, so a guest
    /// would not look for them.
    fn is_joined_by(&self, real: Sbdf) -> bool {
        !(self.is_virtual_function && self.real.function() == 0)
            && self.real.with_devfn(0) == real.with_devfn(0)
            && self.real.slot() == real.slot()
    }
}

/// Finds a place for a device among those that are there, by the rules of the C driver; `None` if
/// the virtual bus is full.
pub(crate) fn place<'a>(
    model: Model,
    there: impl Iterator<Item = &'a Placed> + Clone,
    real: Sbdf,
    is_virtual_function: bool,
) -> Option<Placed> {
    let placed = |seen| Placed {
        real,
        is_virtual_function,
        seen,
    };
    if model == Model::Real {
        return Some(placed(real));
    }
    let function = real.function();
    let mut first_of_slots = (0..SLOTS).map(|slot| {
        let first = there.clone().find(|other| other.seen.slot() == slot);
        (slot, first)
    });
    let alone = is_virtual_function && function == 0;
    let joined = first_of_slots
        .clone()
        .filter(|_| !alone)
        .find(|(_, first)| first.is_some_and(|first| first.is_joined_by(real)));
    let (slot, _) = joined.or_else(|| first_of_slots.find(|(_, first)| first.is_none()))?;
    Some(placed(Sbdf::new(0, 0, (slot << 3) | function)))
}

#[cfg(test)]
mod tests {
    use super::{
        place,
        Model,
        Placed, //
    };
    use crate::pure::sbdf::Sbdf;

    fn put(there: &mut Vec<Placed>, real: Sbdf, vf: bool) -> Option<String> {
        let placed = place(Model::Virtual, there.iter(), real, vf)?;
        there.push(placed);
        Some(placed.seen.to_string())
    }

    fn at(bus: u8, slot: u8, function: u8) -> Sbdf {
        Sbdf::new(0, bus, slot << 3 | function)
    }

    #[test]
    fn the_first_device_is_the_first_of_the_bus() {
        assert_eq!(
            put(&mut vec![], at(3, 5, 0), false).as_deref(),
            Some("0000:00:00.0")
        );
    }

    #[test]
    fn functions_of_one_device_stay_together_and_others_apart() {
        let mut there = vec![];
        let mut seen = |sbdf| put(&mut there, sbdf, false).unwrap();
        assert_eq!(seen(at(3, 0, 1)), "0000:00:00.1");
        assert_eq!(seen(at(4, 0, 0)), "0000:00:01.0");
        assert_eq!(seen(at(3, 0, 0)), "0000:00:00.0");
        assert_eq!(seen(at(3, 1, 0)), "0000:00:02.0");
        assert_eq!(seen(Sbdf::new(1, 3, 0)), "0000:00:03.0");
    }

    #[test]
    fn a_virtual_function_0_is_alone() {
        let mut there = vec![];
        assert_eq!(
            put(&mut there, at(3, 2, 0), true).as_deref(),
            Some("0000:00:00.0")
        );
        assert_eq!(
            put(&mut there, at(3, 2, 1), true).as_deref(),
            Some("0000:00:01.1")
        );
        assert_eq!(
            put(&mut there, at(3, 2, 2), true).as_deref(),
            Some("0000:00:01.2")
        );
        assert_eq!(
            put(&mut there, at(3, 3, 0), true).as_deref(),
            Some("0000:00:02.0")
        );
    }

    #[test]
    fn a_freed_slot_is_used_again_and_a_full_bus_is_full() {
        let mut there = vec![];
        for bus in 0..32 {
            assert!(put(&mut there, at(bus, 0, 0), false).is_some());
        }
        assert_eq!(put(&mut there, at(99, 0, 0), false), None);
        assert_eq!(
            put(&mut there, at(7, 0, 3), false).as_deref(),
            Some("0000:00:07.3")
        );
        there.retain(|placed| placed.real.bus() != 9);
        assert_eq!(
            put(&mut there, at(99, 0, 0), false).as_deref(),
            Some("0000:00:09.0")
        );
    }

    #[test]
    fn real_addresses_are_real() {
        let real = Sbdf::new(2, 3, 0x0a);
        let placed = place(Model::Real, [].iter(), real, false).unwrap();
        assert_eq!(placed.seen, real);
    }

    /// No two devices at one address, whatever comes and goes.
    #[test]
    fn addresses_are_unique() {
        let mut there: Vec<Placed> = vec![];
        for round in 0..4u8 {
            for devfn in (round..64).step_by(3) {
                let real = Sbdf::new(0, devfn % 3, devfn);
                if there.iter().all(|placed| placed.real != real) {
                    put(&mut there, real, devfn % 5 == 0);
                }
            }
            there.retain(|placed| placed.real.devfn() % 7 != round);
            let mut seen: Vec<_> = there.iter().map(|placed| placed.seen).collect();
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), there.len());
        }
    }
}
