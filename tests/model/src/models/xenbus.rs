// SPDX-License-Identifier: GPL-2.0

//! `pure/xenbus.rs`: a backend between a toolstack that keeps to its protocol and a guest that
//! writes what it likes.
//!
//! The backend acts as backend/reconcile.rs does: it reads its own directory, then the frontend's,
//! decides, does something to devices, and writes in a transaction that goes by what it has read.
//! Between any two of these the others write. (No device is refused here.)

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

const UNKNOWN: Number = 0;
const INITIALISING: Number = 1;
const INITIALISED: Number = 3;
const CONNECTED: Number = 4;
const CLOSING: Number = 5;
const CLOSED: Number = 6;
const RECONFIGURING: Number = 7;
const RECONFIGURED: Number = 8;

/// The most devices.
const MOST: usize = 3;

/// A device that the toolstack may list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Entry {
    is_listed: bool,
    state: Number,
    /// Not in xenstore: the guest has it.
    is_exported: bool,
}

/// What the backend has read of its own directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Own {
    bound: bool,
    exists: bool,
    own: Number,
    online: bool,
}

/// Where the backend is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Backend {
    /// It has nothing to do until something is written.
    Idle,
    /// It has asked whether xenbus has bound it,
    Bound(bool),
    /// and read its own directory; the frontend's is next.
    Own(Own),
    /// It has read the frontend's state, too.
    Front(Own, Number),
    /// It has seen all.
    Decides(Own, Number),
    /// It is to follow the list, which it has yet to read, and to connect to a ring, or not.
    Follows(Number, Option<Number>, bool),
    /// It has read it: of each device its state, if it is listed.
    Lists(Number, Option<Number>, bool, [Option<Number>; MOST]),
    /// It has done it, and has to write so.
    Answers(Number, Number),
    /// It has taken all back, and looks anew when they are clean.
    Cleans,
    /// It has taken all back, and has to say so.
    Closes(Number, Number),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    /// The backend's directory is there.
    exists: bool,
    /// Xenbus has given it to the driver.
    bound: bool,
    own: Number,
    front: Number,
    online: bool,
    /// What the frontend has published as its ring can't be connected.
    bad_ring: bool,
    list: [Entry; MOST],
    backend: Backend,
    /// Something has happened that the backend is told of, since it last began to look.
    event: bool,
    /// The toolstack has ended the use.
    destroyed: bool,
    /// A device that the toolstack wanted the guest to have was taken from it.
    robbed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Backend,
    /// The guest writes its state.
    Front(Number),
    /// The guest publishes a ring that can't be connected, or one that can.
    BadRing(bool),
    /// Xenbus binds the driver, and unbinds it when the guest removes its directory.
    Bind(bool),
    /// The toolstack adds a device; to a guest that is being made without another state.
    Add(usize, bool),
    Remove(usize),
    /// The toolstack takes an entry off the list.
    Forget(usize),
    Destroy,
    /// The toolstack takes the backend's directory away, when it is closed or after ten seconds.
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
            exists: true,
            bound: false,
            own: INITIALISING,
            front: INITIALISING,
            online: true,
            bad_ring: false,
            list,
            backend: Backend::Idle,
            event: true,
            destroyed: false,
            robbed: false,
        }
    }

    fn listed(&self) -> [Option<Number>; MOST] {
        let is_there = |entry: Entry| self.exists && entry.is_listed;
        self.list
            .map(|entry| is_there(entry).then_some(entry.state))
    }

    fn take_back(&mut self, index: usize) {
        let is_wanted = self.listed()[index].is_some_and(|state| state != CLOSING);
        let entry = &mut self.list[index];
        self.robbed |= entry.is_exported && is_wanted && !self.destroyed;
        entry.is_exported = false;
    }

    /// `listing::switch()`, while the driver is bound.
    fn switch(&mut self, from: Number, to: Number) {
        if self.bound && self.exists && self.own == from && from != to {
            self.own = to;
            self.event = true;
        }
    }

    /// `Guest::step()` after it has looked.
    fn decide(&mut self, seen: Seen) -> Backend {
        let own = number(seen.own);
        match seen.step() {
            Step::SwitchTo(next) => self.switch(own, number(next)),
            Step::Follow(after) => return Backend::Follows(own, after.map(number), false),
            Step::Connect(after) => return Backend::Follows(own, Some(number(after)), true),
            Step::Close(after) => {
                let had_some = self.list.iter().any(|entry| entry.is_exported);
                (0..MOST).for_each(|index| self.take_back(index));
                match after {
                    _ if had_some => return Backend::Cleans,
                    Some(after) => return Backend::Closes(own, number(after)),
                    None => {}
                }
            }
            Step::Remove => unreachable!("its domain lives"),
        }
        Backend::Idle
    }

    /// `Guest::follow()`, to the devices.
    fn follow(&mut self, list: [Option<Number>; MOST]) {
        for (index, listed) in list.into_iter().enumerate() {
            let is_exported = self.list[index].is_exported;
            match listed.map(|listed| Fate::of(state(listed), is_exported)) {
                Some(Fate::Export) => self.list[index].is_exported = true,
                Some(Fate::Stays) => {}
                Some(Fate::TakeBack) => self.take_back(index),
                None if is_exported => self.take_back(index),
                None => {}
            }
        }
    }

    /// `listing::answer()`, while the driver is bound.
    fn answer(&mut self, from: Number, to: Number) {
        if !self.bound || !self.exists {
            return;
        }
        for entry in &mut self.list {
            let gone = matches!(entry.state, CLOSING | CLOSED);
            if entry.is_listed && !gone && entry.is_exported {
                self.event |= entry.state != INITIALISED;
                entry.state = INITIALISED;
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
                Backend::Bound(self.bound)
            }
            Backend::Bound(bound) => Backend::Own(Own {
                bound,
                exists: self.exists,
                own: self.own,
                online: self.online,
            }),
            Backend::Own(own) if own.bound => Backend::Front(own, self.front),
            Backend::Own(own) => Backend::Decides(own, UNKNOWN),
            Backend::Front(own, front) => Backend::Decides(own, front),
            Backend::Decides(own, front) => next.decide(Seen {
                exists: own.exists,
                lives: true,
                bound: own.bound,
                own: state(own.own),
                front: state(front),
                online: own.online,
            }),
            Backend::Follows(from, after, connects) => {
                Backend::Lists(from, after, connects, self.listed())
            }
            Backend::Lists(from, _, true, list) if self.bad_ring => {
                next.follow(list);
                next.switch(from, CLOSING);
                Backend::Idle
            }
            Backend::Lists(from, after, _, list) => {
                next.follow(list);
                after.map_or(Backend::Idle, |after| Backend::Answers(from, after))
            }
            Backend::Answers(from, to) => {
                next.answer(from, to);
                Backend::Idle
            }
            Backend::Cleans => {
                next.event = true;
                Backend::Idle
            }
            Backend::Closes(from, to) => {
                next.switch(from, to);
                Backend::Idle
            }
        };
        Some(next)
    }

    /// What comes of it when nobody else does anything any more; `None` if that has no end.
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

    fn take_away(&mut self) {
        self.exists = false;
        self.bound = false;
        self.own = UNKNOWN;
        self.online = false;
        self.event = true;
    }

    /// The toolstack waits for this before it changes anything.
    fn is_ready(&self) -> bool {
        !self.destroyed && matches!(self.own, INITIALISED | CONNECTED)
    }

    fn is_used(&self) -> bool {
        self.list.iter().any(|entry| entry.is_exported)
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
        if !world.exists {
            return;
        }
        let fronts = (UNKNOWN..=RECONFIGURED).filter(|front| *front != world.front);
        actions.extend(fronts.map(Action::Front));
        actions.push(Action::BadRing(!world.bad_ring));
        actions.push(Action::Bind(!world.bound));
        for (index, entry) in world.list.iter().enumerate().take(self.devices) {
            if world.is_ready() && !entry.is_listed {
                actions.extend([false, true].map(|being_made| Action::Add(index, being_made)));
            }
            if world.is_ready() && entry.is_listed && entry.state != CLOSING {
                actions.push(Action::Remove(index));
            }
            if world.is_ready() && entry.is_listed && entry.state == CLOSING && !entry.is_exported {
                actions.push(Action::Forget(index));
            }
        }
        actions.push(if world.destroyed {
            Action::TakeAway
        } else {
            Action::Destroy
        });
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut next = last.clone();
        match action {
            Action::Backend => return last.act(),
            Action::Front(front) => {
                next.front = front;
                next.event |= last.bound;
            }
            // There is no watch on that.
            Action::BadRing(bad) => next.bad_ring = bad,
            Action::Bind(bound) => {
                next.bound = bound;
                next.event = true;
            }
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
            // Whatever the guest writes, and has written. This one, and the next three.
            Property::always(
                "a use ends when the toolstack ends it",
                |_, world: &World| {
                    let over = !world.exists || !world.online;
                    !over || world.at_rest().is_some_and(|rest| !rest.is_used())
                },
            ),
            Property::always("a frontend is told of the end", |_, world: &World| {
                let told = |rest: World| rest.own == CLOSED;
                let asks = world.exists && world.bound && !world.online && world.own == CLOSING;
                !asks || world.at_rest().is_some_and(told)
            }),
            // A frontend that says that it is there must do its part first.
            Property::always("a change is answered", |_, world: &World| {
                let is_there = matches!(world.front, INITIALISED | CONNECTED);
                let answered = |rest: World| rest.own != RECONFIGURING;
                !world.bound || is_there || world.at_rest().is_some_and(answered)
            }),
            Property::always("the list is followed", |_, world: &World| {
                let follows = |entry: &Entry| {
                    let is_wanted = entry.is_listed && entry.state != CLOSING;
                    entry.is_exported == is_wanted
                };
                let on = world.exists && !world.destroyed;
                let rest = world.at_rest();
                !on || rest.is_some_and(|rest| rest.list.iter().all(follows))
            }),
            Property::sometimes(
                "a guest has all its devices",
                |model: &Self, world: &World| {
                    let mut list = world.list.iter().take(model.devices);
                    world.own == CONNECTED && list.all(|entry| entry.is_exported)
                },
            ),
            Property::sometimes("a use has ended", |_, world: &World| {
                !world.exists && !world.is_used() && world.backend == Backend::Idle
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
