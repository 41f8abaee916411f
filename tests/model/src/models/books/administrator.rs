// SPDX-License-Identifier: GPL-2.0

//! What the administrator does: he unbinds devices and binds them again.

use super::{state::*, Books, Without};
use crate::pure::{
    device_state::{DeviceState, Holder},
    reset_state::ResetState,
};

impl World {
    /// The device goes to a native driver: under its lock, which a reset of it holds to its end.
    pub(super) fn unbind(&self, model: &Books, device: usize) -> Option<Self> {
        let mut next = *self;
        if self.is_in_a_reset(device) {
            return None;
        }
        next.budget.unbinds -= 1;
        let now = self.now(device);
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
            let spared = match model.without {
                Without::ClaimCheck => 0,
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
        Some(next)
    }

    /// The driver claims it again.
    pub(super) fn bind(&self, device: usize) -> Self {
        let mut next = *self;
        // The claim resets what can be reset by itself.
        let made = if device == 0 {
            ResetState::Clean
        } else {
            ResetState::NotReset
        };
        let now = self.now(device);
        let in_use = self.devices[device].released_in_use;
        next.devices[device].state = Some(DeviceState::claimed(made, in_use, now));
        next.devices[device].released_in_use = false;
        if device == 0 {
            next.devices[device].soiled_by = next.devices[device].assigned;
        }
        // That it is assigned is known when it is listed.
        let listed = self
            .guests
            .iter()
            .any(|guest| guest.listed & bit(device) != 0);
        next.devices[device].lost = self.devices[device].assigned.is_some() && !listed;
        for guest in &mut next.guests {
            guest.event = true;
        }
        next
    }
}
