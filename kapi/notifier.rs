// SPDX-License-Identifier: GPL-2.0

//! Notifier blocks: being called by one of the kernel's chains. The chains here are that of the PCI
//! bus, for devices and drivers that come and go, and that of power management.
//!
//! UPSTREAM(notifier-data): a registration has no private data.
//!
//! C headers: [`include/linux/notifier.h`](srctree/include/linux/notifier.h),
//! [`include/linux/device/bus.h`](srctree/include/linux/device/bus.h),
//! [`include/linux/suspend.h`](srctree/include/linux/suspend.h)

use super::{
    fault,
    pci::Registered, //
};
use core::{
    marker::PhantomData,
    ptr::addr_of_mut, //
};
use kernel::{
    bindings,
    container_of,
    error::to_result,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    pci,
    prelude::*,
    types::Opaque, //
};

/// `NOTIFY_STOP_MASK`: the rest of the chain is not called.
const STOP: c_int = bindings::NOTIFY_STOP_MASK as c_int;
const DONE: c_int = bindings::NOTIFY_DONE as c_int;
const OK: c_int = bindings::NOTIFY_OK as c_int;

/// A chain and what is done when it calls.
///
/// # Safety
///
/// - `register` must put the block on a blocking notifier chain, and `unregister` take it off and
///   wait for calls under way.
/// - `called` may rely only on what that chain promises of its calls.
pub(crate) unsafe trait Chain {
    /// Puts a block on the chain.
    ///
    /// # Safety
    ///
    /// The block must be initialised, on no chain, and stay where it is until it is taken off.
    unsafe fn register(block: *mut bindings::notifier_block) -> c_int;

    /// Takes it off.
    ///
    /// # Safety
    ///
    /// The block must be on the chain.
    unsafe fn unregister(block: *mut bindings::notifier_block);

    /// Handles a call; `None` if it is of no interest.
    ///
    /// # Errors
    ///
    /// Any error ends the call of the chain, and is returned to its caller if the chain has that.
    ///
    /// # Safety
    ///
    /// To be called by the chain, with its action and data.
    unsafe fn called(action: u32, data: *mut c_void) -> Option<Result>;
}

/// A block on a chain; dropping it takes it off and waits for calls under way.
#[pin_data(PinnedDrop)]
pub(crate) struct NotifierRegistration<C: Chain> {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    _chain: PhantomData<C>,
}

// SAFETY: Nothing can be done through `&NotifierRegistration`.
unsafe impl<C: Chain> Sync for NotifierRegistration<C> {}

// SAFETY: Notifiers may be unregistered from any thread.
unsafe impl<C: Chain> Send for NotifierRegistration<C> {}

impl<C: Chain> NotifierRegistration<C> {
    /// Puts a block on the chain.
    ///
    /// # Errors
    ///
    /// - The errno of the registration; none is known for the chains here.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            block <- Opaque::try_ffi_init(|slot: *mut bindings::notifier_block| {
                let block = bindings::notifier_block {
                    notifier_call: Some(Self::callback),
                    next: core::ptr::null_mut(),
                    priority: 0,
                };
                fault::point("notifier_chain_register")?;
                // SAFETY: `try_ffi_init` guarantees that `slot` is valid for a write.
                unsafe { slot.write(block) };
                // SAFETY: The block is initialised and pinned, and stays so until `drop`.
                to_result(unsafe { C::register(slot) })
            }),
            _chain: PhantomData,
        })
    }

    /// # Safety
    ///
    /// To be called by the chain.
    unsafe extern "C" fn callback(
        _block: *mut bindings::notifier_block,
        action: c_ulong,
        data: *mut c_void,
    ) -> c_int {
        let Ok(action) = u32::try_from(action) else {
            return DONE;
        };
        // SAFETY: By the caller's promise.
        match unsafe { C::called(action, data) } {
            None => DONE,
            Some(Ok(())) => OK,
            // As notifier_from_errno() does, an inline function.
            Some(Err(error)) => STOP | (OK - error.to_errno()),
        }
    }
}

