// SPDX-License-Identifier: GPL-2.0

//! The lines of claims and releases that overlap, in the order of the devices' addresses.
//!
//! Devices that are claimed at the same time end in any order. Their lines wait for the last of
//! them, so that the log of two loads of the module is the same. A claim that overlaps with no
//! other writes its lines when it ends.

pub(crate) use crate::kapi::log::Level;

use super::NAME;
use crate::{
    kapi::{
        global::global,
        log,
        pci::DeviceExt, //
    },
    pure::sbdf::Sbdf, //
};
use core::fmt;
use kernel::{
    pci,
    prelude::*,
    str::CString,
    sync::aref::ARef, //
};

/// The most lines that wait. If operations never stop overlapping, some lines come out of order.
const MOST: usize = 512;

/// A line that waits.
struct Line {
    sbdf: Sbdf,
    device: ARef<pci::Device>,
    level: Level,
    text: CString,
}

/// The lines that wait, and the number of operations that they wait for.
struct OrderedLog {
    open: usize,
    /// In the order of the addresses.
    lines: KVec<Line>,
}

global! {
    /// The lines of the operations under way.
    static LOG(OVERLAPPING): Mutex<OrderedLog> = OrderedLog {
        open: 0,
        lines: KVec::new(),
    };
}

/// An operation under way; lines wait until there is none.
pub(crate) struct LogBatch(());

impl LogBatch {
    /// Begins an operation.
    pub(crate) fn open() -> Self {
        let mut shared = LOG.lock();
        shared.open = shared.open.saturating_add(1);
        Self(())
    }

    /// Writes a line about a device. Without the memory to keep it, it is written at once.
    pub(crate) fn write(&self, level: Level, device: &pci::Device, text: fmt::Arguments<'_>) {
        let Ok(kept) = CString::try_from_fmt(text) else {
            return dev_err!(device, "{text}\n");
        };
        let mut shared = LOG.lock();
        if shared.lines.len() < MOST && shared.lines.reserve(1, GFP_KERNEL).is_ok() {
            let line = Line {
                sbdf: device.sbdf(),
                device: device.into(),
                level,
                text: kept,
            };
            // The lines of a device stay in the order written.
            let before = shared.lines.iter().filter(|other| other.sbdf <= line.sbdf);
            let index = before.count();
            // There is room, so this doesn't fail.
            let _ = shared.lines.insert_within_capacity(index, line);
        } else {
            drop(shared);
            log::write(level, NAME, device, &kept);
        }
    }
}

impl Drop for LogBatch {
    fn drop(&mut self) {
        let lines = {
            let mut shared = LOG.lock();
            shared.open = shared.open.saturating_sub(1);
            if shared.open > 0 {
                return;
            }
            core::mem::take(&mut shared.lines)
        };
        // The console may be slow: not under the lock.
        for line in lines {
            log::write(line.level, NAME, &line.device, &line.text);
        }
    }
}
