// SPDX-License-Identifier: GPL-2.0

//! Resetting hardware, without saving before or restoring after.
//!
//! UPSTREAM(reset-methods): the kernel exports no way to run one given reset method, so the list of
//! methods is rewritten meanwhile.

use super::{
    raw,
    slot,
    CfgLocked,
    DeviceExt,
    Header, //
};
use crate::{
    kapi::fault,
    pure::reset_method::{
        Listed,
        Method, //
    },
};
use kernel::{
    bindings,
    error::to_result,
    ffi::c_int,
    pci,
    prelude::*, //
};

/// Returns the reset methods that the kernel lists for the device.
pub(crate) fn listed_methods(device: &pci::Device) -> Listed {
    // SAFETY: The device is valid. The kernel rewrites the list when `reset_method` is written,
    // without a lock that we could take; each entry is a byte, so the worst that is read is a
    // mixture of the old and the new list, of which every entry is (or was) allowed.
    Listed::new(unsafe { (&raw const (*raw(device)).reset_methods).read_volatile() }).widened()
}

impl CfgLocked<'_> {
    /// Runs a reset method of the function and no other. Returns when the function answers again,
    /// up to 60 s later (`PCIE_RESET_READY_POLL_MS` of drivers/pci/pci.h).
    ///
    /// # Errors
    ///
    /// - `ETIMEDOUT`: the function didn't come back, or since Linux 7.3 didn't answer when its FLR
    ///   was to begin (for which the kernel says `ENOTTY`, as for a method that the device doesn't
    ///   have; but only listed methods are run).
    /// - `ENODEV`: the device may have been removed.
    /// - Any other errno of the method.
    ///
    /// # Examples
    ///
    /// ```ignore
    /// for method in listed_methods(locked.device()).function_level() {
    ///     locked.run(method)?;
    /// }
    /// ```
    pub(crate) fn run(&self, method: Method) -> Result {
        fault::point("reset of the function")?;
        self.check_there()?;
        if method == Method::Flr {
            // SAFETY: The device is valid and its lock is held. False: not only a probe.
            return timed_out(unsafe { bindings::pcie_reset_flr(raw(self.device()), false) });
        }
        // For the others the kernel exports a walk of its list, which goes on to the next (weaker)
        // method after a time-out, but no way to run a given method. So the list is narrowed to
        // that method meanwhile.
        //
        // SAFETY: The device is valid. Whoever resets it or reads the list to do so holds its lock,
        // which is held here. What a concurrent writer (`reset_method` in sysfs) wrote stays.
        let result = unsafe {
            let list = &raw mut (*raw(self.device())).reset_methods;
            let listed = list.read_volatile();
            let narrowed = Listed::new(listed).narrowed(method).numbers();
            list.write_volatile(narrowed);
            let result = bindings::__pci_reset_function_locked(raw(self.device()));
            if list.read_volatile() == narrowed {
                list.write_volatile(listed);
            }
            result
        };
        timed_out(result)
    }

    /// Resets everything below this bridge by its Bridge Control register, and waits for the first
    /// device there, up to 60 s (1.1 s where the link is down or the bus is conventional).
    ///
    /// # Errors
    ///
    /// - `ETIMEDOUT`: that device didn't come back.
    /// - `EINVAL`: this is no bridge.
    /// - `ENODEV`: it may have been removed.
    pub(crate) fn reset_secondary_bus(&self) -> Result {
        fault::point("pci_bridge_secondary_bus_reset")?;
        // In any other device the register is another one.
        if self.device().header() != Header::Bridge {
            return Err(EINVAL);
        }
        self.check_there()?;
        // SAFETY: The device is there, its lock is held, and user space's accesses to its
        // configuration space wait, without which the kernel would complain.
        timed_out(unsafe { bindings::pci_bridge_secondary_bus_reset(raw(self.device())) })
    }

    /// Returns `true` if what is below this bridge is in a hot-plug slot that can be reset.
    /// `inside` must be one of the devices directly below it.
    pub(crate) fn can_reset_slot(&self, inside: &CfgLocked<'_>) -> bool {
        slot::can_reset(self, inside)
    }

    /// Resets that slot, and waits as [`reset_secondary_bus`](Self::reset_secondary_bus) does.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: there is no slot that can be reset (any more).
    /// - `ETIMEDOUT`: what is in it didn't come back.
    /// - Any other errno of the slot's driver.
    pub(crate) fn reset_slot(&self, inside: &CfgLocked<'_>) -> Result {
        fault::point("reset_slot")?;
        timed_out(slot::reset(self, inside).ok_or(ENODEV)?)
    }
}

fn timed_out(result: c_int) -> Result {
    match to_result(result) {
        Err(error) if error == ENOTTY => Err(ETIMEDOUT),
        other => other,
    }
}
