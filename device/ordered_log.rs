// SPDX-License-Identifier: GPL-2.0

//! The lines of claims and releases that overlap, in the order of the devices' addresses.
//!
//! Devices that are claimed at the same time end in any order. Their lines wait for the last of
//! them, so that the log of two loads of the module is the same. A claim that overlaps with no
//! other writes its lines when it ends.

pub(crate) use crate::kapi::device_log::Level;

use super::NAME;
use crate::{
    kapi::{device_log, global::global, pci::DeviceExt},
    pure::sbdf::Sbdf,
};
use core::fmt;
use kernel::{pci, prelude::*, str::CString, sync::aref::ARef};

/// Lines that wait at most: of operations that never stop overlapping, some come out of order.
const MOST: usize = 512;

/// A line that waits.
struct Line {
    sbdf: Sbdf,
    device: ARef<pci::Device>,
    level: Level,
    text: CString,
}

/// What waits, and for how many.
struct Journal {
    open: usize,
    /// In the order of the addresses.
    lines: KVec<Line>,
}

global! {
    /// The lines of the operations under way.
    static JOURNAL(OVERLAPPING): Mutex<Journal> = Journal {
        open: 0,
        lines: KVec::new(),
    };
}

/// An operation under way; lines wait until there is none.
pub(crate) struct Chapter(());

impl Chapter {
    /// Begins an operation.
    pub(crate) fn open() -> Self {
        let mut journal = JOURNAL.lock();
        journal.open = journal.open.saturating_add(1);
        Self(())
    }

    /// Writes a line about a device. Without the memory to keep it, it is written at once.
    pub(crate) fn write(&self, level: Level, device: &pci::Device, text: fmt::Arguments<'_>) {
        let Ok(kept) = CString::try_from_fmt(text) else {
            return dev_err!(device, "{text}\n");
        };
        let mut journal = JOURNAL.lock();
        if journal.lines.len() < MOST && journal.lines.reserve(1, GFP_KERNEL).is_ok() {
            let line = Line {
                sbdf: device.sbdf(),
                device: device.into(),
                level,
                text: kept,
            };
            // The lines of a device stay in the order written.
            let before = journal.lines.iter().filter(|other| other.sbdf <= line.sbdf);
            let place = before.count();
            // There is room, so this doesn't fail.
            let _ = journal.lines.insert_within_capacity(place, line);
        } else {
            drop(journal);
            device_log::write(level, NAME, device, &kept);
        }
    }
}

impl Drop for Chapter {
    fn drop(&mut self) {
        let lines = {
            let mut journal = JOURNAL.lock();
            journal.open = journal.open.saturating_sub(1);
            if journal.open > 0 {
                return;
            }
            core::mem::take(&mut journal.lines)
        };
        // The console may be slow: not under the lock.
        for line in lines {
            device_log::write(line.level, NAME, &line.device, &line.text);
        }
    }
}
