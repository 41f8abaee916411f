// SPDX-License-Identifier: GPL-2.0

//! The claimed devices, by address.
//!
//! Nothing that sleeps is called under the lock and nothing is freed, so that privcmd's hook may
//! look things up where it must not sleep. Under it only spinlocks are taken ([`query`]).

use super::claimed::Claimed;
use crate::{
    kapi::global::global,
    pure::sbdf::Sbdf, //
};
use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
    sync::Arc, //
};

global! {
    /// The claimed devices.
    static CLAIMED(CLAIMED_DEVICES): SpinLock<Option<RBTree<Sbdf, Arc<Claimed>>>> = None;

    /// Addresses whose devices were released while domains used them, and not claimed since.
    static RELEASED_IN_USE(RELEASED_ADDRESSES): SpinLock<KVec<Released>> = KVec::new();
}

/// A device that was released while a domain used it.
#[derive(Clone, Copy)]
struct Released {
    sbdf: Sbdf,
    /// The toolstack listed it for a domain, and didn't only ask for its GSI.
    listed: bool,
}

/// The registry's life: from before the driver's registration to after its end.
pub(crate) struct Registry(());

impl Registry {
    /// Opens the registry, empty.
    pub(crate) fn new() -> Self {
        *CLAIMED.lock() = Some(RBTree::new());
        Self(())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let devices = CLAIMED.lock().take();
        drop(devices);
        let addresses = core::mem::take(&mut *RELEASED_IN_USE.lock());
        drop(addresses);
    }
}

/// Remembers that a device was released while a domain used it, which the toolstack listed it for,
/// or was about to. If there is no memory for that, the toolstack's list says it a moment after the
/// next claim.
pub(crate) fn remember_in_use(sbdf: Sbdf, listed: bool) {
    let mut more = KVec::new();
    loop {
        let count = RELEASED_IN_USE.lock().len();
        // Memory is allocated outside of the lock. If there are more addresses by then, once more.
        if more.reserve(count.saturating_add(1), GFP_KERNEL).is_err() {
            return;
        }
        let mut addresses = RELEASED_IN_USE.lock();
        if let Some(known) = addresses.iter_mut().find(|known| known.sbdf == sbdf) {
            known.listed |= listed;
            return;
        }
        if addresses.len() < more.capacity() {
            let mut all = addresses.iter().copied();
            if all.all(|one| more.push_within_capacity(one).is_ok())
                && more.push_within_capacity(Released { sbdf, listed }).is_ok()
            {
                core::mem::swap(&mut *addresses, &mut more);
            }
            drop(addresses); // Before the old memory, which is not to be freed under the lock.
            return;
        }
    }
}

/// Returns `true` if the last device of that address was released while the toolstack listed it for
/// a domain, and none was claimed since. Doesn't sleep.
pub(crate) fn was_released_in_use(sbdf: Sbdf) -> bool {
    let addresses = RELEASED_IN_USE.lock();
    addresses
        .iter()
        .any(|known| known.listed && known.sbdf == sbdf)
}

/// The same, but also if the toolstack had only asked for its GSI.
pub(crate) fn was_released_while_held(sbdf: Sbdf) -> bool {
    let addresses = RELEASED_IN_USE.lock();
    addresses.iter().any(|known| known.sbdf == sbdf)
}

/// Forgets that the last device of that address was released while a domain used it.
pub(crate) fn forget_in_use(sbdf: Sbdf) {
    let mut addresses = RELEASED_IN_USE.lock();
    addresses.retain(|known: &mut Released| known.sbdf != sbdf);
}

/// Enters a device.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - `EBUSY`: there is a claimed device of that address, which the kernel rules out: it unbinds a
///   device before it looks for its successor.
/// - `ENODEV`: the registry isn't open.
pub(crate) fn enter(claimed: Arc<Claimed>) -> Result {
    let sbdf = claimed.sbdf;
    let node = RBTreeNode::new(sbdf, claimed, GFP_KERNEL)?;
    let mut guard = CLAIMED.lock();
    let error = match guard.as_mut() {
        None => ENODEV,
        Some(devices) if devices.get(&sbdf).is_some() => EBUSY,
        Some(devices) => {
            devices.insert(node);
            return Ok(());
        }
    };
    drop(guard); // Before the node, which is not to be freed under the lock.
    Err(error)
}

/// Takes a device out. Lookups that found it before may still hold it.
pub(crate) fn leave(sbdf: Sbdf) {
    let node = CLAIMED
        .lock()
        .as_mut()
        .and_then(|devices| devices.remove_node(&sbdf));
    drop(node);
}

/// Finds a claimed device.
pub(crate) fn find(sbdf: Sbdf) -> Option<Arc<Claimed>> {
    CLAIMED
        .lock()
        .as_ref()
        .and_then(|devices| devices.get(&sbdf).cloned())
}

/// Returns `true` if the device is still claimed, and not released or claimed anew since it was
/// found.
pub(crate) fn has(claimed: &Arc<Claimed>) -> bool {
    find(claimed.sbdf).is_some_and(|now| Arc::ptr_eq(&now, claimed))
}

/// Returns all claimed devices in ascending order of their addresses.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
pub(crate) fn all() -> Result<KVec<Arc<Claimed>>> {
    let mut all = KVec::new();
    loop {
        // Memory is allocated outside of the lock. If there are more devices by then, once more.
        let count = CLAIMED.lock().iter().flat_map(RBTree::values).count();
        all.reserve(count, GFP_KERNEL)?;
        let complete = {
            let guard = CLAIMED.lock();
            let mut devices = guard.iter().flat_map(RBTree::values);
            devices.all(|claimed| all.push_within_capacity(claimed.clone()).is_ok())
        };
        if complete {
            return Ok(all);
        }
        all.clear();
    }
}

/// Returns what `ask` wants to know of a claimed device, for callers that must not sleep: nothing
/// is kept of the device. `ask` is called under the lock.
///
/// # Errors
///
/// - `ENODEV`: the device isn't claimed.
pub(crate) fn query<T>(sbdf: Sbdf, ask: impl FnOnce(&Claimed) -> T) -> Result<T> {
    let guard = CLAIMED.lock();
    let devices = guard.as_ref().ok_or(ENODEV)?;
    devices.get(&sbdf).map(|claimed| ask(claimed)).ok_or(ENODEV)
}
