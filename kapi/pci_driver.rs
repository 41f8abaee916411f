// SPDX-License-Identifier: GPL-2.0

//! A PCI driver with what `kernel::pci::Adapter` doesn't set: driver and device attributes, error
//! handlers, DMA that is managed by somebody else, and probes that overlap.
//!
//! The driver core probes new devices in threads of their own. (Orders from user space, `bind` and
//! `drivers_probe`, are carried out by who gives them.) It would do the same with all that are
//! there when the driver is registered, which costs a thread for each device that nobody wants; so
//! then it probes one after the other, and a driver that finds one it wants can have it
//! [attached](super::pci::attach) later.
//!
//! The adapter here fills in those fields and lets the kernel's own adapter do the rest.
//!
//! UPSTREAM(probe-type): `probe_type` is changed while the driver is registered.

use super::{
    attr::{
        DeviceAttribute,
        DriverAttribute,
        Groups, //
    },
    fault,
    pci::{
        CfgLocked,
        Locked, //
    },
};
use crate::pure::error_recovery::{
    Channel,
    ErsResult, //
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    driver,
    pci,
    prelude::*,
    types::Opaque,
    ThisModule, //
};

/// The sysfs attributes of a driver.
pub(crate) trait Attributes {
    /// Attributes in the driver's directory, from registration to unregistration.
    const DRIVER_GROUPS: &'static Groups<DriverAttribute>;

    /// Attributes in the directory of each bound device, from after `probe` to before `unbind`.
    const DEVICE_GROUPS: &'static Groups<DeviceAttribute>;
}

