// SPDX-License-Identifier: GPL-2.0

//! Whose a device is: `pure/device_state.rs` and the planner between two toolstacks that keep to
//! libxl's order or die midway, an administrator who unbinds and binds, and hardware whose resets
//! fail.
//!
//! Two domains, and three functions on two cards: one with an FLR of its own, and two that can only
//! be reset together. The driver acts as backend/guest.rs, backend/give_back.rs and reset/ladder.rs
//! do: what they do under one lock, or in one transaction, is one step here, and everybody else can
//! act between two of them.
//!
//! What Xen knows is kept beside what the driver believes; the properties compare the two.

use super::check;
use crate::pure::{
    device_state::{DeviceState, Holder, Permitted, Refused},
    domid::DomId,
    reset_method::{Listed, Method},
    reset_plan::{Plan, Rungs},
    reset_state::{ResetState, Verdict},
    sbdf::Sbdf,
    time::Time,
    topology::{Function, FunctionKind, Owner, ResetOptOut, Secondary, Topology},
};
use stateright::{Checker, HasDiscoveries, Model, Property};

/// The functions.
const DEVICES: usize = 3;
/// The domains.
const DOMAINS: usize = 2;

/// A set of devices, a bit each.
type Set = u8;

const fn bit(device: usize) -> Set {
    1 << device
}

fn members(set: Set) -> impl Iterator<Item = usize> {
    (0..DEVICES).filter(move |device| set & bit(*device) != 0)
}

fn domain(which: usize) -> DomId {
    DomId::new([7, 8][which]).unwrap()
}

/// A time before, and one after, that at which an assignment ends by itself.
const EARLY: Time = Time(0);
const LATE: Time = Time(1 << 50);

/// A rule that the driver didn't always have: without it the checker finds out (the number is that
/// of the mend).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    /// Nothing is left out.
    Nothing,
    /// The list is read in one transaction.
    A2,
    /// A device is restored only if it is still claimed.
    A4,
    /// A function that its domain goes on using is not reset for another.
    A5,
    /// A device that is leaving isn't assignable.
    A6,
    /// A device that is claimed anew is its guest's again.
    A9,
}

/// A device, and the truth about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Device {
    /// What the driver believes; `None` while a native driver has it.
    state: Option<DeviceState>,
    /// Which domain Xen lets have it.
    assigned: Option<u8>,
    /// Whose data is in it.
    soiled_by: Option<u8>,
    /// Time has passed since it was assigned.
    late: bool,
    /// It was released while a domain used it, and not claimed since.
    released_in_use: bool,
    /// Nobody can know that it is assigned: its toolstack died before it listed it, or it was claimed
    /// anew since the toolstack asked.
    lost: bool,
}

/// A reset on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reset {
    /// Nothing is planned.
    New,
    /// It is planned and will reach this.
    Planned(Set),
    /// All of that is reserved.
    Reserved(Set),
}

/// What the driver is doing about a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Work {
    Idle,
    /// It has read the list.
    Read(Set),
    /// These are leaving, if the list, read once more, still doesn't have them.
    Confirm {
        list: Set,
        going: Set,
    },
    /// These are still to be exported.
    Export {
        todo: Set,
    },
}

/// What the driver is cleaning after a guest, in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Cleaning {
    Nothing,
    /// These, of which these are still to be reset, and these were since.
    Resets {
        going: Set,
        todo: Set,
        reset: Set,
        now: Reset,
    },
    /// All resets are over: the use of these ends.
    EndUse {
        going: Set,
        reset: Set,
    },
}

/// What a domain's toolstack is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Tool {
    Idle,
    /// It attaches a device: `do_flr`,
    AttachReset(u8, Reset),
    /// the question for the GSI,
    AttachAsk(u8),
    /// the assignment,
    AttachAssign(u8),
    /// and the list.
    AttachList(u8),
    /// It detaches one: `do_flr`,
    DetachReset(u8, Reset),
    /// the end of the assignment,
    DetachDeassign(u8),
    /// and the list.
    DetachList(u8),
}

