// SPDX-License-Identifier: GPL-2.0

//! The state of the model: devices, guests, and what each is doing.

use crate::pure::{
    device_state::{DeviceState, Holder},
    domid::DomId,
    time::Time,
};

/// The functions.
pub(super) const DEVICES: usize = 3;
/// The domains.
pub(super) const DOMAINS: usize = 2;

/// A set of devices, a bit each.
pub(super) type Set = u8;

pub(super) const fn bit(device: usize) -> Set {
    1 << device
}

pub(super) fn members(set: Set) -> impl Iterator<Item = usize> {
    (0..DEVICES).filter(move |device| set & bit(*device) != 0)
}

pub(super) fn domain(which: usize) -> DomId {
    DomId::new([7, 8][which]).unwrap()
}

/// A time before, and one after, that at which an assignment ends by itself.
pub(super) const EARLY: Time = Time(0);
pub(super) const LATE: Time = Time(1 << 50);

/// A device, and the truth about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Device {
    /// What the driver believes; `None` while a native driver has it.
    pub(super) state: Option<DeviceState>,
    /// Which domain Xen lets have it.
    pub(super) assigned: Option<u8>,
    /// Whose data is in it.
    pub(super) soiled_by: Option<u8>,
    /// Time has passed since it was assigned.
    pub(super) late: bool,
    /// It was released while a domain used it, and not claimed since.
    pub(super) released_in_use: bool,
    /// Nobody can know that it is assigned: its toolstack died before it listed it, or it was claimed
    /// anew since the toolstack asked.
    pub(super) lost: bool,
}

/// A reset on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reset {
    /// Nothing is planned.
    New,
    /// It is planned and will reach this.
    Planned(Set),
    /// All of that is reserved.
    Reserved(Set),
}

/// What the driver is doing about a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Work {
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
pub(super) enum Cleaning {
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
pub(super) enum Tool {
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
    pub(super) fn is_at(self, wanted: usize) -> bool {
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
pub(super) struct Guest {
    pub(super) tool: Tool,
    pub(super) listed: Set,
    /// Something has changed since the driver last began to look.
    pub(super) event: bool,
    pub(super) work: Work,
    pub(super) cleaning: Cleaning,
    pub(super) exports: Set,
    /// Exports whose claim is gone.
    pub(super) stale: Set,
    /// It waits for a device that is another's.
    pub(super) waits: bool,
}

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Harm {
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
pub(super) struct World {
    pub(super) devices: [Device; DEVICES],
    pub(super) guests: [Guest; DOMAINS],
    pub(super) harm: Option<Harm>,
    /// How much may still happen.
    pub(super) budget: Budget,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    pub(super) tools: u8,
    pub(super) deaths: u8,
    pub(super) unbinds: u8,
    pub(super) failures: u8,
    pub(super) renumberings: u8,
}

impl World {
    pub(super) fn now(&self, device: usize) -> Time {
        if self.devices[device].late {
            LATE
        } else {
            EARLY
        }
    }

    pub(super) fn state(&mut self, device: usize) -> &mut DeviceState {
        self.devices[device].state.as_mut().unwrap()
    }

    pub(super) fn holder(&self, device: usize) -> Holder {
        let state = self.devices[device].state;
        state.map_or(Holder::Gone, |state| state.holder(self.now(device)))
    }

    pub(super) fn is_claimed(&self, device: u8) -> bool {
        self.devices[usize::from(device)].state.is_some()
    }

    /// All lists were read, and what follows for the books was done.
    pub(super) fn is_settled(&self) -> bool {
        let settled = |guest: &Guest| !guest.event && guest.work == Work::Idle;
        self.guests.iter().all(settled)
    }

    pub(super) fn is_in_a_reset(&self, device: usize) -> bool {
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
}
