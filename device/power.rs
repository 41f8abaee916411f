// SPDX-License-Identifier: GPL-2.0

//! Power states that a guest puts its device into, and waking it when the guest's use ends.

use super::claimed::Claimed;
use crate::{
    kapi::pci::Locked,
    pure::config_space::PowerState, //
};
use kernel::{
    prelude::*,
    time::Delta, //
};

/// The longest that a device may take to answer when it comes from D3hot, as the kernel has it
/// (`PCIE_RESET_READY_POLL_MS` in drivers/pci/pci.h).
const PATIENCE: Delta = Delta::from_millis(60_000);

/// Puts a device into a power state.
///
/// # Errors
///
/// - `EINVAL`: it hasn't that state, or that is between D0 and the one which it is in.
/// - `EIO`: it refuses, doesn't answer, or has no power states.
/// - `ENODEV`: it may have been removed.
/// - `ETIMEDOUT`: it doesn't answer any more.
pub(crate) fn set(claimed: &Claimed, locked: &Locked<'_>, state: PowerState) -> Result {
    let number = match state {
        PowerState::D0 => 0,
        PowerState::D1 => 1,
        PowerState::D2 => 2,
        PowerState::D3Hot => 3,
    };
    locked.write_power_state(number)?;
    if state == PowerState::D0 {
        locked.wait_until_ready(PATIENCE, false)?;
    }
    locked.check_power_state(number)?;
    if state == PowerState::D0 {
        claimed.saved.restore_addresses(locked);
    }
    Ok(())
}

/// Wakes a device that its guest has put to sleep, as far as that can be, and has it decode.
pub(crate) fn wake(claimed: &Claimed, locked: &Locked<'_>) {
    if locked.is_awake() {
        claimed.saved.restore_addresses(locked);
    } else {
        // Where it doesn't wake, the reset will tell.
        let _ = set(claimed, locked, PowerState::D0);
    }
}
