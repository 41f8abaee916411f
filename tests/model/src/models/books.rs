// SPDX-License-Identifier: GPL-2.0

//! Whose a device is: `pure/device_state.rs` and the planner between two toolstacks that keep to
//! libxl's order or die midway, an administrator who unbinds and binds, and hardware whose resets
//! fail.
//!
//! Two domains, and three functions on two cards: one with an FLR of its own, and two that can only
//! be reset together. The driver acts as backend/reconcile.rs, backend/give_back.rs and
//! reset/ladder.rs do: what they do under one lock, or in one transaction, is one step here, and
//! everybody else can act between two of them.
//!
//! What Xen knows is kept beside what the driver believes; the properties compare the two.

mod administrator;
mod driver;
mod properties;
mod resets;
mod state;
mod toolstack;

use self::state::*;
use super::check;
use crate::pure::{
    device_state::{DeviceState, Holder},
    reset_state::ResetState,
};
use stateright::{Checker, HasDiscoveries, Model, Property};

/// A rule that the driver didn't always have: without it the checker finds a way to do harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    /// Nothing is left out.
    Nothing,
    /// The list is read in one transaction.
    OneTransaction,
    /// A device is restored only if it is still claimed.
    ClaimCheck,
    /// A function that its domain goes on using is not reset for another.
    SparingOthers,
    /// A device that is leaving isn't assignable.
    LeavingCheck,
    /// A device that is claimed anew is its guest's again.
    ExportAnew,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// The driver goes on with a guest.
    Driver(usize),
    /// The driver goes on with a cleaning; its reset works, or fails.
    Clean(usize, bool),
    /// The driver reads a list in the middle of its renumbering, and misses this entry.
    TornRead(usize, usize),
    /// A toolstack goes on; its reset works, or fails.
    Tool(usize, bool),
    Attach(usize, usize),
    Detach(usize, usize),
    Dies(usize),
    Unbind(usize),
    Bind(usize),
    /// So much time has passed that an assignment has ended by itself.
    Late(usize),
}

struct Books {
    without: Without,
    budget: Budget,
    strict: bool,
    /// Time passes.
    late: bool,
}

