// SPDX-License-Identifier: GPL-2.0

//! The right to reset claimed devices, held by one at a time.
//!
//! A reset that reaches several devices must not begin before it has the right to all of them, and
//! must not wait for it without end. Device locks can do neither: they keep drivers from coming and
//! going, and whoever wants one waits until it is free. They are taken next.

use super::claimed::Claimed;
use kernel::{
    prelude::*,
    sync::Arc,
    time::msecs_to_jiffies, //
};

/// The longest that a reset waits for others to end, in milliseconds: more than any reset takes
/// that succeeds, even that of a conventional bus with its 1.1 s. One that fails can take a minute,
/// which isn't worth waiting for.
const PATIENCE: u32 = 10_000;

/// Claimed devices that nobody else resets as long as this lives.
pub(crate) struct Reservation(KVec<Arc<Claimed>>);

impl Reservation {
    /// Reserves the devices, which must be in ascending order of their addresses, each once. So
    /// nobody who holds one waits for one that comes before it.
    ///
    /// # Errors
    ///
    /// - `EAGAIN`: another reset of one of them took too long.
    /// - `ERESTARTSYS`: a signal came first.
    /// - `ENOMEM`: no memory.
    pub(crate) fn take(devices: impl Iterator<Item = Arc<Claimed>>) -> Result<Self> {
        let mut held = Self(KVec::new());
        let mut patience = msecs_to_jiffies(PATIENCE);
        for device in devices {
            held.0.reserve(1, GFP_KERNEL)?;
            patience = device.reserve(patience)?;
            // There is room; if there were none, the device would be given back here.
            if let Err(full) = held.0.push_within_capacity(device) {
                full.0.unreserve();
                return Err(ENOMEM);
            }
        }
        Ok(held)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        for device in &self.0 {
            device.unreserve();
        }
    }
}
