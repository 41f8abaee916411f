// SPDX-License-Identifier: GPL-2.0

//! The hierarchy of PCI devices as it is at the moment, for the planner: all of it, or as much as
//! the plan for one device depends on, so that many resets at the same time don't each look at
//! everything.
//!
//! It is taken without locks. What a reset relies on is checked again under the locks that keep it
//! so.

use crate::{
    device::{
        claimed::Claimed,
        registry, //
    },
    kapi::pci::{
        for_each_child,
        listed_methods,
        DeviceExt,
        DriverKind,
        Header,
        PciDevices,
        PortDriver,
        Unlocked, //
    },
    pure::{
        bus_removed::mark_bus_removed,
        positions::{
            self,
            Position, //
        },
        reset_plan::Rungs,
        topology::{
            Function,
            FunctionKind,
            Owner,
            ResetOptOut,
            Secondary,
            Topology, //
        },
    },
};
use kernel::{
    pci,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};

/// One device of a snapshot.
struct Entry {
    device: ARef<pci::Device>,
    claimed: Option<Arc<Claimed>>,
}

/// A snapshot: for each index of the [`Topology`] the device that it stands for.
pub(crate) struct Snapshot {
    functions: KVec<Function>,
    entries: KVec<Entry>,
    /// The index of each device, by its key.
    positions: KVec<Position>,
}

