// SPDX-License-Identifier: GPL-2.0

//! The states of a backend and its frontend in xenstore, and what a backend does in each.
//!
//! The frontend's state is written by a guest, so nothing that a guest could gain from is done for
//! its sake: devices are given back only when the toolstack says so.

/// A state of one end (`enum xenbus_state`, public/io/xenbus.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No such node, or nonsense in it.
    Unknown,
    /// The toolstack has made the node.
    Initialising,
    /// Waiting for what the toolstack or the other end is to write.
    InitWait,
    /// Waiting for the other end to connect.
    Initialised,
    /// Connected.
    Connected,
    /// Closing.
    Closing,
    /// Closed.
    Closed,
    /// The list of devices has changed.
    Reconfiguring,
    /// The change was carried out.
    Reconfigured,
}

impl State {
    /// All of them, by their numbers.
    const ALL: [Self; 9] = [
        Self::Unknown,
        Self::Initialising,
        Self::InitWait,
        Self::Initialised,
        Self::Connected,
        Self::Closing,
        Self::Closed,
        Self::Reconfiguring,
        Self::Reconfigured,
    ];

    /// Returns the state of that number; for what is none, [`State::Unknown`].
    pub(crate) fn from_number(number: Option<u32>) -> Self {
        number
            .and_then(|number| usize::try_from(number).ok())
            .and_then(|number| Self::ALL.get(number).copied())
            .unwrap_or(Self::Unknown)
    }

    /// Returns the state's number.
    pub(crate) const fn number(self) -> u32 {
        // CAST: The discriminants are 0 to 8, in the order of the public header.
        self as u32
    }
}

/// What a backend sees when it looks at itself and its frontend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Its own state.
    pub(crate) own: State,
    /// The frontend's.
    pub(crate) front: State,
    /// The toolstack wants it to go on (`online`).
    pub(crate) online: bool,
    /// The frontend has published a ring for its operations (`pci-op-ref`).
    pub(crate) wants_operations: bool,
}

/// What it does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing until something changes.
    Wait,
    /// Say so.
    SwitchTo(State),
    /// Export what the toolstack has listed, all or nothing, then be [`State::Initialised`].
    SetUp,
    /// Export what was added to the list, take back what was removed, then be in that state.
    Follow(State),
    /// Tell the frontend that its operations are not served.
    Refuse,
    /// Take everything back, then be [`State::Closed`].
    Close,
}

impl Seen {
    /// Returns what to do.
    pub(crate) fn step(self) -> Step {
        let closing = self.front == State::Closing;
        match self.own {
            State::Unknown | State::Closed => Step::Wait,
            _ if self.is_over() => Step::Close,
            State::Closing if !self.online => Step::Close,
            // A frontend that closes is waited for.
            State::Closing if closing => Step::Wait,
            State::Closing => Step::SwitchTo(State::Closed),
            State::Initialising => Step::SwitchTo(State::InitWait),
            State::InitWait => Step::SetUp,
            // Whatever the frontend's state is: it never got further than this.
            State::Reconfiguring if self.front == State::Reconfiguring => {
                Step::Follow(State::Reconfigured)
            }
            State::Reconfiguring => Step::Follow(State::Initialised),
            _ if closing => Step::SwitchTo(State::Closing),
            State::Initialised if self.wants_operations && self.front == State::Initialised => {
                Step::Refuse
            }
            // Further devices of a guest that is being made come without another state.
            State::Initialised => Step::Follow(State::Initialised),
            State::Reconfigured if self.front == State::Connected => {
                Step::SwitchTo(State::Connected)
            }
            State::Reconfigured | State::Connected => Step::Wait,
        }
    }

    /// Tells whether the connection is over: the frontend has gone, and the toolstack wants it.
    fn is_over(self) -> bool {
        matches!(self.front, State::Unknown | State::Closed) && !self.online
    }
}

/// What becomes of an entry of the toolstack's list of devices, by its state (`state-N`) and
/// whether the device was exported by this backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays as it is.
    Stays,
    /// It is to be exported.
    Export,
    /// It is to be taken back.
    TakeBack,
}

