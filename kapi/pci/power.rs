// SPDX-License-Identifier: GPL-2.0

//! Power states of a device whose lock is held.
//!
//! UPSTREAM(device-core): the kernel crate has none.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use super::{
    raw,
    DeviceExt,
    Locked,
    Unlocked, //
};
use crate::kapi::fault;
use kernel::{
    bindings,
    error::to_result,
    pci,
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    },
};

/// A change from or to D2 (PCI PM 1.2 sec 5.6.1), in microseconds; the others take as long as the
/// kernel has for the device (`d3hot_delay`), at least 10 ms.
const D2_DELAY: i64 = 200;
const D3HOT_DELAY: u32 = 10;
const SLOW_D3HOT_DELAY: u32 = 120;

/// # Examples
///
/// ```ignore
/// if !locked.is_awake() {
///     locked.wake()?;
/// }
/// ```
impl Locked<'_> {
    /// Returns `true` if the kernel takes the device to be in D0.
    pub(crate) fn is_awake(&self) -> bool {
        self.power_state() == 0
    }

    fn power_state(&self) -> bindings::pci_power_t {
        // SAFETY: The device is valid, and its lock is held.
        unsafe { (*raw(self.device())).current_state }
    }

    /// Wakes the device to D0. The kernel logs most failures, and restores addresses that the
    /// device has lost, not what it decodes.
    ///
    /// It also looks at the link anew, with `pci_bus_sem` held, which the recovery from an error
    /// holds while it waits for the device's lock: so this is not for what guests bring about.
    ///
    /// # Errors
    ///
    /// - `EIO`: the device doesn't wake, or doesn't answer.
    /// - `ENODEV`: it may have been removed.
    /// - Any other errno of `pci_set_power_state()`.
    pub(crate) fn wake(&self) -> Result {
        fault::point("pci_set_power_state")?;
        self.check_there()?;
        // SAFETY: The device is valid and there, and its lock is held.
        to_result(unsafe { bindings::pci_set_power_state(raw(self.device()), 0) })?;
        // The kernel doesn't count it as an error if the device refuses.
        if self.is_awake() {
            Ok(())
        } else {
            Err(EIO)
        }
    }

    /// Puts the device into a power state, 0 to 3 for D0 to D3hot, by its register alone: firmware
    /// isn't asked, and the link is left as it is. One that comes from D3hot may need time until it
    /// answers, and may have lost its registers; [`check_power_state`](Self::check_power_state)
    /// must follow when it does.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: it may have been removed.
    /// - `EINVAL`: it hasn't that state, or that is between D0 and the one which it is in.
    /// - `EIO`: it doesn't answer, or has no power states.
    pub(crate) fn write_power_state(&self, state: u8) -> Result {
        fault::point("write of PMCSR")?;
        self.check_there()?;
        let offset = self.pm_control_offset().ok_or(EIO)?;
        let now = self.power_control()?;
        let state = u16::from(state);
        if !self.has_power_state(state) || (state != 0 && state < now & STATE) {
            return Err(EINVAL);
        }
        if state != now & STATE {
            // As the kernel, which turns PME off with it.
            let value = if state == 0 { 0 } else { now & !STATE | state };
            self.write_u16(offset, value);
            fsleep(self.delay(state.max(now & STATE)));
        }
        self.note_power_state(state);
        Ok(())
    }

    /// Checks that the device, which answers, is in the power state that was written.
    ///
    /// # Errors
    ///
    /// - `EIO`: it refuses, or doesn't answer.
    pub(crate) fn check_power_state(&self, state: u8) -> Result {
        let reached = self.power_control()? & STATE;
        self.note_power_state(reached);
        if reached == u16::from(state) {
            Ok(())
        } else {
            Err(EIO)
        }
    }

    fn note_power_state(&self, state: u16) {
        // SAFETY: The device is valid, and its lock is held, as by drivers that have the kernel do
        // this.
        unsafe { (*raw(self.device())).current_state = state.into() };
    }

    /// # Errors
    ///
    /// - `EIO`: it has no such register, or doesn't answer.
    fn power_control(&self) -> Result<u16> {
        let control = self.pm_control();
        control.filter(|control| *control != u16::MAX).ok_or(EIO)
    }

    /// As `__pci_set_power_state()` and `pci_set_low_power_state()` decide it.
    fn has_power_state(&self, state: u16) -> bool {
        let device = self.device();
        let without = has_only_d3(device) || self.is_below_slow_port();
        // SAFETY: The device is valid; the bits are set when it is found.
        let [d1, d2] = unsafe {
            [
                bindings::pci_dev::d1_support_raw(raw(device)) != 0,
                bindings::pci_dev::d2_support_raw(raw(device)) != 0,
            ]
        };
        match state {
            0 => true,
            1 => d1 && !without,
            2 => d2 && !without,
            _ => !device.has_flag(bindings::pci_dev_flags_PCI_DEV_FLAGS_NO_D3),
        }
    }

    /// Returns how long a change from or to a state takes.
    fn delay(&self, deepest: u16) -> Delta {
        let least = if self.is_below_slow_port() {
            SLOW_D3HOT_DELAY
        } else {
            D3HOT_DELAY
        };
        match deepest {
            3 => {
                // SAFETY: The device is valid; the field is set when it is found, and by drivers.
                let own = unsafe { (*raw(self.device())).d3hot_delay };
                Delta::from_millis(own.max(least).into())
            }
            2 => Delta::from_micros(D2_DELAY),
            _ => Delta::ZERO,
        }
    }

    /// Returns `true` below a port of old chipsets, which needs more time for D3hot and is marked
    /// by having no D1 and D2 (`quirk_intel_pcie_pm()`).
    fn is_below_slow_port(&self) -> bool {
        self.device().upstream_bridge().is_some_and(has_only_d3)
    }
}

/// Returns `true` if the kernel keeps a device from D1 and D2.
fn has_only_d3(device: &pci::Device) -> bool {
    // SAFETY: The device is valid; the bit is set by quirks, and by drivers.
    unsafe { bindings::pci_dev::no_d1d2_raw(raw(device)) != 0 }
}

/// The state in the Power Management Control/Status register.
const STATE: u16 = bindings::PCI_PM_CTRL_STATE_MASK as u16;
