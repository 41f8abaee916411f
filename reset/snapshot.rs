// SPDX-License-Identifier: GPL-2.0

//! The hierarchy of PCI devices as it is at the moment, for the planner.
//!
//! It is taken without locks. What a reset relies on is checked again under the locks that keep it
//! so.

use crate::{
    device::{
        claimed::Claimed,
        registry, //
    },
    kapi::pci::{
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
}

impl Snapshot {
    /// Takes a snapshot of all PCI devices.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(crate) fn take() -> Result<Self> {
        let ports = PortDriver::find();
        let mut snapshot = Self {
            functions: KVec::new(),
            entries: KVec::new(),
        };
        for device in PciDevices::while_they_change() {
            if snapshot.index_of(&device).is_some() {
                continue;
            }
            let claimed =
                registry::find(device.sbdf()).filter(|claimed| claimed.device.is(&device));
            let function = snapshot.describe(&device, claimed.as_deref(), ports);
            snapshot.functions.push(function, GFP_KERNEL)?;
            snapshot
                .entries
                .push(Entry { device, claimed }, GFP_KERNEL)?;
        }
        mark_bus_removed(&mut snapshot.functions);
        Ok(snapshot)
    }

    /// Describes a device. Its bridges and its physical function are in the snapshot already.
    fn describe(
        &mut self,
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
        let above = device
            .upstream_bridge()
            .and_then(|bridge| self.index_of(bridge));
        let slot = device
            .upstream_bridge()
            .is_some_and(|bridge| device.is_in_slot_of(bridge));
        if let Some(bridge) = above.and_then(|bridge| self.functions.get_mut(bridge)) {
            if slot {
                bridge.secondary = Secondary::Slot;
            }
        }
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
            above,
            physical: self.index(|entry| device.is_virtual_function_of(&entry.device)),
            owner,
            opt_out,
            listed,
            secondary: Secondary::Bus,
        }
    }

    fn index(&self, wanted: impl Fn(&Entry) -> bool) -> Option<usize> {
        self.entries.iter().position(wanted)
    }

    /// Returns what the planner works on.
    pub(crate) fn topology(&self) -> Topology<'_> {
        Topology(&self.functions)
    }

    /// Returns the index of a device.
    pub(crate) fn index_of(&self, device: &pci::Device) -> Option<usize> {
        self.index(|entry| entry.device.is(device))
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

/// Returns `true` if the device has virtual functions at the moment.
pub(crate) fn has_virtual_functions(device: &pci::Device) -> bool {
    PciDevices::while_they_change().any(|other| other.is_virtual_function_of(device))
}

/// Yields the devices below a bridge at the moment, virtual functions on buses of their own
/// excepted. (Some may come twice.)
pub(super) fn below(bridge: &pci::Device) -> impl Iterator<Item = ARef<pci::Device>> + '_ {
    PciDevices::while_they_change()
        .filter(move |device| device.towards_root().skip(1).any(|above| above.is(bridge)))
}
