// SPDX-License-Identifier: GPL-2.0

//! How devices would be reset: the driver's own planner, on what can be seen of a machine, whether
//! the driver is there or not.

use crate::{
    driver::pure::{
        blocker_text::Reason,
        bus_removed::mark_bus_removed,
        device_state::Holder,
        domid::DomId,
        reset_method::{
            Listed,
            Method, //
        },
        reset_plan::{
            Blocker,
            Plan,
            Rung,
            Rungs,
            Why, //
        },
        topology::{
            Function,
            FunctionKind,
            Owner,
            Reset,
            ResetOptOut,
            Secondary,
            Topology, //
        },
    },
    machine::{
        Device,
        Header,
        Ids,
        Machine, //
    },
};

/// Devices that don't survive a bus reset, as Linux knows them (`quirk_no_bus_reset` and
/// `quirk_nvidia_no_bus_reset` of drivers/pci/quirks.c, 7.2): vendor, device, and which bits of the
/// device's number count.
const NO_BUS_RESET: [(u16, u16, u16); 15] = [
    (0x10de, 0x22ce, 0xffff),
    (0x10de, 0x22d0, 0xffff),
    (0x10de, 0x2340, 0xffc0),
    (0x168c, 0x0030, 0xffff),
    (0x168c, 0x0032, 0xffff),
    (0x168c, 0x0033, 0xffff),
    (0x168c, 0x0034, 0xffff),
    (0x168c, 0x003c, 0xffff),
    (0x168c, 0x003e, 0xffff),
    (0x17cb, 0x0308, 0xffff),
    (0x17cb, 0x1103, 0xffff),
    (0x17cb, 0x1107, 0xffff),
    (0x177d, 0xa100, 0xffff),
    (0x104c, 0xb005, 0xffff),
    (0x1b21, 0x1164, 0xffff),
];

fn survives_no_bus_reset(ids: Ids) -> bool {
    NO_BUS_RESET
        .iter()
        .any(|(vendor, device, mask)| ids.vendor == *vendor && ids.device & mask == *device)
}

/// A hierarchy for the planner. Indices are those of the machine's devices.
#[derive(Clone)]
pub(crate) struct Hierarchy(Vec<Function>);

/// How a device would be reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// What would be tried first, blocked or not.
    pub(crate) rung: Option<Rung>,
    /// What is in the way of that; nothing if it can be done.
    pub(crate) blockers: Vec<(usize, Why)>,
    /// The others that would have to be claimed too, after which it could be done. Empty where it
    /// can be done now, or where that isn't all that is needed.
    pub(crate) others: Vec<usize>,
}

impl Outlook {
    /// Returns `true` if it can be done now.
    pub(crate) fn is_ready(&self) -> bool {
        self.rung.is_some() && self.blockers.is_empty()
    }
}

impl Hierarchy {
    /// Takes a machine as it is.
    pub(crate) fn of(machine: &Machine) -> Self {
        let index = |sbdf: Option<_>| sbdf.and_then(|sbdf| machine.index_of(sbdf));
        let mut functions: Vec<Function> = machine
            .devices
            .iter()
            .map(|device| Function {
                sbdf: device.sbdf,
                kind: match device.header {
                    Header::Endpoint => FunctionKind::Endpoint,
                    Header::Bridge => FunctionKind::Bridge,
                    Header::Other => FunctionKind::Other,
                },
                above: index(device.above),
                physical: index(device.physical),
                owner: owner(device),
                opt_out: opt_out(device),
                listed: listed(device.methods.as_deref().unwrap_or_default()),
                secondary: Secondary::Bus,
            })
            .collect();
        for device in machine
            .devices
            .iter()
            .filter(|device| device.slot.is_some())
        {
            if let Some(port) = index(device.above).and_then(|port| functions.get_mut(port)) {
                port.secondary = Secondary::Slot;
            }
        }
        let mut counts = vec![0; functions.len()];
        mark_bus_removed(&mut functions, &mut counts);
        Self(functions)
    }