impl Fate {
    /// Returns it.
    pub(crate) fn of(state: State, exported: bool) -> Self {
        match (state, exported) {
            (State::Closing, true) => Self::TakeBack,
            // A device that was refused, or is on its way out.
            (State::Closing | State::Closed, false) => Self::Stays,
            (_, true) => Self::Stays,
            (_, false) => Self::Export,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fate, Seen, State, Step};

    fn every() -> impl Iterator<Item = Seen> {
        let flags = [(false, false), (false, true), (true, false), (true, true)];
        State::ALL.into_iter().flat_map(move |own| {
            State::ALL.into_iter().flat_map(move |front| {
                flags.map(|(online, wants_operations)| Seen {
                    own,
                    front,
                    online,
                    wants_operations,
                })
            })
        })
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
        for seen in every().filter(|seen| seen.online) {
            assert_ne!(seen.step(), Step::Close, "{seen:?}");
        }
    }

    /// Whatever a guest writes, what the toolstack adds and removes is followed.
    #[test]
    fn a_guest_cannot_stop_the_toolstack() {
        for seen in every() {
            match seen.own {
                State::Closing if !seen.online => assert_eq!(seen.step(), Step::Close, "{seen:?}"),
                State::Reconfiguring if seen.online => {
                    assert!(matches!(seen.step(), Step::Follow(_)), "{seen:?}");
                }
                State::InitWait if seen.online => assert_eq!(seen.step(), Step::SetUp, "{seen:?}"),
                _ => {}
            }
        }
    }

    #[test]
    fn a_guest_without_a_frontend_is_set_up_and_left_alone() {
        let mut seen = Seen {
            own: State::Initialising,
            front: State::Initialising,
            online: true,
            wants_operations: false,
        };
        assert_eq!(seen.step(), Step::SwitchTo(State::InitWait));
        seen.own = State::InitWait;
        assert_eq!(seen.step(), Step::SetUp);
        seen.own = State::Initialised;
        assert_eq!(seen.step(), Step::Follow(State::Initialised));
        seen.own = State::Reconfiguring;
        assert_eq!(seen.step(), Step::Follow(State::Initialised));
        seen.own = State::Closing;
        seen.online = false;
        assert_eq!(seen.step(), Step::Close);
        seen.own = State::Closed;
        assert_eq!(seen.step(), Step::Wait);
    }

    #[test]
    fn a_frontend_that_went_is_the_end_if_the_toolstack_says_so() {
        for own in [State::InitWait, State::Initialised, State::Reconfiguring] {
            for front in [State::Unknown, State::Closed] {
                let mut seen = Seen {
                    own,
                    front,
                    online: false,
                    wants_operations: false,
                };
                assert_eq!(seen.step(), Step::Close);
                seen.online = true;
                assert_ne!(seen.step(), Step::Close);
            }
        }
    }

    #[test]
    fn a_frontend_that_wants_operations_is_refused_and_let_go() {
        let mut seen = Seen {
            own: State::Initialised,
            front: State::Initialised,
            online: true,
            wants_operations: true,
        };
        assert_eq!(seen.step(), Step::Refuse);
        seen.own = State::Closing; // That is how a refusal is said.
        seen.front = State::Closing;
        assert_eq!(seen.step(), Step::Wait);
        seen.front = State::Closed;
        assert_eq!(seen.step(), Step::SwitchTo(State::Closed));
    }

    #[test]
    fn a_frontend_that_answers_a_change_is_followed() {
        let mut seen = Seen {
            own: State::Reconfiguring,
            front: State::Reconfiguring,
            online: true,
            wants_operations: false,
        };
        assert_eq!(seen.step(), Step::Follow(State::Reconfigured));
        seen.own = State::Reconfigured;
        assert_eq!(seen.step(), Step::Wait);
        seen.front = State::Connected;
        assert_eq!(seen.step(), Step::SwitchTo(State::Connected));
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
}
