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

/// Returns the number that a node or a node's name says, `None` for what is none.
pub(crate) fn decimal(text: &[u8]) -> Option<u32> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = core::str::from_utf8(text).ok().filter(|_| digits)?;
    text.parse().ok()
}

/// What a backend sees when it looks at the directory of a guest's devices and at the frontend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// The directory is there.
    pub(crate) exists: bool,
    /// Xenbus has given the directory to the driver. It doesn't for a guest whose toolstack writes
    /// no `state` (xenopsd's for HVM guests), or which has removed its frontend's directory.
    pub(crate) bound: bool,
    /// The backend's own state.
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
    /// Go to that state.
    SwitchTo(State),
    /// Export what was added to the list, take back what was removed from it. Then answer and go to
    /// that state; without a state there is nobody to answer, or nothing.
    Follow(Option<State>),
    /// Say to the frontend that its operations are not served.
    Refuse,
    /// Take everything back, then go to that state, if any.
    Close(Option<State>),
}

impl Seen {
    /// Returns what to do.
    ///
    /// As long as the directory is there and the toolstack hasn't ended the use, the list is
    /// followed, whatever else is in the way.
    pub(crate) fn step(self) -> Step {
        let closing = self.front == State::Closing;
        match self.own {
            _ if !self.exists => Step::Close(None),
            State::Unknown => Step::Follow(None),
            State::Closed if !self.online => Step::Close(None),
            State::Closed => Step::Follow(None),
            State::Closing if !self.bound && !self.online => Step::Close(None),
            _ if !self.bound => Step::Follow(None),
            _ if self.is_over() => Step::Close(Some(State::Closed)),
            State::Closing if !self.online => Step::Close(Some(State::Closed)),
            // A frontend that closes is waited for.
            State::Closing if closing => Step::Follow(None),
            State::Closing => Step::SwitchTo(State::Closed),
            State::Initialising => Step::SwitchTo(State::InitWait),
            State::InitWait => Step::Follow(Some(State::Initialised)),
            // Whatever the frontend's state is: it never got further than this.
            State::Reconfiguring if self.front == State::Reconfiguring => {
                Step::Follow(Some(State::Reconfigured))
            }
            State::Reconfiguring => Step::Follow(Some(State::Initialised)),
            _ if closing => Step::SwitchTo(State::Closing),
            State::Initialised if self.wants_operations && self.front == State::Initialised => {
                Step::Refuse
            }
            // Further devices of a guest that is being made come without another state.
            State::Initialised => Step::Follow(Some(State::Initialised)),
            State::Reconfigured if self.front == State::Connected => {
                Step::SwitchTo(State::Connected)
            }
            State::Reconfigured | State::Connected => Step::Follow(None),
        }
    }

    /// Returns `true` if the connection is over: the frontend has gone, and the toolstack wants it.
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
        bound: true,
        own: State::Initialising,
        front: State::Initialising,
        online: true,
        wants_operations: false,
    };

    fn every() -> impl Iterator<Item = Seen> {
        let flags = [(false, false), (false, true), (true, false), (true, true)];
        State::ALL.into_iter().flat_map(move |own| {
            State::ALL.into_iter().flat_map(move |front| {
                flags.into_iter().flat_map(move |(online, bound)| {
                    [false, true].map(|wants_operations| Seen {
                        exists: true,
                        bound,
                        own,
                        front,
                        online,
                        wants_operations,
                    })
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

    /// Whatever a guest writes, what the toolstack adds and removes is followed, at once or after
    /// the backend's own state has changed.
    #[test]
    fn a_guest_cannot_stop_the_toolstack() {
        for mut seen in every().filter(|seen| seen.online) {
            for _ in State::ALL {
                match seen.step() {
                    Step::SwitchTo(state) => seen.own = state,
                    Step::Refuse => seen.own = State::Closing,
                    Step::Follow(_) => break,
                    Step::Close(_) => panic!("{seen:?}"),
                }
            }
            assert!(matches!(seen.step(), Step::Follow(_)), "{seen:?}");
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
    fn a_frontend_that_wants_operations_is_refused_and_let_go() {
        let mut seen = Seen {
            own: State::Initialised,
            front: State::Initialised,
            wants_operations: true,
            ..NEW
        };
        assert_eq!(seen.step(), Step::Refuse);
        seen.own = State::Closing; // That is how a refusal is said.
        seen.front = State::Closing;
        assert_eq!(seen.step(), Step::Follow(None));
        seen.front = State::Closed;
        assert_eq!(seen.step(), Step::SwitchTo(State::Closed));
    }

    #[test]
    fn a_frontend_that_answers_a_change_is_followed() {
        let mut seen = Seen {
            own: State::Reconfiguring,
            front: State::Reconfiguring,
            ..NEW
        };
        assert_eq!(seen.step(), Step::Follow(Some(State::Reconfigured)));
        seen.own = State::Reconfigured;
        assert_eq!(seen.step(), Step::Follow(None));
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
