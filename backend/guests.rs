// SPDX-License-Identifier: GPL-2.0

//! All guests: which directories there are in `backend/pci`, where toolstacks list devices.
//!
//! The directory is watched as a whole, because xenbus doesn't report all guests. It has no device
//! for a directory without a `state` (xenopsd lists the devices of HVM guests in such), nor for one
//! whose frontend has removed its own directory.

use super::{
    guest::Guest,
    listing,
    queue::{
        self,
        Scanner, //
    },
    store::{
        self,
        retry,
        DIRECTORY, //
    },
};
use crate::{
    kapi::{
        global::global,
        log::log_limited,
        xenbus::{
            store::{
                transact,
                Transaction, //
            },
            XenbusDevice, //
        },
    },
    pure::{
        domid::DomId,
        sbdf::Sbdf,
        xenbus::Fate, //
    },
};
use kernel::{
    prelude::*,
    str::CString,
    sync::Arc,
    workqueue::WorkItem, //
};

global! {
    /// The guests; `None` while the table is closed.
    static GUESTS(GUEST_TABLE): Mutex<Option<KVec<Arc<Guest>>>> = None;
}

/// Schedules all guests, after a change that may concern their devices.
pub(crate) fn schedule_all() {
    queue::schedule_scan();
}

/// Finds new guests, and returns all.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - xenstored's errno.
pub(super) fn all() -> Result<KVec<Arc<Guest>>> {
    find_new()?;
    let mut guests = KVec::new();
    for guest in GUESTS.lock().iter().flatten() {
        guests.push(guest.clone(), GFP_KERNEL)?;
    }
    Ok(guests)
}

/// Schedules the guests that wait for a device.
pub(super) fn schedule_waiting() {
    let guests = GUESTS.lock();
    for guest in guests.iter().flatten().filter(|guest| guest.waits()) {
        queue::schedule(guest);
    }
}

/// Finds the guest of a directory.
pub(super) fn find(node: &CStr) -> Option<Arc<Guest>> {
    let guests = GUESTS.lock();
    let found = guests.iter().flatten().find(|guest| guest.node() == node);
    found.cloned()
}

impl WorkItem for Scanner {
    type Pointer = Arc<Self>;

    fn run(_: Arc<Self>) {
        scan();
    }
}

/// Looks for new directories, and schedules all guests.
fn scan() {
    if !store::listen() {
        return;
    }
    if let Err(error) = retry(find_new) {
        log_limited!(
            pr_err,
            "can't read the list of guests with PCI devices from xenstore ({})\n",
            error.to_errno()
        );
    }
    for guest in GUESTS.lock().iter().flatten() {
        queue::schedule(guest);
    }
}

/// # Errors
///
/// - `ENOMEM`: no memory.
/// - xenstored's errno.
fn find_new() -> Result {
    let none = &Transaction::NONE;
    let Some(domains) = none.list(DIRECTORY, c"")? else {
        return Ok(());
    };
    for domain in domains.iter() {
        let Some(number) = number(domain).and_then(DomId::new) else {
            continue;
        };
        let Some(directories) = none.list(DIRECTORY, domain)? else {
            continue; // It has just gone.
        };
        for directory in directories.iter() {
            let Some(directory) = crate::pure::xenbus::decimal(directory.to_bytes()) else {
                continue;
            };
            let node = CString::try_from_fmt(fmt!("backend/pci/{number}/{directory}"))?;
            find_or_add(&node, number, |_| ())?;
        }
    }
    Ok(())
}

fn number(name: &CStr) -> Option<u16> {
    let number = crate::pure::xenbus::decimal(name.to_bytes())?;
    u16::try_from(number).ok()
}

/// Xenbus gives a directory to the driver.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - `ENODEV`: the module goes.
pub(super) fn bind(device: XenbusDevice) -> Result<Arc<Guest>> {
    let node = CString::try_from(device.node())?;
    let domain = device.other_domain();
    // Under the lock of the table: a guest that is bound is not retired.
    find_or_add(&node, domain, |guest| guest.bind(device))
}

/// Returns the guest of a directory, made if there is none, after `action` under the lock of the
/// table.
fn find_or_add(node: &CStr, domain: DomId, action: impl FnOnce(&Guest)) -> Result<Arc<Guest>> {
    let mut guard = GUESTS.lock();
    let guests = guard.as_mut().ok_or(ENODEV)?;
    let guest = match guests.iter().find(|guest| guest.node() == node) {
        Some(guest) => guest.clone(),
        None => {
            guests.reserve(1, GFP_KERNEL)?;
            let guest = Guest::new(node, domain)?;
            guests.push_within_capacity(guest.clone())?;
            guest
        }
    };
    action(&guest);
    Ok(guest)
}

/// Removes a guest that uses nothing and whose directory has gone, unless xenbus still has it.
/// Returns `true` if it was removed.
pub(super) fn retire(guest: &Guest) -> bool {
    let mut guests = GUESTS.lock();
    if guest.is_bound() {
        return false;
    }
    if let Some(guests) = guests.as_mut() {
        guests.retain(|other: &mut Arc<Guest>| !core::ptr::eq(&raw const **other, guest));
    }
    true
}

/// The table's life: within that of the driver, and longer than that of the queue.
pub(super) struct GuestTable(());

impl GuestTable {
    /// Opens the table, empty.
    pub(super) fn open() -> Self {
        *GUESTS.lock() = Some(KVec::new());
        Self(())
    }
}

impl Drop for GuestTable {
    fn drop(&mut self) {
        let guests = GUESTS.lock().take();
        drop(guests);
    }
}

/// Returns `true` if a toolstack lists the device as the domain's.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - xenstored's errno.
pub(super) fn lists(domain: DomId, sbdf: Sbdf) -> Result<bool> {
    let mut nodes = KVec::new();
    for guest in GUESTS.lock().iter().flatten() {
        if guest.domain() == domain {
            nodes.push(CString::try_from(guest.node())?, GFP_KERNEL)?;
        }
    }
    for node in nodes {
        let there = transact(|transaction| transaction.exists(&node, c""))?;
        for entry in listing::read(&node)?.unwrap_or_default() {
            let is_listed = Fate::of(entry.state, true) == Fate::Stays;
            if there && is_listed && entry.device == Some(sbdf) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
