// SPDX-License-Identifier: GPL-2.0

//! Waiting for a device to come back from a reset.

use super::command::Command;
use crate::kapi::{
    fault,
    pci::{
        Locked,
        Unlocked, //
    },
};
use kernel::{
    bindings,
    prelude::*,
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    },
};

/// The low half of a Vendor ID read from a device that asks for more time, where its root port
/// makes that visible (Request Retry Status, PCIe r6.0 sec 2.3.2).
const RETRY: u32 = 0x0001;

/// The longest pause between two reads: short compared to the minute that a device may take.
const LONGEST_PAUSE: Delta = Delta::from_millis(256);

impl Locked<'_> {
    /// Returns `true` if the device answers with its own registers.
    pub(crate) fn is_ready(&self) -> bool {
        let id = self.read_u32(bindings::PCI_VENDOR_ID as i32);
        // A virtual function's ID reads as all ones at any time; its Command register doesn't.
        id & 0xffff != RETRY && Command::read(self).is_some()
    }

    /// Waits until the device answers. No event says so, so it is read, less and less often.
    ///
    /// # Errors
    ///
    /// - `ETIMEDOUT`: it doesn't in `patience`, or the kernel gave it up (it was pulled out).
    pub(crate) fn wait_until_ready(&self, patience: Delta) -> Result {
        fault::point("wait for the device").map_err(|_| ETIMEDOUT)?;
        let start = Instant::<Monotonic>::now();
        let mut pause = Delta::from_millis(1);
        while !self.is_ready() {
            if start.elapsed() >= patience || self.device().is_disconnected() {
                return Err(ETIMEDOUT);
            }
            fsleep(pause);
            pause = (pause + pause).min(LONGEST_PAUSE);
        }
        Ok(())
    }
}
