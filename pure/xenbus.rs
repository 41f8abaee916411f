// SPDX-License-Identifier: GPL-2.0

//! The states of a backend and its frontend in xenstore, and what a backend does in each.
//!
//! A guest writes the frontend's state, so nothing that a guest could gain from depends on it:
//! devices are given back only when the toolstack says so.

/// A state of one end (`enum xenbus_state`, public/io/xenbus.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There is no such node, or no number in it.
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
    /// The guest's domain is there, by its own directory, which only the toolstack removes. It may
    /// leave the backend's behind, when it has waited in vain for a frontend.
    pub(crate) lives: bool,
    /// Xenbus has given the directory to the driver. It doesn't for a guest whose toolstack writes
    /// no `state` (xenopsd's for HVM guests), or which has removed its frontend's directory.
    pub(crate) bound: bool,
    /// The backend's own state.
    pub(crate) own: State,
    /// The frontend's.
    pub(crate) front: State,
    /// The toolstack wants it to go on (`online`).
    pub(crate) online: bool,
}

/// What it does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Go to that state.
    SwitchTo(State),
    /// Export what was added to the list, take back what was removed from it. Then answer and go to
    /// that state; without a state there is nobody to answer, or nothing.
    Follow(Option<State>),
    /// The same, but before the answer connect to the ring that the frontend has published, unless
    /// that was done.
    Connect(State),
    /// Take everything back, then go to that state, if any.
    Close(Option<State>),
    /// Take everything back, then remove the directory: nobody else will.
    Remove,
}

impl Seen {
    /// Returns what to do.
    ///
    /// As long as the directory is there and the toolstack hasn't ended the use, the list is
    /// followed, whatever the frontend does.
    pub(crate) fn step(self) -> Step {
        let closing = self.front == State::Closing;
        match self.own {
            _ if !self.exists => Step::Close(None),
            _ if !self.lives => Step::Remove,
            State::Unknown => Step::Follow(None),
            State::Closed if !self.online => Step::Close(None),
            State::Closed => Step::Follow(None),
            State::Closing if !self.bound && !self.online => Step::Close(None),
            _ if !self.bound => Step::Follow(None),
            _ if self.is_over() => Step::Close(Some(State::Closed)),
            State::Closing if !self.online => Step::Close(Some(State::Closed)),
            // Wait until the frontend has closed.
            State::Closing if closing => Step::Follow(None),
            State::Closing => Step::SwitchTo(State::Closed),
            State::Initialising => Step::SwitchTo(State::InitWait),
            State::InitWait => Step::Follow(Some(State::Initialised)),
            State::Reconfiguring => match self.front {
                // It may have missed that it could connect.
                State::Reconfiguring => Step::Connect(State::Reconfigured),
                // It will answer, after having let go of what it is to give back.
                State::Initialised | State::Connected => Step::Follow(None),
                // There is no frontend that would.
                _ => Step::Follow(Some(State::Initialised)),
            },
            _ if closing => Step::SwitchTo(State::Closing),
            State::Initialised if self.front == State::Initialised => {
                Step::Connect(State::Connected)
            }
            // While a guest is created, more devices come without a change of state.
            State::Initialised => Step::Follow(Some(State::Initialised)),
            State::Reconfigured | State::Connected => match self.front {
                State::Connected if self.own == State::Reconfigured => {
                    Step::SwitchTo(State::Connected)
                }
                // Another kernel in the guest (kexec), with a ring of its own.
                State::Initialised => Step::Connect(State::Connected),
                // It has left without a word, and may come back.
                State::Initialising | State::InitWait | State::Closed => {
                    Step::SwitchTo(State::Initialised)
                }
                _ => Step::Follow(None),
            },
        }
    }

    /// Returns `true` if a ring that is connected stays so.
    pub(crate) fn keeps_connection(self) -> bool {
        let is_open = |state| {
            matches!(
                state,
                State::Initialised | State::Connected | State::Reconfiguring | State::Reconfigured
            )
        };
        let is_there = self.exists && self.lives && self.bound;
        is_there && is_open(self.own) && is_open(self.front) && !self.is_over()
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
    /// Returns what becomes of an entry.
    pub(crate) fn of(state: State, exported: bool) -> Self {
        match (state, exported) {
            (State::Closing, true) => Self::TakeBack,
            // It was refused, or is leaving.
            (State::Closing | State::Closed, false) => Self::Stays,
            (_, true) => Self::Stays,
            (_, false) => Self::Export,
        }
    }
}

#[cfg(test)]
#[path = "xenbus_tests.rs"]
mod tests;
