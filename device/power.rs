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

/// The longest that a device may take to answer when it comes from D3hot: a second, as after a
/// reset (PCIe r6.0 sec 5.3.1.4, `PCI_RESET_WAIT` in drivers/pci/pci.h).
const PATIENCE: Delta = Delta::from_millis(1000);

/// Puts a device into a power state.
///
/// # Errors
///
/// - `EIO`, `EINVAL`, `ENODEV`: see [`Locked::write_power_state`].
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
        claimed.saved.restore_addresses(locked);
    }
    Ok(())
}

/// Wakes a device that its guest has put to sleep, as far as that can be, and has it decode.
pub(crate) fn wake(claimed: &Claimed, locked: &Locked<'_>) {
    if locked.is_awake() {
        claimed.saved.restore_decode(locked);
    } else {
        // Where it doesn't wake, the reset will tell.
        let _ = set(claimed, locked, PowerState::D0);
    }
}
