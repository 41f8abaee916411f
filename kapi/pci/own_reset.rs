// SPDX-License-Identifier: GPL-2.0

//! What is known of a device before the kernel resets it by itself.

use super::{
    raw,
    DeviceExt,
    Header,
    Locked,
    Unlocked, //
};
use kernel::bindings;

impl Locked<'_> {
    /// Returns `true` if the kernel would reset the bus for this device alone, as
    /// `pci_parent_bus_reset()` decides it: nobody else is on it.
    pub(crate) fn is_alone_on_its_bus(&self) -> bool {
        let device = self.device();
        // SAFETY: The device is valid and keeps its bus valid. The ends of the bus's list are
        // compared with the address of the device's own entry; nothing is followed.
        let alone = unsafe {
            let entry = &raw const (*raw(device)).bus_list;
            let list = &raw const (*(*raw(device)).bus).devices;
            let next = (&raw const (*list).next).read_volatile();
            let prev = (&raw const (*list).prev).read_volatile();
            core::ptr::eq(next, entry) && core::ptr::eq(prev, entry)
        };
        alone
            && device.header() == Header::Normal
            && device.upstream_bridge().is_some()
            && !device.never_reset_bus()
    }

    /// Returns `true` if the device needs no time after a reset, so that the kernel gives it none.
    pub(crate) fn is_immediately_ready(&self) -> bool {
        // SAFETY: The device is valid; the bit is set when it is found.
        unsafe { bindings::pci_dev::imm_ready_raw(raw(self.device())) != 0 }
    }
}
