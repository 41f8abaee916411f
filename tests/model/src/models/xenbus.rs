// SPDX-License-Identifier: GPL-2.0

//! `pure/xenbus.rs`: a backend between a toolstack that keeps to its protocol and a guest that
//! writes what it likes.
//!
//! The backend acts as backend/connection.rs does: it reads node after node, decides, does something
//! to devices, and writes in a transaction that goes by what it has read. Between any two of these
//! the others write.

use crate::pure::xenbus::{Fate, Seen, State, Step};
use stateright::{Model, Property};

/// A state by its number, as it is in xenstore.
type Number = u8;

fn state(number: Number) -> State {
    State::from_number(Some(number.into()))
}

fn number(state: State) -> Number {
    state.number() as Number
}

const INITIALISING: Number = 1;
const CONNECTED: Number = 4;
const CLOSING: Number = 5;
const CLOSED: Number = 6;
const RECONFIGURING: Number = 7;

/// A device in the toolstack's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Entry {
    is_listed: bool,
    state: Number,
    /// Not in xenstore: the guest has it.
    is_exported: bool,
}

/// Where the backend is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Backend {
    /// It has nothing to do until something is written.
    Idle,
    /// It has read its own state,
    Own(Number),
    /// and the frontend's; the toolstack's wish and the ring are next.
    Both(Number, Number),
    /// It has seen all: own, front, online, wants operations.
    Decides(Number, Number, bool, bool),
    /// It has read the list (of each device: its state, if it is listed), and is to be in the second
    /// state if it is still in the first.
    Follows(Number, Number, [Option<Number>; MOST]),
    /// It has done it, and has to write so.
    Answers(Number, Number),
}

/// The most devices.
const MOST: usize = 3;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    own: Number,
    front: Number,
    online: bool,
    ring: bool,
    list: [Entry; MOST],
    backend: Backend,
    /// Something was written that the backend has a watch on, since it last began to look.
    event: bool,
    /// The toolstack has ended the use, and waits for the backend to be closed.
    destroyed: bool,
    /// The backend's directory is gone: the toolstack takes it away when it is closed.
    gone: bool,
    /// A device that the toolstack wanted the guest to have was taken from it.
    robbed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Backend,
    /// The guest writes its state.
    Front(Number),
    /// The guest publishes a ring, or takes it back.
    Ring(bool),
    /// The toolstack adds a device; to a guest that is being made without another state.
    Add(usize, bool),
    Remove(usize),
    /// The toolstack takes an entry off the list.
    Forget(usize),
    Destroy,
    /// The toolstack takes the backend's directory away.
    TakeAway,
}

struct Xenbus {
    devices: usize,
}

impl World {
    fn new() -> Self {
        let entry = Entry {
            is_listed: false,
            state: INITIALISING,
            is_exported: false,
        };
        let mut list = [entry; MOST];
        list[0].is_listed = true;
        Self {
            own: INITIALISING,
            front: INITIALISING,
            online: true,
            ring: false,
            list,
            backend: Backend::Idle,
            event: true,
            destroyed: false,
            gone: false,
            robbed: false,
        }
    }

    fn listed(&self) -> [Option<Number>; MOST] {
        self.list
            .map(|entry| entry.is_listed.then_some(entry.state))
    }

    fn take_back(&mut self, index: usize) {
        let entry = &mut self.list[index];
        let is_wanted = !self.destroyed && entry.is_listed && entry.state != CLOSING;
        self.robbed |= entry.is_exported && is_wanted;
        entry.is_exported = false;
    }

    fn take_all(&mut self) {
        for index in 0..MOST {
            self.take_back(index);
        }
    }

    /// `listing::switch()`.
    fn switch(&mut self, from: Number, to: Number) {
        if self.own == from && from != to && !self.gone {
            self.own = to;
            self.event = true;
        }
    }

    /// `Connection::step()` after it has looked.
    fn decide(&mut self, seen: Seen) -> Backend {
        let own = number(seen.own);
        match seen.step() {
            Step::Wait => {}
            Step::SwitchTo(next) => self.switch(own, number(next)),
            Step::SetUp => return Backend::Follows(own, number(State::Initialised), self.listed()),
            Step::Follow(after) => return Backend::Follows(own, number(after), self.listed()),
            Step::Refuse => self.switch(own, CLOSING),
            Step::Close => {
                self.take_all();
                return Backend::Answers(own, CLOSED);
            }
        }
        Backend::Idle
    }

    /// `Connection::follow()`, to the devices.
    fn follow(&mut self, list: [Option<Number>; MOST]) {
        for (index, listed) in list.into_iter().enumerate() {
            let is_exported = self.list[index].is_exported;
            let fate = listed.map(|listed| Fate::of(state(listed), is_exported));
            match fate {
                Some(Fate::Export) => self.list[index].is_exported = true,
                Some(Fate::Stays) => {}
                Some(Fate::TakeBack) | None => self.take_back(index),
            }
        }
    }

    /// `listing::answer()`.
    fn answer(&mut self, from: Number, to: Number) {
        for entry in &mut self.list {
            let gone = matches!(entry.state, CLOSING | CLOSED);
            let initialised = number(State::Initialised);
            if to != CLOSED && entry.is_listed && !gone && entry.is_exported {
                self.event |= entry.state != initialised;
                entry.state = initialised;
            }
        }
        self.switch(from, to);
    }