impl Model for Books {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let device = |made| Device {
            state: Some(DeviceState::claimed(made, false, EARLY)),
            assigned: None,
            soiled_by: None,
            late: false,
            released_in_use: false,
            lost: false,
        };
        let guest = Guest {
            tool: Tool::Idle,
            listed: 0,
            event: false,
            work: Work::Idle,
            cleaning: Cleaning::Nothing,
            exports: 0,
            stale: 0,
            waits: false,
        };
        vec![World {
            // Those that can only be reset together were not reset in their claims.
            devices: [
                device(ResetState::Clean),
                device(ResetState::NotReset),
                device(ResetState::NotReset),
            ],
            guests: [guest; DOMAINS],
            harm: None,
            budget: self.budget,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.harm.is_some() {
            return;
        }
        for (which, guest) in world.guests.iter().enumerate() {
            actions.push(Action::Driver(which));
            actions.push(Action::Clean(which, true));
            actions.push(Action::Tool(which, true));
            if world.budget.failures > 0 {
                actions.push(Action::Clean(which, false));
                actions.push(Action::Tool(which, false));
            }
            let torn = self.without == Without::OneTransaction && world.budget.renumberings > 0;
            if torn && guest.work == Work::Idle && guest.event {
                let missed = members(guest.listed);
                actions.extend(missed.map(|device| Action::TornRead(which, device)));
            }
            if guest.tool == Tool::Idle && world.budget.tools > 0 {
                for device in 0..DEVICES {
                    let has = guest.listed & bit(device) != 0;
                    // libxl looks whether another domain has it (libxl__device_pci_add()).
                    let other = &world.guests[1 - which];
                    let taken = other.listed & bit(device) != 0 || other.tool.is_at(device);
                    if has {
                        actions.push(Action::Detach(which, device));
                    } else if !taken {
                        actions.push(Action::Attach(which, device));
                    }
                }
            }
            if guest.tool != Tool::Idle && world.budget.deaths > 0 {
                actions.push(Action::Dies(which));
            }
        }
        for (device, state) in world.devices.iter().enumerate() {
            if state.state.is_some() && world.budget.unbinds > 0 {
                actions.push(Action::Unbind(device));
            }
            if state.state.is_none() {
                actions.push(Action::Bind(device));
            }
            let busy = world.guests.iter().any(|guest| {
                matches!(guest.tool, Tool::AttachAssign(it) | Tool::AttachList(it) if usize::from(it) == device)
            });
            // The driver has read all lists before that.
            let over = !busy && world.is_settled() && !state.late;
            if self.late && over && world.holder(device) == Holder::Assigned {
                actions.push(Action::Late(device));
            }
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut next = *last;
        match action {
            Action::Driver(which) => return last.drive(self, which),
            Action::Clean(which, works) => {
                next = last.clean(self, which, works)?;
                if !works {
                    // A failure that makes no difference is none.
                    let fine = last.clean(self, which, true)?;
                    if fine == next {
                        return None;
                    }
                    next.budget.failures -= 1;
                }
            }
            Action::Tool(which, works) => {
                next = last.tool(self, which, works)?;
                if !works {
                    let fine = last.tool(self, which, true)?;
                    if fine == next {
                        return None;
                    }
                    next.budget.failures -= 1;
                }
            }
            Action::TornRead(which, device) => {
                next.budget.renumberings -= 1;
                next.guests[which].event = false;
                next.guests[which].work = Work::Read(last.guests[which].listed & !bit(device));
            }
            Action::Attach(which, device) => {
                next.budget.tools -= 1;
                next.guests[which].tool = Tool::AttachReset(device as u8, Reset::New);
            }
            Action::Detach(which, device) => {
                next.budget.tools -= 1;
                next.guests[which].tool = Tool::DetachReset(device as u8, Reset::New);
            }
            Action::Dies(which) => return last.die(which),
            Action::Unbind(device) => return last.unbind(self, device),
            Action::Bind(device) => next = last.bind(device),
            Action::Late(device) => next.devices[device].late = true,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::properties()
    }
}

/// What is left out, and how much may happen: acts of toolstacks, deaths of them, unbinds, resets
/// that fail.
fn books(without: Without, [tools, deaths, unbinds, failures]: [u8; 4]) -> Books {
    let large = super::size() > 1;
    Books {
        without,
        budget: Budget {
            tools: tools + u8::from(large),
            deaths,
            unbinds,
            failures,
            renumberings: 1,
        },
        strict: false,
        late: deaths > 0 || without == Without::ExportAnew,
    }
}

#[test]
fn whose_a_device_is() {
    check(books(Without::Nothing, [6, 0, 0, 0]));
}

#[test]
fn whose_a_device_is_while_some_are_released() {
    check(books(Without::Nothing, [3, 0, 1, 0]));
}

#[test]
fn whose_a_device_is_when_resets_fail() {
    check(books(Without::Nothing, [4, 0, 0, 1]));
}

#[test]
fn whose_a_device_is_when_a_toolstack_dies() {
    check(books(Without::Nothing, [4, 1, 0, 0]));
}

/// Without one of the rules the checker finds a way to do harm, of which this is said.
fn finds(without: Without, budget: [u8; 4], property: &'static str) {
    let start = std::time::Instant::now();
    let found = HasDiscoveries::AnyOf([property].into());
    let checker = books(without, budget).checker();
    let checker = checker.threads(2).finish_when(found).spawn_bfs().join();
    crate::report("states", checker.unique_state_count(), start);
    let path = checker.discovery(property);
    let path = path.unwrap_or_else(|| panic!("without {without:?} nothing was found"));
    println!("without {without:?}: {:?}", path.into_actions());
}

#[test]
fn found_without_one_transaction() {
    finds(
        Without::OneTransaction,
        [2, 0, 0, 0],
        "no device that stays listed is taken back",
    );
}

#[test]
fn found_without_asking_under_the_lock() {
    finds(
        Without::ClaimCheck,
        [3, 0, 1, 0],
        "nothing is written to a device that isn't ours",
    );
}

#[test]
fn found_without_sparing_what_is_kept() {
    finds(
        Without::SparingOthers,
        [3, 0, 0, 0],
        "nothing is done to a device that another uses",
    );
}

#[test]
fn found_without_waiting_for_what_is_leaving() {
    finds(
        Without::LeavingCheck,
        [3, 0, 0, 0],
        "nothing is done to a device that another uses",
    );
}

#[test]
fn found_without_exporting_anew() {
    finds(
        Without::ExportAnew,
        [2, 0, 1, 0],
        "nothing is done to a device that another uses",
    );
}
