// SPDX-License-Identifier: GPL-2.0

//! What the driver does for guests: it follows their lists, and cleans what they have given back.

use super::{state::*, Books, Without};
use crate::pure::device_state::{DeviceState, Refused};

impl World {
    /// One step of backend/reconcile.rs; `None` if there is nothing to do, or something is waited for.
    pub(super) fn drive(&self, model: &Books, which: usize) -> Option<Self> {
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
                    Without::OneTransaction => 0,
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
    pub(super) fn clean(&self, model: &Books, which: usize, works: bool) -> Option<Self> {
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
                let asked = model.without != Without::ClaimCheck;
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
    pub(super) fn exports_todo(&mut self, model: &Books, which: usize, list: Set) -> Work {
        let guest = &mut self.guests[which];
        guest.waits = false;
        let anew = if model.without == Without::ExportAnew {
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
    pub(super) fn export(
        &mut self,
        model: &Books,
        which: usize,
        device: usize,
    ) -> Result<(), bool> {
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
}