    /// One step of the backend; `None` if there is nothing to do.
    fn act(&self) -> Option<Self> {
        let mut next = self.clone();
        next.backend = match self.backend {
            Backend::Idle if !self.event => return None,
            Backend::Idle => {
                next.event = false;
                if self.gone {
                    next.take_all();
                    Backend::Idle
                } else {
                    Backend::Own(self.own)
                }
            }
            Backend::Own(own) => Backend::Both(own, self.front),
            Backend::Both(own, front) => Backend::Decides(own, front, self.online, self.ring),
            Backend::Decides(own, front, online, wants_operations) => next.decide(Seen {
                own: state(own),
                front: state(front),
                online,
                wants_operations,
            }),
            Backend::Follows(from, to, list) => {
                next.follow(list);
                Backend::Answers(from, to)
            }
            Backend::Answers(from, to) => {
                next.answer(from, to);
                Backend::Idle
            }
        };
        Some(next)
    }

    /// What comes of it when nobody writes any more; `None` if that has no end.
    fn at_rest(&self) -> Option<Self> {
        let mut world = self.clone();
        for _ in 0..100 {
            match world.act() {
                Some(next) => world = next,
                None => return Some(world),
            }
        }
        None
    }

    /// The same where the toolstack, too, does what it can to end the use.
    fn in_the_end(&self) -> Option<Self> {
        let mut world = self.at_rest()?;
        if world.can_be_taken_away() {
            world.take_away();
        }
        world.at_rest()
    }

    fn can_be_taken_away(&self) -> bool {
        self.destroyed && !self.gone && self.own == CLOSED
    }

    fn take_away(&mut self) {
        self.gone = true;
        self.own = 0;
        self.event = true;
    }

    /// The toolstack waits for this before it changes anything.
    fn is_ready(&self) -> bool {
        !self.destroyed && matches!(state(self.own), State::Initialised | State::Connected)
    }
}

impl Model for Xenbus {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        actions.push(Action::Backend);
        let fronts = (0..=number(State::Reconfigured)).filter(|front| *front != world.front);
        actions.extend(fronts.map(Action::Front));
        actions.push(Action::Ring(!world.ring));
        for (index, entry) in world.list.iter().enumerate().take(self.devices) {
            if world.is_ready() && !entry.is_listed {
                actions.extend([false, true].map(|anew| Action::Add(index, anew)));
            }
            if world.is_ready() && entry.is_listed && entry.state != CLOSING {
                actions.push(Action::Remove(index));
            }
            if world.is_ready() && entry.is_listed && entry.state == CLOSING && !entry.is_exported {
                actions.push(Action::Forget(index));
            }
        }
        if !world.destroyed {
            actions.push(Action::Destroy);
        }
        if world.can_be_taken_away() {
            actions.push(Action::TakeAway);
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut next = last.clone();
        match action {
            Action::Backend => return last.act(),
            Action::Front(front) => {
                next.front = front;
                next.event = true;
            }
            // There is no watch on that.
            Action::Ring(ring) => next.ring = ring,
            Action::Add(index, being_made) => {
                next.list[index].is_listed = true;
                next.list[index].state = INITIALISING;
                if !being_made {
                    next.own = RECONFIGURING;
                }
                next.event = true;
            }
            Action::Remove(index) => {
                next.list[index].state = CLOSING;
                next.own = RECONFIGURING;
                next.event = true;
            }
            Action::Forget(index) => {
                next.list[index].is_listed = false;
                next.event = true;
            }
            // libxl leaves a backend alone that is closed.
            Action::Destroy => {
                next.destroyed = true;
                if next.own != CLOSED {
                    next.online = false;
                    next.own = CLOSING;
                    next.event = true;
                }
            }
            Action::TakeAway => next.take_away(),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no guest is robbed", |_, world: &World| !world.robbed),
            Property::always("it comes to rest", |_, world: &World| {
                world.at_rest().is_some()
            }),
            // Whatever the guest writes, and has written.
            Property::always(
                "a use ends when the toolstack ends it",
                |_, world: &World| {
                    let end = world.in_the_end();
                    let ended =
                        |end: &World| end.gone && end.list.iter().all(|entry| !entry.is_exported);
                    !world.destroyed || end.as_ref().is_some_and(ended)
                },
            ),
            Property::always("a change is answered", |_, world: &World| {
                let rest = world.at_rest();
                rest.is_some_and(|rest| rest.own != RECONFIGURING)
            }),
            Property::always("a removed device is taken back", |_, world: &World| {
                let rest = world.at_rest();
                rest.is_some_and(|rest| {
                    let kept = |entry: &Entry| entry.is_exported && entry.state == CLOSING;
                    !rest.list.iter().any(kept) || rest.own == CLOSING || rest.own == CLOSED
                })
            }),
            Property::sometimes(
                "a guest has all its devices",
                |model: &Self, world: &World| {
                    let mut list = world.list.iter().take(model.devices);
                    world.own == CONNECTED && list.all(|entry| entry.is_exported)
                },
            ),
            Property::sometimes("a use has ended", |_, world: &World| {
                world.destroyed && world.own == CLOSED
            }),
        ]
    }
}

#[test]
fn a_backend_between_a_guest_and_a_toolstack() {
    super::check(Xenbus {
        devices: (super::size() + 1).min(MOST),
    });
}
