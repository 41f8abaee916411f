// SPDX-License-Identifier: GPL-2.0

//! Being told when PCI devices come and go.
//!
//! C header: [`include/linux/device/bus.h`](srctree/include/linux/device/bus.h)

use core::{marker::PhantomData, ptr::addr_of_mut};
use kernel::{bindings, container_of, error::to_result, ffi, pci, prelude::*, types::Opaque};

/// What is told; every method may sleep.
pub(crate) trait Listener {
    /// A device was added to the PCI bus; no driver has seen it yet. The caller holds no lock of
    /// the device.
    fn added(_device: &pci::Device) {}

    /// A device is about to be removed; its sysfs directory still exists.
    fn removing(_device: &pci::Device) {}

    /// A device is about to lose its driver. The caller holds the device's lock.
    fn unbinding(_device: &pci::Device) {}
}

/// A registered [`Listener`]; dropping it unregisters and waits for calls under way.
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T: Listener> {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    _listener: PhantomData<T>,
}

// SAFETY: Nothing can be done through `&Registration`.
unsafe impl<T: Listener> Sync for Registration<T> {}

// SAFETY: Notifiers may be unregistered from any thread.
unsafe impl<T: Listener> Send for Registration<T> {}

impl<T: Listener> Registration<T> {
    /// Registers the listener on the PCI bus.
    ///
    /// # Errors
    ///
    /// - The errno of `bus_register_notifier()`; none is known for a bus that exists.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            block <- Opaque::try_ffi_init(|slot: *mut bindings::notifier_block| {
                let block = bindings::notifier_block {
                    notifier_call: Some(Self::callback),
                    next: core::ptr::null_mut(),
                    priority: 0,
                };
                // SAFETY: `try_ffi_init` guarantees that `slot` is valid for a write.
                unsafe { slot.write(block) };
                // SAFETY: The block is initialised and pinned, and stays so until `drop`.
                to_result(unsafe {
                    bindings::bus_register_notifier(&raw const bindings::pci_bus_type, slot)
                })
            }),
            _listener: PhantomData,
        })
    }

    /// # Safety
    ///
    /// To be called by the PCI bus's notifier chain: `data` is the device.
    unsafe extern "C" fn callback(
        _block: *mut bindings::notifier_block,
        action: ffi::c_ulong,
        data: *mut ffi::c_void,
    ) -> ffi::c_int {
        let told = match u32::try_from(action) {
            Ok(bindings::bus_notifier_event_BUS_NOTIFY_ADD_DEVICE) => T::added,
            Ok(bindings::bus_notifier_event_BUS_NOTIFY_DEL_DEVICE) => T::removing,
            Ok(bindings::bus_notifier_event_BUS_NOTIFY_UNBIND_DRIVER) => T::unbinding,
            _ => return bindings::NOTIFY_DONE as ffi::c_int,
        };
        let dev = data.cast::<bindings::device>();
        // SAFETY: Notifiers of the PCI bus get a `struct device` that is embedded in a
        // `struct pci_dev`, valid for the duration of the call.
        let pdev = unsafe { &*container_of!(dev, bindings::pci_dev, dev).cast::<pci::Device>() };
        told(pdev);
        bindings::NOTIFY_OK as ffi::c_int
    }
}

#[pinned_drop]
impl<T: Listener> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `new` registered the block. The only error is that it isn't registered.
        unsafe {
            bindings::bus_unregister_notifier(
                &raw const bindings::pci_bus_type,
                addr_of_mut!(*self.block.get()),
            )
        };
    }
}
