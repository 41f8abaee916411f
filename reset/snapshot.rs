// SPDX-License-Identifier: GPL-2.0

//! The hierarchy of PCI devices as it is at the moment, for the planner.
//!
//! Nothing is locked while it is taken. What a reset relies on is looked at once more when the
//! locks that keep it so are held.

use crate::{
    device::{claimed::Claimed, registry},
    kapi::pci::{listed_methods, DeviceExt, Driver, Header, Neighbour, PciDevices, PortDriver},
    pure::topology::{Consent, Function, Kind, Owner, Secondary, Topology},
};
use kernel::{
    pci,
    prelude::*,
    sync::{aref::ARef, Arc},
};

/// One device of a snapshot.
struct Entry {
    device: ARef<pci::Device>,
    claimed: Option<Arc<Claimed>>,
}

/// A snapshot: for each place of the [`Topology`] the device that it stands for.
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
            if snapshot.place_of(&device).is_some() {
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
        for place in 0..snapshot.functions.len() {
            if !snapshot.topology().lacks_bus(place) {
                continue;
            }
            if let Some(function) = snapshot.functions.get_mut(place) {
                if function.consent == Consent::Given {
                    function.consent = Consent::BusTakenOut;
                }
            }
        }
        Ok(snapshot)
    }

    /// Describes a device whose bridges and physical function are in the snapshot already.
    fn describe(
        &mut self,
        device: &pci::Device,
        claimed: Option<&Claimed>,
        ports: PortDriver,
    ) -> Function {
        let kind = match device.header() {
            Header::Normal => Kind::Endpoint,
            Header::Bridge => Kind::Bridge,
            Header::Other => Kind::Other,
        };
        let owner = if let Some(claimed) = claimed {
            Owner::Pciback(claimed.holder())
        } else {
            match device.driver(ports) {
                Driver::None => Owner::Nobody,
                Driver::Port => Owner::PortDriver,
                Driver::Other => Owner::Driver,
            }
        };
        let above = device
            .upstream_bridge()
            .and_then(|bridge| self.place_of(bridge));
        let slot = device
            .upstream_bridge()
            .is_some_and(|bridge| device.is_in_slot_of(bridge));
        if let Some(bridge) = above.and_then(|bridge| self.functions.get_mut(bridge)) {
            if slot {
                bridge.secondary = Secondary::Slot;
            }
        }
        let listed = listed_methods(device);
        let consent = if device.never_reset_bus() {
            Consent::Quirk
        } else if listed.is_empty() && claimed.is_some_and(|claimed| claimed.was_offered_method) {
            Consent::Emptied
        } else {
            Consent::Given
        };
        Function {
            sbdf: device.sbdf(),
            kind,
            above,
            physical: self.place(|entry| device.is_virtual_function_of(&entry.device)),
            owner,
            consent,
            listed,
            secondary: Secondary::Bus,
        }
    }

    fn place(&self, wanted: impl Fn(&Entry) -> bool) -> Option<usize> {
        self.entries.iter().position(wanted)
    }

    /// Returns what the planner works on.
    pub(crate) fn topology(&self) -> Topology<'_> {
        Topology(&self.functions)
    }

    /// Returns the place of a device.
    pub(crate) fn place_of(&self, device: &pci::Device) -> Option<usize> {
        self.place(|entry| entry.device.is(device))
    }

    /// Returns the device at a place.
    pub(crate) fn device(&self, place: usize) -> Option<&ARef<pci::Device>> {
        self.entries.get(place).map(|entry| &entry.device)
    }

    /// Returns what this driver knows of the device at a place, if it has claimed it.
    pub(crate) fn claimed(&self, place: usize) -> Option<&Arc<Claimed>> {
        self.entries.get(place)?.claimed.as_ref()
    }
}

/// Tells whether the device has virtual functions at the moment.
pub(crate) fn has_virtual_functions(device: &pci::Device) -> bool {
    PciDevices::while_they_change().any(|other| other.is_virtual_function_of(device))
}

/// Yields the devices below a bridge at the moment, virtual functions on buses of their own
/// excepted. (Some may come twice.)
pub(super) fn below(bridge: &pci::Device) -> impl Iterator<Item = ARef<pci::Device>> + '_ {
    PciDevices::while_they_change()
        .filter(move |device| device.towards_root().skip(1).any(|above| above.is(bridge)))
}