#[pinned_drop]
impl<C: Chain> PinnedDrop for NotifierRegistration<C> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `new` put the block on the chain.
        unsafe { C::unregister(addr_of_mut!(*self.block.get())) };
    }
}

/// The callbacks; each may sleep.
///
/// # Examples
///
/// ```ignore
/// struct Watcher;
///
/// impl BusListener for Watcher {
///     fn added(device: Registered<'_>) {
///         dev_info!(device, "appeared\n");
///     }
/// }
///
/// let watcher <- BusRegistration::<Watcher>::new();
/// ```
pub(crate) trait BusListener {
    /// A device was added to the PCI bus; no driver has seen it yet. The caller holds no lock of
    /// the device.
    fn added(_device: Registered<'_>) {}

    /// A device is about to be removed; its sysfs directory still exists.
    fn removing(_device: &pci::Device) {}

    /// A device is about to lose its driver. The caller holds the device's lock.
    fn unbinding(_device: &pci::Device) {}
}

/// A registered [`BusListener`]; dropping it unregisters and waits for calls under way.
pub(crate) type BusRegistration<T> = NotifierRegistration<PciBus<T>>;

/// The chain of the PCI bus.
pub(crate) struct PciBus<T: BusListener>(PhantomData<T>);

// SAFETY: `unregister` undoes `register`, and waits, as the chain is a blocking one.
unsafe impl<T: BusListener> Chain for PciBus<T> {
    unsafe fn register(block: *mut bindings::notifier_block) -> c_int {
        // SAFETY: By the caller's promise; the bus exists.
        unsafe { bindings::bus_register_notifier(&raw const bindings::pci_bus_type, block) }
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // SAFETY: As above. The only error is that it isn't registered.
        unsafe { bindings::bus_unregister_notifier(&raw const bindings::pci_bus_type, block) };
    }

    unsafe fn called(action: u32, data: *mut c_void) -> Option<Result> {
        let callback: fn(&pci::Device) = match action {
            bindings::bus_notifier_event_BUS_NOTIFY_ADD_DEVICE => {
                // SAFETY: It is in sysfs by now. Whoever adds it holds pci_lock_rescan_remove(), so
                // that it isn't removed before the whole chain was called, or adds virtual
                // functions of a device whose lock it holds.
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
        callback(pdev);
        Some(Ok(()))
    }
}

/// The callbacks before and after the system sleeps.
pub(crate) trait PmListener {
    /// The system is about to be suspended or hibernated. Processes still run.
    ///
    /// # Errors
    ///
    /// Any error keeps the system awake, and is what user space gets.
    fn about_to_sleep() -> Result;

    /// The system is awake again, or was kept awake by others. Processes run.
    fn woke();
}

/// A registered [`PmListener`]; dropping it unregisters and waits for calls under way.
pub(crate) type PmRegistration<T> = NotifierRegistration<PowerManagement<T>>;

/// The chain of power management.
pub(crate) struct PowerManagement<T: PmListener>(PhantomData<T>);

// SAFETY: `unregister` undoes `register`, and waits, as the chain is a blocking one.
unsafe impl<T: PmListener> Chain for PowerManagement<T> {
    unsafe fn register(block: *mut bindings::notifier_block) -> c_int {
        // SAFETY: By the caller's promise.
        unsafe { bindings::register_pm_notifier(block) }
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // SAFETY: By the caller's promise. The only error is that it isn't registered.
        unsafe { bindings::unregister_pm_notifier(block) };
    }

    unsafe fn called(action: u32, _: *mut c_void) -> Option<Result> {
        match action {
            bindings::PM_SUSPEND_PREPARE | bindings::PM_HIBERNATION_PREPARE => {
                Some(T::about_to_sleep())
            }
            bindings::PM_POST_SUSPEND | bindings::PM_POST_HIBERNATION => {
                T::woke();
                Some(Ok(()))
            }
            _ => None,
        }
    }
}
