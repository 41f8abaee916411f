// SPDX-License-Identifier: GPL-2.0

//! The right to reset claimed devices, held by one at a time.
//!
//! A reset that reaches several devices must not begin before it has the right to all of them, and
//! who waits for it must not wait for ever. Device locks, which are taken next, can do neither:
//! they keep drivers from coming and going, and whoever wants one waits until it is free.

use crate::stub::claimed::Claimed;
use kernel::{
    prelude::*,
    sync::{Arc, CondVarTimeoutResult},
    time::{msecs_to_jiffies, Jiffies},
};

/// The longest that a reset waits for others to end, in milliseconds. More than any reset takes
/// that succeeds, a conventional bus with its 1.1 s included; one that fails can take a minute, for
/// which it is not worth while to wait.
const PATIENCE: u32 = 10_000;

/// Claimed devices that nobody else resets as long as this lives.
pub(crate) struct Reservation(KVec<Arc<Claimed>>);

impl Reservation {
    /// Reserves the devices, which must be in ascending order of their addresses, each once: so
    /// nobody who holds one waits for one that comes before it.
    ///
    /// # Errors
    ///
    /// - `EAGAIN`: another reset of one of them goes on and on.
    /// - `ERESTARTSYS`: a signal came first.
    /// - `ENOMEM`: no memory.
    pub(crate) fn take(devices: impl Iterator<Item = Arc<Claimed>>) -> Result<Self> {
        let mut held = Self(KVec::new());
        let mut patience = msecs_to_jiffies(PATIENCE);
        for device in devices {
            held.0.reserve(1, GFP_KERNEL)?;
            patience = wait(&device, patience)?;
            // There is room; if there were none, the device would be given back here.
            if let Err(full) = held.0.push_within_capacity(device) {
                give_back(&full.0);
                return Err(ENOMEM);
            }
        }
        Ok(held)
    }
}

/// Waits until nobody has the device reserved, and reserves it. Returns what is left of the
/// patience.
fn wait(device: &Claimed, mut patience: Jiffies) -> Result<Jiffies> {
    let mut reserved = device.reserved.lock();
    while *reserved {
        patience = match device
            .unreserved
            .wait_interruptible_timeout(&mut reserved, patience)
        {
            CondVarTimeoutResult::Woken { jiffies } => jiffies,
            CondVarTimeoutResult::Signal { .. } => return Err(ERESTARTSYS),
            CondVarTimeoutResult::Timeout if *reserved => return Err(EAGAIN),
            CondVarTimeoutResult::Timeout => 0,
        };
    }
    *reserved = true;
    Ok(patience)
}

fn give_back(device: &Claimed) {
    *device.reserved.lock() = false;
    device.unreserved.notify_all();
}

impl Drop for Reservation {
    fn drop(&mut self) {
        for device in &self.0 {
            give_back(device);
        }
    }
}
