// SPDX-License-Identifier: GPL-2.0

//! Running one reset method of the kernel.

use super::{ats::AtsControl, raw, Command, Exclusive, Locked, SavedState};
use crate::pure::reset_method::Method;
use kernel::{bindings, error::to_result, pci, prelude::*};

/// `PCI_D0` (include/linux/pci.h): the device is on.
const PCI_D0: bindings::pci_power_t = 0;

/// Entries of `struct pci_dev.reset_methods`.
const METHODS: usize = 8;

/// Returns the reset methods that the kernel lists for the device, see
/// [`choose_function_level`](crate::pure::reset_method::choose_function_level).
pub(crate) fn listed_methods(device: &pci::Device) -> [u8; METHODS] {
    // SAFETY: The device is valid. The kernel rewrites the list when `reset_method` is written,
    // without a lock that we could take; each entry is a byte, so the worst that is read is a
    // mixture of the old and the new list, of which every entry is (or was) allowed.
    unsafe { (&raw const (*raw(device)).reset_methods).read_volatile() }
}

impl Locked<'_> {
    /// Wakes the device to D0.
    ///
    /// # Errors
    ///
    /// - The errno of `pci_set_power_state()`, such as `EIO` for a device that doesn't wake.
    pub(crate) fn wake(&self) -> Result {
        // SAFETY: The device is valid, and its lock is held.
        to_result(unsafe { bindings::pci_set_power_state(raw(self.device()), PCI_D0) })
    }
}

/// What became of a reset.
pub(crate) struct Attempt {
    /// The reset itself.
    pub(crate) reset: Result,
    /// The restore after it, which is tried in any case.
    pub(crate) restored: Result,
    /// How long the reset took.
    pub(crate) duration: kernel::time::Delta,
}

impl Exclusive<'_> {
    /// Quiesces the function, resets it by `method`, and restores `state`.
    pub(crate) fn reset(&self, method: Method, state: &SavedState) -> Attempt {
        let start = kernel::time::Instant::<kernel::time::Monotonic>::now();
        let ats = AtsControl::enabled(self);
        Command::QUIET.write(self);
        let reset = self.run(method);
        let duration = start.elapsed();
        Attempt {
            reset,
            restored: state.restore_with(self, ats),
            duration,
        }
    }

    /// Runs `method` and no other. Returns when the function answers again, 100 ms to 60 s later.
    ///
    /// # Errors
    ///
    /// - `ETIMEDOUT`: the function didn't come back (for which the kernel says `ENOTTY`, as for a
    ///   method that the device doesn't have; but only listed methods are run).
    /// - Any other errno of the method.
    fn run(&self, method: Method) -> Result {
        // The kernel exports a way to walk its list, going on to the next method after a time-out
        // (and so to weaker ones), but not one to run a given method. So the list is narrowed to
        // the one meanwhile.
        let only = {
            let mut only = [0; METHODS];
            if let Some(first) = only.first_mut() {
                *first = method.kernel_number();
            }
            only
        };
        // SAFETY: The device is valid. Whoever resets it or reads the list to do so holds its lock,
        // which is held here; a concurrent writer (`reset_method` in sysfs) is left its word.
        let result = unsafe {
            let list = &raw mut (*raw(self.device())).reset_methods;
            let listed = list.read_volatile();
            list.write_volatile(only);
            let result = bindings::__pci_reset_function_locked(raw(self.device()));
            if list.read_volatile() == only {
                list.write_volatile(listed);
            }
            result
        };
        match to_result(result) {
            Err(error) if error == ENOTTY => Err(ETIMEDOUT),
            other => other,
        }
    }
}
