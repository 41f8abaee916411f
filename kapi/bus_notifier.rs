// SPDX-License-Identifier: GPL-2.0

//! Being told when PCI devices, and their drivers, come and go.
//!
//! C header: [`include/linux/device/bus.h`](srctree/include/linux/device/bus.h)

use super::{
    notifier::{self, Chain},
    pci::Registered,
};
use core::marker::PhantomData;
use kernel::{bindings, container_of, ffi, pci, prelude::*};

/// What is told; every method may sleep.
pub(crate) trait Listener {
    /// A device was added to the PCI bus; no driver has seen it yet. The caller holds no lock of
    /// the device.
    fn added(_device: Registered<'_>) {}

    /// A device is about to be removed; its sysfs directory still exists.
    fn removing(_device: &pci::Device) {}

    /// A device is about to lose its driver. The caller holds the device's lock.
    fn unbinding(_device: &pci::Device) {}
}

/// A registered [`Listener`]; dropping it unregisters and waits for calls under way.
pub(crate) type Registration<T> = notifier::Registration<PciBus<T>>;

/// The chain of the PCI bus.
pub(crate) struct PciBus<T: Listener>(PhantomData<T>);

// SAFETY: `unregister` undoes `register`, and waits, as the chain is a blocking one.
unsafe impl<T: Listener> Chain for PciBus<T> {
    unsafe fn register(block: *mut bindings::notifier_block) -> ffi::c_int {
        // SAFETY: By the caller's promise; the bus exists.
        unsafe { bindings::bus_register_notifier(&raw const bindings::pci_bus_type, block) }
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // SAFETY: As above. The only error is that it isn't registered.
        unsafe { bindings::bus_unregister_notifier(&raw const bindings::pci_bus_type, block) };
    }

    unsafe fn called(action: u32, data: *mut ffi::c_void) -> Option<Result> {
        let told: fn(&pci::Device) = match action {
            bindings::bus_notifier_event_BUS_NOTIFY_ADD_DEVICE => {
                // SAFETY: It is in sysfs by now. Whoever adds it holds pci_lock_rescan_remove(), so
                // that it isn't removed before all were told, or has the virtual functions of a
                // device whose lock it holds.
                |device| T::added(unsafe { Registered::assume(device) })
            }
            bindings::bus_notifier_event_BUS_NOTIFY_DEL_DEVICE => T::removing,
            bindings::bus_notifier_event_BUS_NOTIFY_UNBIND_DRIVER => T::unbinding,
            _ => return None,
        };
        let dev = data.cast::<bindings::device>();
        // SAFETY: Notifiers of the PCI bus get a `struct device` that is embedded in a
        // `struct pci_dev`, valid for the duration of the call.
        let pdev = unsafe { &*container_of!(dev, bindings::pci_dev, dev).cast::<pci::Device>() };
        told(pdev);
        Some(Ok(()))
    }
}
