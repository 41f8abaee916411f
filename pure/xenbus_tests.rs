// SPDX-License-Identifier: GPL-2.0

use super::{
    decimal,
    Fate,
    Seen,
    State,
    Step, //
};

/// A guest that was just listed.
const NEW: Seen = Seen {
    exists: true,
    lives: true,
    bound: true,
    own: State::Initialising,
    front: State::Initialising,
    online: true,
};

fn every() -> impl Iterator<Item = Seen> {
    let flags = [(false, false), (false, true), (true, false), (true, true)];
    State::ALL.into_iter().flat_map(move |own| {
        State::ALL.into_iter().flat_map(move |front| {
            flags.into_iter().map(move |(online, bound)| Seen {
                exists: true,
                lives: true,
                bound,
                own,
                front,
                online,
            })
        })
    })
}

#[test]
fn a_number_is_digits_and_fits() {
    for (text, number) in [("0", 0), ("12", 12), ("007", 7), ("4294967295", u32::MAX)] {
        assert_eq!(decimal(text.as_bytes()), Some(number));
    }
    for text in [
        "",
        "+1",
        "-1",
        " 1",
        "1 ",
        "4294967296",
        "0x1",
        "\u{661}",
        "1.0",
    ] {
        assert_eq!(decimal(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn numbers_are_those_of_the_public_header() {
    for number in 0..9 {
        assert_eq!(State::from_number(Some(number)).number(), number);
    }
    assert_eq!(State::Connected.number(), 4);
    assert_eq!(State::Reconfigured.number(), 8);
    assert_eq!(State::from_number(Some(9)), State::Unknown);
    assert_eq!(State::from_number(None), State::Unknown);
}

/// Whatever a guest writes, it cannot have its devices taken for unused.
#[test]
fn only_the_toolstack_ends_a_use() {
    for seen in every() {
        let step = seen.step();
        assert!(!seen.online || !matches!(step, Step::Close(_)), "{seen:?}");
        let gone = Seen {
            exists: false,
            ..seen
        };
        assert_eq!(gone.step(), Step::Close(None));
    }
}

/// The toolstack leaves the directory behind when no frontend answers.
#[test]
fn what_a_dead_domain_has_left_is_removed() {
    for seen in every() {
        let dead = Seen {
            lives: false,
            ..seen
        };
        assert_eq!(dead.step(), Step::Remove, "{seen:?}");
        assert!(!dead.keeps_connection());
    }
}

/// Whatever a guest writes, what the toolstack adds and removes is followed, at once or after
/// the backend's own state has changed.
#[test]
fn a_guest_cannot_stop_the_toolstack() {
    for mut seen in every().filter(|seen| seen.online) {
        for _ in State::ALL {
            match seen.step() {
                Step::SwitchTo(state) => seen.own = state,
                Step::Follow(_) | Step::Connect(_) => break,
                Step::Close(_) | Step::Remove => panic!("{seen:?}"),
            }
        }
        let step = seen.step();
        assert!(
            matches!(step, Step::Follow(_) | Step::Connect(_)),
            "{seen:?}"
        );
    }
}

#[test]
fn nothing_is_said_where_nobody_listens() {
    for seen in every().filter(|seen| !seen.bound) {
        assert!(
            matches!(seen.step(), Step::Follow(None) | Step::Close(None)),
            "{seen:?}"
        );
    }
}

/// xenopsd writes neither `state` nor `online`.
#[test]
fn a_list_without_a_state_counts() {
    let seen = Seen {
        bound: false,
        own: State::Unknown,
        front: State::Unknown,
        online: false,
        ..NEW
    };
    assert_eq!(seen.step(), Step::Follow(None));
}

#[test]
fn a_guest_without_a_frontend_is_set_up_and_left_alone() {
    let mut seen = NEW;
    assert_eq!(seen.step(), Step::SwitchTo(State::InitWait));
    seen.own = State::InitWait;
    assert_eq!(seen.step(), Step::Follow(Some(State::Initialised)));
    seen.own = State::Initialised;
    assert_eq!(seen.step(), Step::Follow(Some(State::Initialised)));
    seen.own = State::Reconfiguring;
    assert_eq!(seen.step(), Step::Follow(Some(State::Initialised)));
    seen.own = State::Closing;
    seen.online = false;
    assert_eq!(seen.step(), Step::Close(Some(State::Closed)));
    seen.own = State::Closed;
    assert_eq!(seen.step(), Step::Close(None));
}

/// The toolstack has ended the use and removed the frontend's directory: nobody is told.
#[test]
fn a_use_ends_while_it_closes_though_the_driver_has_lost_the_directory() {
    for front in State::ALL {
        let seen = Seen {
            bound: false,
            own: State::Closing,
            front,
            online: false,
            ..NEW
        };
        assert_eq!(seen.step(), Step::Close(None), "{front:?}");
    }
}

#[test]
fn a_frontend_that_went_is_the_end_if_the_toolstack_says_so() {
    for own in [State::InitWait, State::Initialised, State::Reconfiguring] {
        for front in [State::Unknown, State::Closed] {
            let mut seen = Seen { own, front, ..NEW };
            assert!(!matches!(seen.step(), Step::Close(_)));
            seen.online = false;
            assert_eq!(seen.step(), Step::Close(Some(State::Closed)));
        }
    }
}

#[test]
fn a_frontend_connects_and_leaves_and_may_come_back() {
    let mut seen = Seen {
        own: State::Initialised,
        front: State::Initialised,
        ..NEW
    };
    assert_eq!(seen.step(), Step::Connect(State::Connected));
    seen.own = State::Connected;
    // Once more: that of another kernel.
    assert_eq!(seen.step(), Step::Connect(State::Connected));
    seen.front = State::Connected;
    assert_eq!(seen.step(), Step::Follow(None));
    assert!(seen.keeps_connection());
    for front in [State::Closed, State::Initialising] {
        seen.front = front;
        assert!(!seen.keeps_connection());
        assert_eq!(seen.step(), Step::SwitchTo(State::Initialised));
    }
    seen.front = State::Closing;
    assert!(!seen.keeps_connection());
    assert_eq!(seen.step(), Step::SwitchTo(State::Closing));
    seen.own = State::Closing;
    assert_eq!(seen.step(), Step::Follow(None));
    seen.front = State::Closed;
    assert_eq!(seen.step(), Step::SwitchTo(State::Closed));
}

#[test]
fn a_frontend_that_is_there_is_waited_for() {
    let mut seen = Seen {
        own: State::Reconfiguring,
        front: State::Connected,
        ..NEW
    };
    assert_eq!(seen.step(), Step::Follow(None));
    // It was about to connect.
    seen.front = State::Initialised;
    assert_eq!(seen.step(), Step::Follow(None));
    seen.front = State::Reconfiguring;
    assert_eq!(seen.step(), Step::Connect(State::Reconfigured));
    seen.own = State::Reconfigured;
    assert_eq!(seen.step(), Step::Follow(None));
    assert!(seen.keeps_connection());
    seen.front = State::Connected;
    assert_eq!(seen.step(), Step::SwitchTo(State::Connected));
}

#[test]
fn no_connection_outlives_its_directory_or_the_toolstacks_wish() {
    for seen in every().filter(|seen| seen.keeps_connection()) {
        let unbound = Seen {
            bound: false,
            ..seen
        };
        assert!(!unbound.keeps_connection());
        let gone = Seen {
            exists: false,
            ..seen
        };
        assert!(!gone.keeps_connection());
        assert!(!matches!(seen.step(), Step::Close(_)), "{seen:?}");
    }
}

#[test]
fn entries_are_exported_once_and_taken_back_once() {
    for state in State::ALL {
        let gone = matches!(state, State::Closing | State::Closed);
        assert_eq!(Fate::of(state, false) == Fate::Export, !gone, "{state:?}");
        let closing = state == State::Closing;
        assert_eq!(
            Fate::of(state, true) == Fate::TakeBack,
            closing,
            "{state:?}"
        );
    }
}