/// What a stub driver adds to [`pci::Driver`].
pub(crate) trait StubDriver: pci::Driver {
    /// The kernel found an error in the device or above it. It holds up the recovery of all
    /// devices below the same port until each has answered.
    fn error_detected(device: &Locked<'_>, channel: Channel) -> ErsResult;

    /// The link was reset. The device's configuration is what the reset made of it.
    fn slot_reset(device: &Locked<'_>) -> ErsResult;

    /// The recovery is over: the device may work again.
    fn resume(device: &Locked<'_>);

    /// The kernel is about to reset the device by itself, for somebody else. What its configuration
    /// is when this returns it gets back after the reset.
    fn reset_prepare(device: &CfgLocked<'_>);

    /// It did, or failed to, and has restored that configuration.
    fn reset_done(device: &CfgLocked<'_>);
}

/// A type for [`driver::Registration`] that registers `T`.
///
/// # Examples
///
/// ```ignore
/// let registration = driver::Registration::<Adapter<MyDriver>>::new(c"my_driver", module);
/// ```
pub(crate) struct Adapter<T: StubDriver + Attributes>(PhantomData<T>);

impl<T: StubDriver + Attributes> Adapter<T> {
    const ERROR_HANDLERS: bindings::pci_error_handlers = bindings::pci_error_handlers {
        error_detected: Some(Self::error_detected),
        mmio_enabled: Some(Self::mmio_enabled),
        slot_reset: Some(Self::slot_reset),
        reset_prepare: Some(Self::reset_prepare),
        reset_done: Some(Self::reset_done),
        resume: Some(Self::resume),
        cor_error_detected: None,
    };

    /// # Safety
    ///
    /// To be called by the kernel's error recovery for a device bound to this driver, with the
    /// device's lock held.
    unsafe extern "C" fn error_detected(
        device: *mut bindings::pci_dev,
        channel: bindings::pci_channel_state_t,
    ) -> bindings::pci_ers_result_t {
        let channel = match channel {
            bindings::pci_channel_io_normal => Channel::Normal,
            bindings::pci_channel_io_frozen => Channel::Frozen,
            _ => Channel::Lost,
        };
        // SAFETY: By the caller's promise.
        answer(T::error_detected(&unsafe { locked(device) }, channel))
    }

    /// # Safety
    ///
    /// As for `error_detected`.
    unsafe extern "C" fn mmio_enabled(_: *mut bindings::pci_dev) -> bindings::pci_ers_result_t {
        // Nothing is to be found out from the device's registers: `resume` follows.
        answer(ErsResult::Recovered)
    }

    /// # Safety
    ///
    /// As for `error_detected`.
    unsafe extern "C" fn slot_reset(device: *mut bindings::pci_dev) -> bindings::pci_ers_result_t {
        // SAFETY: By the caller's promise.
        answer(T::slot_reset(&unsafe { locked(device) }))
    }

    /// # Safety
    ///
    /// As for `error_detected`.
    unsafe extern "C" fn resume(device: *mut bindings::pci_dev) {
        // SAFETY: By the caller's promise.
        T::resume(&unsafe { locked(device) });
    }

    /// # Safety
    ///
    /// To be called by the kernel in a reset of a device bound to this driver, for which it has
    /// taken `pci_dev_lock()`, as all that leads to `pci_dev_save_and_disable()` does, but for
    /// `pci_reset_function_locked()`, which drivers call for their own devices.
    unsafe extern "C" fn reset_prepare(device: *mut bindings::pci_dev) {
        // SAFETY: By the caller's promise.
        T::reset_prepare(&unsafe { exclusive(device) });
    }

    /// # Safety
    ///
    /// As for `reset_prepare`.
    unsafe extern "C" fn reset_done(device: *mut bindings::pci_dev) {
        // SAFETY: By the caller's promise.
        T::reset_done(&unsafe { exclusive(device) });
    }
}

/// # Safety
///
/// `device` must be valid and its lock held, for as long as the result lives.
unsafe fn locked<'a>(device: *mut bindings::pci_dev) -> Locked<'a> {
    // SAFETY: By the caller's promise. CAST: `pci::Device` is a transparent wrapper.
    unsafe { Locked::assume(&*device.cast::<pci::Device>()) }
}

/// # Safety
///
/// As for `locked`, and user space's accesses to the configuration space must wait.
unsafe fn exclusive<'a>(device: *mut bindings::pci_dev) -> CfgLocked<'a> {
    // SAFETY: By the caller's promise. CAST: As in `locked`.
    unsafe { CfgLocked::assume(&*device.cast::<pci::Device>()) }
}

/// Returns the kernel's number of an answer.
fn answer(answer: ErsResult) -> bindings::pci_ers_result_t {
    match answer {
        ErsResult::CanRecover => bindings::pci_ers_result_PCI_ERS_RESULT_CAN_RECOVER,
        ErsResult::NeedReset => bindings::pci_ers_result_PCI_ERS_RESULT_NEED_RESET,
        ErsResult::Recovered => bindings::pci_ers_result_PCI_ERS_RESULT_RECOVERED,
        ErsResult::Disconnect => bindings::pci_ers_result_PCI_ERS_RESULT_DISCONNECT,
    }
}

// SAFETY:
// - `bindings::pci_driver` is `repr(C)` and embeds a `struct device_driver` at the given offset.
// - `T::Data` is what the kernel's adapter, to which registration is delegated, stores.
unsafe impl<T: StubDriver + Attributes> driver::DriverLayout for Adapter<T> {
    type DriverType = bindings::pci_driver;
    type DriverData<'bound> = T::Data<'bound>;
    const DEVICE_DRIVER_OFFSET: usize =
        <pci::Adapter<T> as driver::DriverLayout>::DEVICE_DRIVER_OFFSET;
}

// SAFETY: `unregister` undoes a successful `register`, as the kernel's adapter guarantees.
unsafe impl<T: StubDriver + Attributes> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        driver: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: The driver isn't registered yet, so its fields may be set. The groups are static
        // and valid; the kernel doesn't write to them (the C type is not const by history).
        unsafe {
            (*driver.get()).groups = T::DRIVER_GROUPS.as_ptr();
            (*driver.get()).dev_groups = T::DEVICE_GROUPS.as_ptr();
            // The guest's DMA is not the kernel's business: keep the IOMMU's default domain out.
            (*driver.get()).driver_managed_dma = true;
            (*driver.get()).err_handler = const { &Self::ERROR_HANDLERS };
            (*driver.get()).driver.probe_type = bindings::probe_type_PROBE_FORCE_SYNCHRONOUS;
        }
        fault::point("__pci_register_driver")?;
        // SAFETY: The caller's promises are those that this function asks for.
        unsafe { <pci::Adapter<T> as driver::RegistrationOps>::register(driver, name, module) }?;
        // SAFETY: The driver core only looks at this number, when it is about to probe a device.
        unsafe {
            let probe_type = &raw mut (*driver.get()).driver.probe_type;
            probe_type.write_volatile(bindings::probe_type_PROBE_PREFER_ASYNCHRONOUS);
        }
        Ok(())
    }

    unsafe fn unregister(driver: &Opaque<Self::DriverType>) {
        // SAFETY: The caller's promises are those that this function asks for.
        unsafe { <pci::Adapter<T> as driver::RegistrationOps>::unregister(driver) }
    }
}