    /// Returns the same, with devices claimed that nobody has claimed.
    pub(crate) fn with_claimed(&self, machine: &Machine, indices: &[usize]) -> Self {
        let mut functions = self.0.clone();
        for index in indices {
            let (Some(function), Some(device)) =
                (functions.get_mut(*index), machine.devices.get(*index))
            else {
                continue;
            };
            if matches!(function.owner, Owner::Pciback(_)) {
                continue;
            }
            function.owner = Owner::Pciback(Holder::Nobody);
            if is_emptied(device) && function.opt_out != ResetOptOut::Quirk {
                function.opt_out = ResetOptOut::MethodsEmptied;
            }
        }
        Self(functions)
    }

    /// Returns what the planner works on.
    pub(crate) fn topology(&self) -> Topology<'_> {
        Topology(&self.0)
    }

    /// Returns the reset of all that is below the bridge above a device, and what is in its way,
    /// as the driver's file `reset_blockers` has it; `None` on a root bus.
    pub(crate) fn below(&self, target: usize) -> Option<(Reset, Vec<(usize, Why)>)> {
        let reset = self.topology().below(target)?;
        Some((reset, self.blockers(reset, target)))
    }

    fn blockers(&self, reset: Reset, target: usize) -> Vec<(usize, Why)> {
        let blockers = self.topology().blockers(reset, target);
        blockers
            .map(|Blocker { index, why }| (index, why))
            .collect()
    }

    /// Returns how a device would be reset, if it were claimed.
    pub(crate) fn outlook(&self, machine: &Machine, target: usize) -> Outlook {
        let now = self.with_claimed(machine, &[target]);
        let reset = match now.topology().plan(target, Rungs::default()) {
            Plan::Nothing => None,
            Plan::Reset(reset) | Plan::Blocked(reset) => Some(reset),
        };
        let blockers = reset
            .map(|reset| now.blockers(reset, target))
            .unwrap_or_default();
        Outlook {
            rung: reset.map(Reset::rung),
            others: self.others(machine, target, &blockers),
            blockers,
        }
    }

    /// Those that only have to be claimed; none if that wouldn't do.
    fn others(&self, machine: &Machine, target: usize, blockers: &[(usize, Why)]) -> Vec<usize> {
        if blockers.is_empty() {
            return Vec::new();
        }
        let claimable = |index: usize| {
            let function = self.topology().get(index);
            function.is_some_and(|function| function.kind == FunctionKind::Endpoint)
        };
        let others: Vec<usize> = blockers
            .iter()
            .filter(|(index, why)| matches!(why, Why::Driver | Why::Unclaimed) && claimable(*index))
            .map(|(index, _)| *index)
            .collect();
        let all: Vec<usize> = others.iter().copied().chain([target]).collect();
        let then = self.with_claimed(machine, &all);
        match then.topology().plan(target, Rungs::default()) {
            Plan::Reset(_) => others,
            Plan::Blocked(_) | Plan::Nothing => Vec::new(),
        }
    }
}

/// Returns a reason in the driver's words.
pub(crate) fn reason(machine: &Machine, index: usize, why: Why) -> String {
    let driver = machine
        .devices
        .get(index)
        .and_then(|device| device.driver.as_deref());
    Reason { why, driver }.to_string()
}

fn owner(device: &Device) -> Owner {
    match (&device.claimed, device.driver.as_deref()) {
        (Some(claimed), _) => Owner::Pciback(
            claimed
                .used_by
                .and_then(DomId::new)
                .map_or(Holder::Nobody, Holder::Domain),
        ),
        (None, None) => Owner::Nobody,
        (None, Some("pcieport")) => Owner::PortDriver,
        (None, Some(_)) => Owner::Driver,
    }
}

/// The kernel makes the file `reset_method` for devices that have a method, so one that is empty
/// was emptied.
fn is_emptied(device: &Device) -> bool {
    device.methods.as_ref().is_some_and(Vec::is_empty)
}

fn opt_out(device: &Device) -> ResetOptOut {
    if survives_no_bus_reset(device.ids) {
        ResetOptOut::Quirk
    } else if device.claimed.is_some() && is_emptied(device) {
        ResetOptOut::MethodsEmptied
    } else {
        ResetOptOut::None
    }
}

fn listed(methods: &[Method]) -> Listed {
    let mut numbers = [0; Listed::LEN];
    for (number, method) in numbers.iter_mut().zip(methods) {
        *number = method.kernel_number();
    }
    Listed::new(numbers)
}
