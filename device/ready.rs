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
/// The same from a virtual function at any time, and from a device that doesn't answer.
const NOBODY: u32 = 0xffff;

/// The longest pause between two reads: short compared to the minute that a device may take.
const LONGEST_PAUSE: Delta = Delta::from_millis(256);

impl Locked<'_> {
    /// Returns `true` if the device answers with its own registers.
    pub(crate) fn is_ready(&self) -> bool {
        match self.vendor() {
            RETRY => false,
            NOBODY => Command::read(self).is_some(),
            _ => true,
        }
    }

    /// Waits until the device answers, and returns what its Command register is then. No event says
    /// so, so it is read, less and less often. `is_back`: the kernel has waited until it answered.
    ///
    /// # Errors
    ///
    /// - `ETIMEDOUT`: it doesn't in `patience`, or the kernel gave it up (it was pulled out).
    pub(crate) fn wait_until_ready(&self, patience: Delta, is_back: bool) -> Result<Command> {
        fault::point("wait for the device").map_err(|_| ETIMEDOUT)?;
        let start = Instant::<Monotonic>::now();
        let mut pause = Delta::from_millis(1);
        let mut asks_for_time = !is_back && self.vendor() == RETRY;
        loop {
            // Not read while it asks for time: the port would go on asking until it answers. What
            // the Vendor ID is else says nothing of a virtual function.
            let command = if asks_for_time {
                None
            } else {
                Command::read(self)
            };
            if let Some(command) = command {
                return Ok(command);
            }
            if start.elapsed() >= patience || self.device().is_disconnected() {
                return Err(ETIMEDOUT);
            }
            fsleep(pause);
            pause = (pause + pause).min(LONGEST_PAUSE);
            asks_for_time = self.vendor() == RETRY;
        }
    }

    /// Returns the Vendor ID as it reads.
    fn vendor(&self) -> u32 {
        self.read_u32(bindings::PCI_VENDOR_ID as i32) & 0xffff
    }
}
