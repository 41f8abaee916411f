// SPDX-License-Identifier: GPL-2.0

//! The devices that a planned reset reaches, to be reserved, locked and reset.

use super::{
    execute::{
        execute,
        Done,
        Failed,
        How,
        Member, //
    },
    snapshot::Snapshot, //
};
use crate::{
    device::claimed::Claimed,
    kapi::pci::{
        CfgLocked,
        DeviceExt,
        DeviceLocks,
        PciDevices,
        Unlocked, //
    },
    pure::{
        reset_plan::Rung,
        topology::Reset, //
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

/// What a reset reaches.
pub(super) struct ResetScope {
    /// The bridge that resets it, unless a function resets itself.
    pub(super) bridge: Option<ARef<pci::Device>>,
    /// The devices, bridges before what is below them, with what is known of ours.
    pub(super) members: KVec<(ARef<pci::Device>, Option<Arc<Claimed>>)>,
}

impl ResetScope {
    /// Collects what a planned reset reaches.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(super) fn of(snapshot: &Snapshot, reset: Reset) -> Result<Self> {
        let bridge = match reset {
            Reset::Below { bridge, .. } => snapshot.device(bridge).cloned(),
            Reset::Function { .. } => None,
        };
        let mut members = KVec::new();
        for index in snapshot.topology().scope(reset) {
            if let Some(device) = snapshot.device(index) {
                let claimed = snapshot.claimed(index).cloned();
                members.push((device.clone(), claimed), GFP_KERNEL)?;
            }
        }
        Ok(Self { bridge, members })
    }

    /// Returns `true` if both are the same devices, as they were claimed.
    pub(super) fn is(&self, other: &Self) -> bool {
        let bridges = match (&self.bridge, &other.bridge) {
            (Some(one), Some(two)) => one.is(two),
            (None, None) => true,
            _ => false,
        };
        let same = |one: &Option<Arc<Claimed>>, two: &Option<Arc<Claimed>>| match (one, two) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (None, None) => true,
            _ => false,
        };
        bridges
            && self.members.len() == other.members.len()
            && (self.members.iter().zip(&other.members))
                .all(|(one, two)| one.0.is(&two.0) && same(&one.1, &two.1))
    }

    /// Yields our devices in ascending order of their addresses.
    pub(super) fn ours(&self) -> impl Iterator<Item = Arc<Claimed>> + '_ {
        let after = |last: Option<&Arc<Claimed>>| {
            (self.members.iter())
                .filter_map(|(_, claimed)| claimed.as_ref())
                .filter(|claimed| last.is_none_or(|last| claimed.sbdf > last.sbdf))
                .min_by_key(|claimed| claimed.sbdf)
        };
        core::iter::successors(after(None), move |last| after(Some(*last))).cloned()
    }

    /// Returns what to lock, in that order.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(super) fn to_lock(&self) -> Result<KVec<ARef<pci::Device>>> {
        let mut devices = KVec::new();
        if let Some(bridge) = &self.bridge {
            devices.push(bridge.clone(), GFP_KERNEL)?;
        }
        for (device, _) in &self.members {
            devices.push(device.clone(), GFP_KERNEL)?;
        }
        Ok(devices)
    }

    /// Yields the members, with all locks of [`to_lock`](Self::to_lock) held.
    pub(super) fn locked_members<'a>(
        &'a self,
        locks: &'a DeviceLocks,
    ) -> impl Iterator<Item = (CfgLocked<'a>, Option<&'a Arc<Claimed>>)> {
        let bridges = usize::from(self.bridge.is_some());
        let claimed = self.members.iter().map(|(_, claimed)| claimed.as_ref());
        locks.iter().skip(bridges).zip(claimed)
    }

    /// Returns `true` if the reset would reach no device that has come since, or that the way down
    /// from the bridge has missed. (None can go while its lock is held, and a virtual function
    /// comes only under the lock of its physical one.)
    fn is_all(&self) -> bool {
        let Some(bridge) = &self.bridge else {
            return true;
        };
        let is_member = |device: &pci::Device| {
            let mut members = self.members.iter();
            members.any(|(member, _)| member.is(device))
        };
        let has_physical = |device: &pci::Device| {
            let mut members = self.members.iter();
            members.any(|(member, _)| device.is_virtual_function_of(member))
        };
        PciDevices::while_they_change().all(|device| {
            let mut above = device.towards_root().skip(1);
            let is_reached = above.any(|above| above.is(bridge))
                || device.is_virtual_function() && has_physical(&device);
            !is_reached || is_member(&device)
        })
    }

    /// Executes the reset, with all locks of [`to_lock`](Self::to_lock) held. Returns the rung that
    /// was used in the end: what was taken for a slot may turn out to be none.
    ///
    /// # Errors
    ///
    /// - `EIO`, step "presence check": the target was pulled out.
    /// - `ENODEV`, step "recheck": the target is not among what is locked.
    /// - `ENOMEM`: no memory.
    /// - As for [`execute`].
    pub(super) fn reset(
        &self,
        locks: &DeviceLocks,
        reset: Reset,
        target: &Claimed,
    ) -> Result<(Rung, Done), Failed> {
        let gone = || Failed::at("planning while devices come and go")(ENODEV);
        let mut members = KVec::with_capacity(self.members.len(), GFP_KERNEL)
            .map_err(|_| Failed::at("preparation")(ENOMEM))?;
        for (device, claimed) in self.locked_members(locks) {
            let state = claimed
                .filter(|claimed| claimed.is_endpoint())
                .map(|claimed| &claimed.saved);
            let member = Member { device, state };
            let pushed = members.push_within_capacity(member);
            pushed.map_err(|_| Failed::at("preparation")(ENOMEM))?;
        }
        let device = locks
            .iter()
            .find(|device| device.device().is(&target.device))
            .ok_or_else(gone)?;
        if device.device().is_disconnected() {
            return Err(Failed::at("presence check")(EIO));
        }
        let bridge = locks.get(0).ok_or_else(gone)?;
        // Only under the locks is it certain whether there is a slot. All that is directly below a
        // port is in its slot.
        let in_slot = locks.iter().find(|inside| bridge.can_reset_slot(inside));
        let how = match (reset, &in_slot) {
            (Reset::Function { by, .. }, _) => How::Function(&device, by),
            (Reset::Below { .. }, Some(inside)) => How::Slot(&bridge, inside),
            (Reset::Below { .. }, None) => How::Bus(&bridge),
        };
        Ok((how.rung(), execute(&members, &how, || self.is_all())?))
    }
}