impl Snapshot {
    /// Takes a snapshot of all PCI devices.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(crate) fn take() -> Result<Self> {
        let mut devices = KVec::new();
        for device in PciDevices::while_they_change() {
            devices.push(device, GFP_KERNEL)?;
        }
        Self::of(devices)
    }

    /// Takes a snapshot of what the plan for a device depends on, after `tried`: it is the same as
    /// by a snapshot of all (tests/host/src/part.rs).
    ///
    /// - A function that resets itself reaches its virtual functions and nothing else. (The bridges
    ///   above say where it is.)
    /// - Everything else that is planned for it reaches what is below the bridge above it.
    ///
    /// In a snapshot of all, what isn't known to be elsewhere counts as well. A device is known to
    /// be where the kernel's own pointers say, which always lead to a root bus.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(crate) fn around(device: &pci::Device, tried: Rungs) -> Result<Self> {
        if device.enabled_virtual_functions() > 0 {
            return Self::take();
        }
        let snapshot = Self::of(path_to(device)?)?;
        let index = snapshot.index_of(device);
        if index.is_some_and(|index| snapshot.topology().is_next_own(index, tried)) {
            return Ok(snapshot);
        }
        Self::below(device)
    }

    /// Takes a snapshot of a device, the bridges above it and all that is below the lowest of them.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(crate) fn below(device: &pci::Device) -> Result<Self> {
        if device.is_virtual_function() {
            // Where it is, its physical function says, to which no pointer may be followed.
            return Self::take();
        }
        let Some(bridge) = device.upstream_bridge() else {
            return Self::of(path_to(device)?);
        };
        let mut devices = path_to(bridge)?;
        let mut next = devices.len().saturating_sub(1);
        while let Some(parent) = devices.get(next).cloned() {
            for_each_child(&parent, |child| Ok(devices.push(child.into(), GFP_KERNEL)?))?;
            next = next.saturating_add(1);
        }
        Self::of(devices)
    }

    /// Describes devices, of which some may come twice.
    fn of(mut devices: KVec<ARef<pci::Device>>) -> Result<Self> {
        let ports = PortDriver::find();
        let mut positions = positions_of(&devices)?;
        let (many, mut index) = (devices.len(), 0usize);
        devices.retain(|device: &mut ARef<pci::Device>| {
            let is_first = positions::find(&positions, device.key()) == Some(index);
            index = index.saturating_add(1);
            is_first
        });
        if devices.len() < many {
            positions = positions_of(&devices)?;
        }
        let mut snapshot = Self {
            functions: KVec::with_capacity(devices.len(), GFP_KERNEL)?,
            entries: KVec::with_capacity(devices.len(), GFP_KERNEL)?,
            positions,
        };
        for device in devices {
            let claimed =
                registry::find(device.sbdf()).filter(|claimed| claimed.device.is(&device));
            let function = snapshot.describe(&device, claimed.as_deref(), ports);
            snapshot.functions.push(function, GFP_KERNEL)?;
            snapshot
                .entries
                .push(Entry { device, claimed }, GFP_KERNEL)?;
        }
        snapshot.mark_slots();
        let mut counts = KVec::from_elem(0, snapshot.functions.len(), GFP_KERNEL)?;
        mark_bus_removed(&mut snapshot.functions, &mut counts);
        Ok(snapshot)
    }

    /// Describes a device.
    fn describe(
        &self,
        device: &pci::Device,
        claimed: Option<&Claimed>,
        ports: PortDriver,
    ) -> Function {
        let kind = match device.header() {
            Header::Normal => FunctionKind::Endpoint,
            Header::Bridge => FunctionKind::Bridge,
            Header::Other => FunctionKind::Other,
        };
        let owner = if let Some(claimed) = claimed {
            Owner::Pciback(claimed.holder())
        } else {
            match device.driver(ports) {
                DriverKind::None => Owner::Nobody,
                DriverKind::Port => Owner::PortDriver,
                DriverKind::Other => Owner::Driver,
            }
        };
        let listed = listed_methods(device);
        let opt_out = if device.never_reset_bus() {
            ResetOptOut::Quirk
        } else if listed.is_empty() && claimed.is_some_and(|claimed| claimed.was_offered_method) {
            ResetOptOut::MethodsEmptied
        } else {
            ResetOptOut::None
        };
        Function {
            sbdf: device.sbdf(),
            kind,
            above: device
                .upstream_bridge()
                .and_then(|bridge| self.index_of(bridge)),
            physical: device
                .key_of_physical()
                .and_then(|physical| positions::find(&self.positions, physical)),
            owner,
            opt_out,
            listed,
            secondary: Secondary::Bus,
        }
    }

    /// Marks the bridges above devices that are in slots.
    fn mark_slots(&mut self) {
        for entry in &self.entries {
            let Some(bridge) = entry.device.upstream_bridge() else {
                continue;
            };
            if entry.device.is_in_slot_of(bridge) {
                let above = positions::find(&self.positions, bridge.key());
                if let Some(above) = above.and_then(|above| self.functions.get_mut(above)) {
                    above.secondary = Secondary::Slot;
                }
            }
        }
    }

    /// Returns what the planner works on.
    pub(crate) fn topology(&self) -> Topology<'_> {
        Topology(&self.functions)
    }

    /// Returns the index of a device.
    pub(crate) fn index_of(&self, device: &pci::Device) -> Option<usize> {
        positions::find(&self.positions, device.key())
    }

    /// Returns the device at an index.
    pub(crate) fn device(&self, index: usize) -> Option<&ARef<pci::Device>> {
        self.entries.get(index).map(|entry| &entry.device)
    }

    /// Returns what this driver knows of the device at an index, if it has claimed it.
    pub(crate) fn claimed(&self, index: usize) -> Option<&Arc<Claimed>> {
        self.entries.get(index)?.claimed.as_ref()
    }
}

/// Returns a device after the bridges above it, those next to the root first.
fn path_to(device: &pci::Device) -> Result<KVec<ARef<pci::Device>>> {
    let mut devices = KVec::new();
    for device in device.towards_root() {
        devices.push(device.into(), GFP_KERNEL)?;
    }
    devices.reverse();
    Ok(devices)
}

/// Returns where each device is, sorted by their keys.
fn positions_of(devices: &[ARef<pci::Device>]) -> Result<KVec<Position>> {
    let mut positions = KVec::with_capacity(devices.len(), GFP_KERNEL)?;
    for (index, device) in devices.iter().enumerate() {
        let key = device.key();
        positions.push(Position { key, index }, GFP_KERNEL)?;
    }
    positions::sort(&mut positions);
    Ok(positions)
}

/// Returns `true` if the device has virtual functions at the moment; its lock must be held, and
/// this driver's or none be bound, for that to be certain.
pub(crate) fn has_virtual_functions(device: &pci::Device) -> bool {
    device.enabled_virtual_functions() > 0
        && PciDevices::while_they_change().any(|other| other.is_virtual_function_of(device))
}
