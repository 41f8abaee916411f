// SPDX-License-Identifier: GPL-2.0

//! What toolstacks do, in libxl's order, and how they die.

use super::{state::*, Books, Without};
use crate::pure::device_state::{Holder, Permitted, Refused};

impl World {
    /// One step of a toolstack; `None` if it waits, or has nothing to do.
    pub(super) fn tool(&self, model: &Books, which: usize, works: bool) -> Option<Self> {
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
                    Err(Refused::Leaving) if model.without == Without::LeavingCheck => {
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
    pub(super) fn do_flr(
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
        if reset == Reset::New && leaving && model.without != Without::LeavingCheck {
            return None;
        }
        let (next, _) = self.step_reset(model, device, reset, works, None)?;
        Some(next)
    }

    /// A toolstack dies; `None` where that is no event.
    pub(super) fn die(&self, which: usize) -> Option<Self> {
        let mut next = *self;
        next.budget.deaths -= 1;
        let guest = &mut next.guests[which];
        match guest.tool {
            Tool::AttachList(device) => next.devices[usize::from(device)].lost = true,
            // A write to do_flr goes on to its end without its writer.
            Tool::AttachReset(_, Reset::Reserved(_)) | Tool::DetachReset(_, Reset::Reserved(_)) => {
                return None;
            }
            _ => {}
        }
        guest.tool = Tool::Idle;
        Some(next)
    }
}