impl Tool {
    fn is_at(self, wanted: usize) -> bool {
        match self {
            Self::Idle => false,
            Self::AttachReset(device, _)
            | Self::AttachAsk(device)
            | Self::AttachAssign(device)
            | Self::AttachList(device)
            | Self::DetachReset(device, _)
            | Self::DetachDeassign(device)
            | Self::DetachList(device) => usize::from(device) == wanted,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Guest {
    tool: Tool,
    listed: Set,
    /// Something has changed since the driver last began to look.
    event: bool,
    work: Work,
    cleaning: Cleaning,
    exports: Set,
    /// Exports whose claim is gone.
    stale: Set,
    /// It waits for a device that is another's.
    waits: bool,
}

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Harm {
    /// A reset or a restore hit a device that another domain uses, or the same one for another.
    InUse,
    /// Something was written to a device that isn't ours.
    NotOurs,
    /// A domain was given another's data, and the answer was a plain yes.
    Leaked,
    /// A device that stays listed was taken back.
    Robbed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct World {
    devices: [Device; DEVICES],
    guests: [Guest; DOMAINS],
    harm: Option<Harm>,
    /// How much may still happen.
    budget: Budget,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Budget {
    tools: u8,
    deaths: u8,
    unbinds: u8,
    failures: u8,
    renumberings: u8,
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

impl World {
    fn now(&self, device: usize) -> Time {
        if self.devices[device].late {
            LATE
        } else {
            EARLY
        }
    }

    fn state(&mut self, device: usize) -> &mut DeviceState {
        self.devices[device].state.as_mut().unwrap()
    }

    fn holder(&self, device: usize) -> Holder {
        let state = self.devices[device].state;
        state.map_or(Holder::Gone, |state| state.holder(self.now(device)))
    }

    /// reset/snapshot.rs: two ports; the first leads to device 0, the second to 1 and 2.
    fn functions(&self, target: usize, without: Without) -> Vec<Function> {
        let port = |number: u8| Function {
            sbdf: Sbdf::new(0, 0, number << 3),
            kind: FunctionKind::Bridge,
            above: None,
            physical: None,
            owner: Owner::PortDriver,
            opt_out: ResetOptOut::None,
            listed: Listed::new([0; 8]),
            secondary: Secondary::Slot,
        };
        let mut all = vec![port(0), port(1)];
        for device in 0..DEVICES {
            let holder = match (self.holder(device), without) {
                (Holder::Domain(domain), Without::A5)
                    if self.holder(target).domain() == Some(domain) =>
                {
                    Holder::Cleaning(domain)
                }
                (holder, _) => holder,
            };
            let owner = match self.devices[device].state {
                Some(_) => Owner::Pciback(holder),
                None => Owner::Driver,
            };
            let flr = Method::Flr.kernel_number();
            let listed = if device == 0 {
                [flr, 0, 0, 0, 0, 0, 0, 0]
            } else {
                [0; 8]
            };
            all.push(Function {
                sbdf: Sbdf::new(0, device.min(1) as u8 + 1, device.saturating_sub(1) as u8),
                kind: FunctionKind::Endpoint,
                above: Some(device.min(1)),
                owner,
                listed: Listed::new(listed),
                ..port(0)
            });
        }
        all
    }

    /// The planner: what would be reset for the sake of a device; `None` if nothing may be.
    fn plan(&self, target: usize, without: Without) -> Option<Set> {
        let functions = self.functions(target, without);
        let topology = Topology(&functions);
        match topology.plan(target + 2, Rungs::default()) {
            Plan::Reset(reset) => {
                let reached = topology.scope(reset).filter(|index| *index >= 2);
                Some(reached.fold(0, |set, index| set | bit(index - 2)))
            }
            Plan::Blocked(_) | Plan::Nothing => None,
        }
    }

    /// The next step of a reset for the sake of `target`, which is with `user`: `None` if it has to
    /// wait, else what it is next, if it goes on, and what it has reset, if anything.
    fn step_reset(
        &mut self,
        model: &Books,
        target: usize,
        reset: Reset,
        works: bool,
        from: Option<usize>,
    ) -> Option<(Option<Reset>, Set)> {
        match reset {
            Reset::New => {
                let reach = self.plan(target, model.without);
                Some((reach.map(Reset::Planned), 0))
            }
            Reset::Planned(reach) => {
                let free = |device: usize| {
                    let state: Option<DeviceState> = self.devices[device].state;
                    state.is_some_and(|mut state| state.reserve())
                };
                if !members(reach).all(free) {
                    // It waits, or was released: planned anew.
                    let gone = members(reach).any(|device| self.devices[device].state.is_none());
                    return gone.then_some((None, 0));
                }
                for device in members(reach) {
                    self.state(device).reserve();
                }
                Some((Some(Reset::Reserved(reach)), 0))
            }
            Reset::Reserved(reach) => {
                // The second look, under the locks of all that is reached.
                let same = self.plan(target, model.without) == Some(reach);
                let still = members(reach).all(|device| self.devices[device].state.is_some());
                if same && still {
                    for device in members(reach) {
                        self.hit(device, target, from);
                        let now = self.now(device);
                        if works {
                            self.devices[device].soiled_by = self.devices[device].assigned;
                        }
                        let made = if works {
                            ResetState::Clean
                        } else {
                            ResetState::Failed
                        };
                        self.state(device).was_reset(made, now);
                    }
                }
                for device in members(reach) {
                    if let Some(state) = &mut self.devices[device].state {
                        state.unreserve();
                    }
                }
                Some((None, if same && still { reach } else { 0 }))
            }
        }
    }

    /// The hardware of a device is written to for the sake of `target`, which `from` has given back,
    /// or whose reset its toolstack has asked for.
    fn hit(&mut self, device: usize, target: usize, from: Option<usize>) {
        let hit = self.devices[device];
        let others = match (hit.assigned, from) {
            (Some(_), _) if device != target => true,
            (Some(domain), Some(from)) => usize::from(domain) != from,
            // Whoever asks for a reset of a device that is in use means it.
            _ => false,
        };
        if hit.state.is_none() {
            self.harm = Some(Harm::NotOurs);
        } else if others && !hit.lost {
            self.harm = Some(Harm::InUse);
        }
    }

    /// One step of backend/guest.rs; `None` if there is nothing to do, or something is waited for.
    fn drive(&self, model: &Books, which: usize) -> Option<Self> {
        let mut next = *self;
        let guest = self.guests[which];
        let dom = domain(which);
        let work = match guest.work {
            Work::Idle if !guest.event => return None,
            Work::Idle => {
                next.guests[which].event = false;
                Work::Read(guest.listed)
            }
            // (One cleaning at a time is enough here.)
            Work::Read(list)
                if guest.exports & !list != 0 && guest.cleaning != Cleaning::Nothing =>
            {
                return None;
            }
            Work::Read(list) => {
                let going = guest.exports & !list;
                let going = members(going).filter(|device| {
                    let state = &mut next.devices[*device].state;
                    guest.stale & bit(*device) == 0
                        && state.as_mut().is_some_and(|state| state.begin_leaving(dom))
                });
                let going = going.fold(0, |set, device| set | bit(device));
                next.guests[which].exports &= list;
                next.guests[which].stale &= list;
                Work::Confirm { list, going }
            }
            Work::Confirm { list, going } => {
                // Both readings were torn where that was possible.
                let again = match model.without {
                    Without::A2 => 0,
                    _ => going & guest.listed,
                };
                for device in members(again) {
                    if let Some(state) = &mut next.devices[device].state {
                        state.stay(dom);
                    }
                }
                let going = going & !again;
                for device in members(going) {
                    if let Some(state) = &mut next.devices[device].state {
                        state.begin_cleaning(dom);
                    }
                }
                if going & guest.listed != 0 {
                    next.harm = Some(Harm::Robbed);
                }
                let guest = &mut next.guests[which];
                guest.exports |= again;
                if going != 0 {
                    guest.cleaning = Cleaning::Resets {
                        going,
                        todo: going,
                        reset: 0,
                        now: Reset::New,
                    };
                }
                next.exports_todo(model, which, list)
            }
            Work::Export { todo: 0 } => Work::Idle,
            Work::Export { todo } => {
                let device = members(todo).next().unwrap();
                let reserved = |mut state: DeviceState| !state.reserve();
                if self.devices[device].state.is_some_and(reserved) {
                    return None;
                }
                let listed = next.export(model, which, device);
                let guest = &mut next.guests[which];
                match listed {
                    Ok(()) => {
                        guest.exports |= bit(device);
                        guest.stale &= !bit(device);
                        next.devices[device].lost = false;
                    }
                    Err(true) => guest.waits = true,
                    Err(false) => {}
                }
                Work::Export {
                    todo: todo & !bit(device),
                }
            }
        };
        next.guests[which].work = work;
        Some(next)
    }

    /// One step of backend/give_back.rs; `None` if there is nothing to do, or something is waited
    /// for.
    fn clean(&self, model: &Books, which: usize, works: bool) -> Option<Self> {
        let mut next = *self;
        let cleaning = match self.guests[which].cleaning {
            Cleaning::Nothing => return None,
            Cleaning::Resets {
                going,
                todo: 0,
                reset,
                ..
            } => Cleaning::EndUse { going, reset },
            Cleaning::Resets {
                going,
                todo,
                reset,
                now,
            } => {
                let target = members(todo).next().unwrap();
                // One that another's reset has reached since, or that was released.
                let over = now == Reset::New
                    && (reset & bit(target) != 0 || next.devices[target].state.is_none());
                let (now, done) = if over {
                    (None, 0)
                } else {
                    next.step_reset(model, target, now, works, Some(which))?
                };
                let todo = if now.is_some() {
                    todo
                } else {
                    todo & !bit(target)
                };
                Cleaning::Resets {
                    going,
                    todo,
                    reset: reset | done,
                    now: now.unwrap_or(Reset::New),
                }
            }
            Cleaning::EndUse { going: 0, .. } => {
                for guest in &mut next.guests {
                    guest.event |= guest.waits;
                }
                Cleaning::Nothing
            }
            Cleaning::EndUse { going, reset } => {
                let device = members(going).next().unwrap();
                let claimed = next.devices[device].state.is_some();
                let asked = model.without != Without::A4;
                if reset & bit(device) == 0 && (claimed || !asked) {
                    // It is restored: written to.
                    next.hit(device, device, Some(which));
                }
                if let Some(state) = &mut next.devices[device].state {
                    state.left(domain(which));
                }
                Cleaning::EndUse {
                    going: going & !bit(device),
                    reset,
                }
            }
        };
        next.guests[which].cleaning = cleaning;
        Some(next)
    }

    /// What is to be exported.
    fn exports_todo(&mut self, model: &Books, which: usize, list: Set) -> Work {
        let guest = &mut self.guests[which];
        guest.waits = false;
        let anew = if model.without == Without::A9 {
            0
        } else {
            guest.stale
        };
        Work::Export {
            todo: list & (!guest.exports | anew),
        }
    }

    /// backend/export.rs, under the reservation and the device's lock. The error says whether it is
    /// tried again.
    fn export(&mut self, model: &Books, which: usize, device: usize) -> Result<(), bool> {
        let listed = self.guests.map(|guest| guest.listed & bit(device) != 0);
        let now = self.now(device);
        let Some(state) = &mut self.devices[device].state else {
            return Err(false);
        };
        match state.list(domain(which), model.strict, now) {
            Ok(_) => Ok(()),
            Err(Refused::UsedBy(other)) => {
                let other = (0..DOMAINS).find(|which| domain(*which) == other).unwrap();
                Err(!listed[other])
            }
            Err(Refused::Leaving) => Err(true),
            Err(_) => Err(false),
        }
    }

    /// One step of a toolstack; `None` if it waits, or has nothing to do.
    fn tool(&self, model: &Books, which: usize, works: bool) -> Option<Self> {
        let mut next = *self;
        let tool = match self.guests[which].tool {
            Tool::Idle => return None,
            // libxl looks whether it is assignable (libxl_pci_assignable()).
            Tool::AttachReset(device, _) if !self.is_claimed(device) => Tool::Idle,
            Tool::AttachReset(device, reset) => match next.do_flr(model, device, reset, works)? {
                Some(reset) => Tool::AttachReset(device, reset),
                None => Tool::AttachAsk(device),
            },
            Tool::AttachAsk(device) => {
                let d = usize::from(device);
                let now = next.now(d);
                let Some(state) = &mut next.devices[d].state else {
                    next.guests[which].tool = Tool::Idle;
                    return Some(next);
                };
                let answer = match state.assign(model.strict, now) {
                    Err(Refused::Leaving) if model.without == Without::A6 => {
                        Ok(Permitted::WithWarning)
                    }
                    answer => answer,
                };
                let soiled = next.devices[d].soiled_by;
                let others = soiled.is_some_and(|by| usize::from(by) != which);
                if answer == Ok(Permitted::Plainly) && others && next.devices[d].assigned.is_none()
                {
                    next.harm = Some(Harm::Leaked);
                }
                // It gives up where it isn't answered.
                if answer.is_ok() {
                    Tool::AttachAssign(device)
                } else {
                    Tool::Idle
                }
            }
            Tool::AttachAssign(device) => {
                let holder = next.holder(device.into());
                let device_now = &mut next.devices[usize::from(device)];
                // The answer was that of a claim which has ended since.
                device_now.lost |= matches!(holder, Holder::Nobody);
                // Xen gives away what is dom0's only.
                if device_now.assigned.is_some() || device_now.state.is_none() {
                    Tool::Idle
                } else {
                    device_now.assigned = Some(which as u8);
                    device_now.soiled_by = Some(which as u8);
                    Tool::AttachList(device)
                }
            }
            Tool::AttachList(device) => {
                let guest = &mut next.guests[which];
                guest.listed |= bit(device.into());
                guest.event = true;
                Tool::Idle
            }
            Tool::DetachReset(device, reset) => match next.do_flr(model, device, reset, works)? {
                Some(reset) => Tool::DetachReset(device, reset),
                None => Tool::DetachDeassign(device),
            },
            Tool::DetachDeassign(device) => {
                let device_now = &mut next.devices[usize::from(device)];
                if device_now.assigned == Some(which as u8) {
                    device_now.assigned = None;
                }
                Tool::DetachList(device)
            }
            Tool::DetachList(device) => {
                let guest = &mut next.guests[which];
                guest.listed &= !bit(device.into());
                guest.event = true;
                Tool::Idle
            }
        };
        next.guests[which].tool = tool;
        Some(next)
    }

    /// reset/request.rs: the outer `None` if it waits; the inner one at the end.
    fn do_flr(
        &mut self,
        model: &Books,
        device: u8,
        reset: Reset,
        works: bool,
    ) -> Option<Option<Reset>> {
        let device = usize::from(device);
        if self.devices[device].state.is_none() {
            return Some(None);
        }
        // sysfs/driver.rs: what was written to xenstore before is looked at.
        if reset == Reset::New {
            if !self.is_settled() {
                return None;
            }
            let now = self.now(device);
            self.state(device).reset_requested(now);
        }
        let leaving = self.holder(device).is_leaving();
        if reset == Reset::New && leaving && model.without != Without::A6 {
            return None;
        }
        let (next, _) = self.step_reset(model, device, reset, works, None)?;
        Some(next)
    }

    fn is_claimed(&self, device: u8) -> bool {
        self.devices[usize::from(device)].state.is_some()
    }

    /// All lists were read, and what follows for the books was done.
    fn is_settled(&self) -> bool {
        let settled = |guest: &Guest| !guest.event && guest.work == Work::Idle;
        self.guests.iter().all(settled)
    }

    fn is_in_a_reset(&self, device: usize) -> bool {
        let reserved = |reset| matches!(reset, Reset::Reserved(reach) if reach & bit(device) != 0);
        self.guests.iter().any(|guest| {
            let work = match guest.cleaning {
                Cleaning::Resets { now, .. } => reserved(now),
                _ => false,
            };
            let tool = match guest.tool {
                Tool::AttachReset(_, now) | Tool::DetachReset(_, now) => reserved(now),
                _ => false,
            };
            work || tool
        })
    }

    /// What comes of it when nobody acts any more but the driver, and requests that are under way:
    /// `None` if that has no end.
    fn at_rest(&self, model: &Books) -> Option<Self> {
        let mut world = *self;
        for _ in 0..200 {
            let step = (0..DOMAINS).find_map(|which| {
                let clean = || world.clean(model, which, true);
                world.drive(model, which).or_else(clean)
            });
            let request = || {
                (0..DOMAINS).find_map(|which| match world.guests[which].tool {
                    Tool::AttachReset(..) | Tool::DetachReset(..) => world.tool(model, which, true),
                    _ => None,
                })
            };
            match step.or_else(request) {
                Some(next) => world = next,
                None => return Some(world),
            }
        }
        None
    }
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
            let torn = self.without == Without::A2 && world.budget.renumberings > 0;
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
            Action::Dies(which) => {
                next.budget.deaths -= 1;
                let guest = &mut next.guests[which];
                match guest.tool {
                    Tool::AttachList(device) => next.devices[usize::from(device)].lost = true,
                    // A write to do_flr goes on to its end without its writer.
                    Tool::AttachReset(_, Reset::Reserved(_))
                    | Tool::DetachReset(_, Reset::Reserved(_)) => {
                        return None;
                    }
                    _ => {}
                }
                guest.tool = Tool::Idle;
            }
            // Under the device's lock, which a reset of it holds to its end.
            Action::Unbind(device) => {
                if last.is_in_a_reset(device) {
                    return None;
                }
                next.budget.unbinds -= 1;
                let now = last.now(device);
                let holder = next.state(device).release(now);
                next.devices[device].released_in_use =
                    matches!(holder, Holder::Domain(_) | Holder::Assigned);
                next.devices[device].state = None;
                for guest in &mut next.guests {
                    guest.stale |= guest.exports & bit(device);
                    // A plan is one for the claims that it was made for (ResetScope::is()).
                    let replan = |reset| match reset {
                        Reset::Planned(reach) if reach & bit(device) != 0 => Reset::New,
                        reset => reset,
                    };
                    guest.tool = match guest.tool {
                        Tool::AttachReset(it, reset) => Tool::AttachReset(it, replan(reset)),
                        Tool::DetachReset(it, reset) => Tool::DetachReset(it, replan(reset)),
                        tool => tool,
                    };
                    // What is cleaned is that claim, and no other of the address.
                    let spared = match self.without {
                        Without::A4 => 0,
                        _ => bit(device),
                    };
                    if let Work::Confirm { going, .. } = &mut guest.work {
                        *going &= !bit(device);
                    }
                    match &mut guest.cleaning {
                        Cleaning::Nothing => {}
                        Cleaning::Resets {
                            going, todo, now, ..
                        } => {
                            *now = replan(*now);
                            *todo &= !bit(device);
                            *going &= !spared;
                        }
                        Cleaning::EndUse { going, .. } => *going &= !spared,
                    }
                }
            }
            Action::Bind(device) => {
                // The claim resets what can be reset by itself.
                let made = if device == 0 {
                    ResetState::Clean
                } else {
                    ResetState::NotReset
                };
                let now = last.now(device);
                let in_use = last.devices[device].released_in_use;
                next.devices[device].state = Some(DeviceState::claimed(made, in_use, now));
                next.devices[device].released_in_use = false;
                if device == 0 {
                    next.devices[device].soiled_by = next.devices[device].assigned;
                }
                // That it is assigned is known when it is listed.
                let listed = last
                    .guests
                    .iter()
                    .any(|guest| guest.listed & bit(device) != 0);
                next.devices[device].lost = last.devices[device].assigned.is_some() && !listed;
                for guest in &mut next.guests {
                    guest.event = true;
                }
            }
            Action::Late(device) => next.devices[device].late = true,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn known(device: &Device) -> Option<DeviceState> {
            device.state.filter(|_| !device.lost)
        }
        vec![
            // 1
            Property::always(
                "no domain gets another's data unless that is said",
                |_, world: &World| world.harm != Some(Harm::Leaked),
            ),
            Property::always("clean is clean", |_, world: &World| {
                let clean = |(which, device): (usize, &Device)| {
                    known(device).is_none_or(|state| {
                        // Until it is listed, it is called what it was before.
                        state.holder(world.now(which)) == Holder::Assigned
                            || state.reset_state(world.now(which)) != ResetState::Clean
                            || device.soiled_by.is_none()
                    })
                };
                !world.is_settled() || world.devices.iter().enumerate().all(clean)
            }),
            // 2
            Property::always(
                "nothing is done to a device that another uses",
                |_, world: &World| world.harm != Some(Harm::InUse),
            ),
            // 3
            Property::always(
                "nothing is written to a device that isn't ours",
                |_, world: &World| world.harm != Some(Harm::NotOurs),
            ),
            Property::always(
                "no device that stays listed is taken back",
                |_, world: &World| world.harm != Some(Harm::Robbed),
            ),
            // 4
            Property::always(
                "every device comes to rest",
                |model: &Self, world: &World| {
                    if world.harm.is_some() {
                        return true;
                    }
                    let Some(rest) = world.at_rest(model) else {
                        return false;
                    };
                    (0..DEVICES).all(|device| {
                        let state = rest.devices[device].state;
                        let reserved = state.is_some_and(|mut state| !state.reserve());
                        !reserved
                            && match rest.holder(device) {
                                Holder::Leaving(_) | Holder::Cleaning(_) => false,
                                Holder::Domain(domain_now) => (0..DOMAINS).any(|which| {
                                    domain(which) == domain_now
                                        && rest.guests[which].listed & bit(device) != 0
                                }),
                                Holder::Nobody => {
                                    model.without == Without::A9
                                        || (0..DOMAINS).all(|which| {
                                            rest.guests[which].listed & bit(device) == 0
                                        })
                                }
                                // It ends by itself.
                                Holder::Assigned => true,
                                Holder::Gone => state.is_none(),
                            }
                    })
                },
            ),
            // 5
            Property::always("the answers agree", |model: &Self, world: &World| {
                world.devices.iter().enumerate().all(|(device, it)| {
                    let Some(mut state) = it.state else {
                        return true;
                    };
                    let verdict = state.verdict(model.strict, world.now(device));
                    match state.assign(model.strict, world.now(device)) {
                        Ok(_) => verdict != Verdict::No,
                        Err(Refused::Reserved) => true,
                        Err(_) => verdict == Verdict::No,
                    }
                })
            }),
            Property::sometimes("both domains have a device", |_, world: &World| {
                world.guests.iter().all(|guest| guest.exports != 0)
            }),
            Property::sometimes(
                "a device has gone from one domain to the other",
                |_, world: &World| {
                    let mut all = world.devices.iter().enumerate();
                    all.any(|(device, it)| {
                        world.guests[1].exports & bit(device) != 0
                            && it.assigned == Some(1)
                            && world.budget.tools == 0
                    })
                },
            ),
            Property::sometimes(
                "two functions of a card are reset for a third's sake",
                |_, world: &World| {
                    world.guests.iter().any(|guest| {
                    matches!(guest.cleaning, Cleaning::EndUse { reset, .. } if reset & 0b110 == 0b110)
                })
                },
            ),
        ]
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
        late: deaths > 0 || without == Without::A9,
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
    crate::tell("states", checker.unique_state_count(), start);
    let path = checker.discovery(property);
    let path = path.unwrap_or_else(|| panic!("without {without:?} nothing was found"));
    println!("without {without:?}: {:?}", path.into_actions());
}

#[test]
fn found_without_one_transaction() {
    finds(
        Without::A2,
        [2, 0, 0, 0],
        "no device that stays listed is taken back",
    );
}

#[test]
fn found_without_asking_under_the_lock() {
    finds(
        Without::A4,
        [3, 0, 1, 0],
        "nothing is written to a device that isn't ours",
    );
}

#[test]
fn found_without_sparing_what_is_kept() {
    finds(
        Without::A5,
        [3, 0, 0, 0],
        "nothing is done to a device that another uses",
    );
}

#[test]
fn found_without_waiting_for_what_is_leaving() {
    finds(
        Without::A6,
        [3, 0, 0, 0],
        "nothing is done to a device that another uses",
    );
}

#[test]
fn found_without_exporting_anew() {
    finds(
        Without::A9,
        [2, 0, 1, 0],
        "nothing is done to a device that another uses",
    );
}
