// SPDX-License-Identifier: GPL-2.0

//! The slots: addresses whose devices this driver takes, whether or not they exist yet.
//!
//! For each bus that has any there is a set of 256 bits in a tree: memory is bounded, whatever is
//! written.

use crate::{
    kapi::global::global,
    pure::{
        bdf_grammar::{
            HideList,
            Pattern, //
        },
        devfn_set::DevfnSet,
        sbdf::Sbdf,
        slot_lines, //
    },
};
use kernel::{
    prelude::*,
    rbtree::RBTree, //
};

/// A bus: its segment and its number.
type Bus = (u16, u8);

global! {
    /// The listed functions of each bus that has any, ordered as `slots` shows them.
    static SLOTS(SLOT_LIST): Mutex<Option<RBTree<Bus, DevfnSet>>> = None;
}

/// Lists what the patterns cover. What is listed already stays listed.
///
/// # Errors
///
/// - `ENOMEM`: no memory; nothing was added.
/// - `ENODEV`: the list is closed: the module goes.
pub(crate) fn add(patterns: impl Iterator<Item = Pattern> + Clone) -> Result {
    let mut guard = SLOTS.lock();
    let slots = guard.as_mut().ok_or(ENODEV)?;
    // First the buses, for which memory is needed.
    let mut made = Ok(());
    for Pattern { domain, bus, .. } in patterns.clone() {
        if made.is_ok() && slots.get(&(domain, bus)).is_none() {
            let new = slots.try_create_and_insert((domain, bus), DevfnSet::default(), GFP_KERNEL);
            made = new.map(drop);
        }
    }
    for Pattern { domain, bus, unit } in patterns {
        let key = (domain, bus);
        if made.is_ok() {
            if let Some(listed) = slots.get_mut(&key) {
                listed.insert(&DevfnSet::of(unit));
            }
        } else if slots.get(&key).is_some_and(DevfnSet::is_empty) {
            slots.remove(&key);
        }
    }
    made
}

/// Takes what the patterns cover off the list. Devices that are claimed stay so.
///
/// # Errors
///
/// - `ENOENT`: nothing of what one of them covers was listed. The others were taken off.
pub(crate) fn remove(patterns: impl Iterator<Item = Pattern> + Clone) -> Result {
    let mut guard = SLOTS.lock();
    let slots = guard.as_mut().ok_or(ENOENT)?;
    let listed = |Pattern { domain, bus, unit }: Pattern| {
        let listed = slots.get(&(domain, bus));
        listed.is_some_and(|listed| listed.overlaps(&DevfnSet::of(unit)))
    };
    // Asked before anything is taken off: one address may be covered twice.
    let all_listed = patterns.clone().all(listed);
    for Pattern { domain, bus, unit } in patterns {
        let key = (domain, bus);
        if let Some(listed) = slots.get_mut(&key) {
            listed.remove(&DevfnSet::of(unit));
            if listed.is_empty() {
                slots.remove(&key);
            }
        }
    }
    if all_listed {
        Ok(())
    } else {
        Err(ENOENT)
    }
}

/// Returns `true` if the function is listed.
pub(crate) fn contains(sbdf: Sbdf) -> bool {
    let Some(segment) = sbdf.xen_segment() else {
        return false; // A slot can't name such a segment.
    };
    SLOTS
        .lock()
        .as_ref()
        .and_then(|slots| slots.get(&(segment, sbdf.bus())))
        .is_some_and(|set| set.contains(sbdf.devfn()))
}

/// Fills `out` with the part of the `slots` attribute that starts at `pos`; returns the bytes.
pub(crate) fn read(pos: usize, out: &mut [u8]) -> usize {
    let guard = SLOTS.lock();
    let slots = guard.iter().flat_map(|slots| slots.iter());
    let functions = slots.flat_map(|((segment, bus), set)| {
        set.iter()
            .map(|devfn| Sbdf::new(u32::from(*segment), *bus, devfn))
    });
    slot_lines::fill(functions, pos, out)
}

/// The list's life: from module load, with the contents of `hide=`, to unload.
pub(crate) struct Slots(());

impl Slots {
    /// Lists what the `hide=` parameter names.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the parameter isn't of the grammar; one line says where.
    /// - `ENOMEM`: no memory.
    pub(crate) fn from_hide(text: &[u8]) -> Result<Self> {
        *SLOTS.lock() = Some(RBTree::new());
        let slots = Self(());
        for item in HideList::new(text) {
            match item {
                Ok(pattern) => add(core::iter::once(pattern))?,
                Err(malformed) => {
                    pr_err!(
                        "hide= is malformed at byte {}, expected (device address)\n",
                        malformed.at
                    );
                    return Err(EINVAL);
                }
            }
        }
        Ok(slots)
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        let slots = SLOTS.lock().take();
        drop(slots);
    }
}
