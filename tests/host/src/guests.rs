// SPDX-License-Identifier: GPL-2.0

//! What a guest and its toolstack may write to xenstore, in any order: the guest keeps what the
//! toolstack gave it and gains nothing else.

use crate::{
    cases,
    pure::{
        sbdf::Sbdf,
        virtual_bus::{place, Model, Placed},
        xenbus::{Fate, Seen, State, Step},
    },
};
use proptest::{collection::vec, prelude::*, sample::Index};
use std::collections::BTreeSet;

/// What the toolstack, the guest and the device do to a connection.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The guest writes any number as its state.
    Guest(Option<u32>),
    /// The toolstack gives the guest up, or takes it back.
    Online(bool),
    /// The toolstack adds a device or wants one back.
    Reconfigure,
}

fn events() -> impl Strategy<Value = Event> {
    let number = prop_oneof![
        8 => (0..10u32).prop_map(Some),
        1 => any::<u32>().prop_map(Some),
        1 => Just(None),
    ];
    prop_oneof![
        6 => number.prop_map(Event::Guest),
        1 => any::<bool>().prop_map(Event::Online),
        2 => Just(Event::Reconfigure),
    ]
}

proptest! {
    #![proptest_config(cases(50_000))]

    /// The backend comes to rest after each of them, keeps the guest's devices while the toolstack
    /// wants it to, and never opens again.
    #[test]
    fn any_life_of_a_connection(events in vec((events(), any::<bool>()), 0..20)) {
        let (own, front) = (State::Initialising, State::Initialising);
        let mut seen = Seen { exists: true, lives: true, bound: true, own, front, online: true };
        let mut has_devices = false;
        for (event, succeeds) in events {
            let was_closed = seen.own == State::Closed;
            match event {
                Event::Guest(number) => seen.front = State::from_number(number),
                Event::Online(online) => seen.online = online,
                // Only a backend that has got so far is asked.
                Event::Reconfigure if matches!(seen.own, State::Initialised | State::Connected) => {
                    seen.own = State::Reconfiguring;
                }
                Event::Reconfigure => {}
            }
            let mut steps = 0;
            loop {
                let before = seen.own;
                match seen.step() {
                    Step::SwitchTo(state) => seen.own = state,
                    Step::Follow(state) => {
                        has_devices |= succeeds;
                        // One that fails leaves the state, and is tried again by the next event.
                        seen.own = state.filter(|_| succeeds).unwrap_or(seen.own);
                    }
                    // A ring that can't be connected closes the backend.
                    Step::Connect(state) => {
                        has_devices = true;
                        seen.own = if succeeds { state } else { State::Closing };
                    }
                    Step::Close(state) => {
                        prop_assert!(!seen.online, "taken away while it is online");
                        has_devices = false;
                        seen.own = state.unwrap_or(seen.own);
                    }
                    Step::Remove => prop_assert!(false, "its domain lives"),
                }
                if seen.own == before {
                    break;
                }
                steps += 1;
                prop_assert!(steps < 6, "it does not come to rest: {seen:?}");
            }
            prop_assert!(!was_closed || seen.own == State::Closed);
            let over = matches!(seen.front, State::Unknown | State::Closed) && !seen.online;
            prop_assert!(!over || !has_devices || seen.own == State::Closed, "{seen:?}");
        }
    }

    /// Entries are taken back once, and only if they were exported.
    #[test]
    fn any_state_of_an_entry(
        number in proptest::option::of(any::<u32>()),
        small in 0..12u32,
        exported in any::<bool>(),
    ) {
        for number in [number, Some(small)] {
            let state = State::from_number(number);
            prop_assert!(state == State::Unknown || Some(state.number()) == number);
            let known = number.is_some_and(|number| (1..9).contains(&number));
            prop_assert_eq!(state != State::Unknown, known);
            let going = matches!(number, Some(5 | 6));
            let wanted = match exported {
                true if number == Some(5) => Fate::TakeBack,
                false if !going => Fate::Export,
                _ => Fate::Stays,
            };
            prop_assert_eq!(Fate::of(state, exported), wanted);
        }
    }

    /// Any devices in any order, the same twice included: no address is given twice, a function
    /// keeps its number, and only functions of one device share a slot.
    #[test]
    fn any_devices_on_a_virtual_bus(
        changes in vec(
            (0..5u8, (0..3u32, 0..3u8, any::<u8>()), any::<bool>(), any::<Index>()),
            0..100,
        ),
    ) {
        let mut there: Vec<Placed> = Vec::new();
        for (goes, (domain, bus, devfn), is_virtual, which) in changes {
            if goes == 0 && !there.is_empty() {
                there.swap_remove(which.index(there.len()));
                continue;
            }
            let real = Sbdf::new(domain, bus, devfn);
            let Some(new) = place(Model::Virtual, there.iter(), real, is_virtual) else {
                let slots: BTreeSet<_> = there.iter().map(|one| one.seen.slot()).collect();
                prop_assert_eq!(slots.len(), 32, "no room");
                continue;
            };
            prop_assert_eq!((new.real, new.is_virtual_function), (real, is_virtual));
            let seen = (new.seen.domain(), new.seen.bus(), new.seen.function());
            prop_assert_eq!(seen, (0, 0, real.function()));
            for other in there.iter().filter(|other| other.seen.slot() == new.seen.slot()) {
                let same = |one: Sbdf| (one.domain(), one.bus(), one.slot());
                prop_assert_eq!(same(other.real), same(real));
                prop_assert!(other.real == real || other.seen != new.seen);
                // A virtual function 0 is alone.
                let is_alone = |one: &Placed| one.is_virtual_function && one.real.function() == 0;
                prop_assert!(!is_alone(other) && !is_alone(&new));
            }
            let known = there.iter().any(|other| other.real == real);
            if !known {
                there.push(new);
            }
            let real_place = place(Model::Real, there.iter(), real, is_virtual);
            prop_assert_eq!(real_place.map(|placed| placed.seen), Some(real));
        }
    }
}
