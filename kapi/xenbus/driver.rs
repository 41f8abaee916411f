// SPDX-License-Identifier: GPL-2.0

//! The registration of a backend, and the callbacks that xenbus makes.

use super::{
    device::XenbusDevice,
    raw, //
};
use crate::kapi::fault;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::to_result,
    ffi::{
        c_int,
        c_uint, //
    },
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

/// The driver's side of a device on xenbus.
///
/// The thread that handles the events of all devices on xenbus calls all methods, or waits for
/// them. So they must not wait for anything slow.
pub(crate) trait BackendDriver: Send + Sync + Sized + 'static {
    /// The kind of device that is served.
    const TYPE: &'static str;

    /// The driver's name.
    const NAME: &'static CStr;

    /// A device appeared.
    ///
    /// # Errors
    ///
    /// Any error leaves the device without a driver.
    fn probe(device: XenbusDevice) -> Result<Arc<Self>>;

    /// The other end's state changed.
    fn other_end_changed(&self);

    /// The device goes, or the driver is unbound from it. The other method is not called any more.
    fn removed(&self);
}

/// A registered backend; dropping it unregisters.
///
/// # Examples
///
/// ```ignore
/// struct Guest(XenbusDevice);
///
/// impl BackendDriver for Guest {
///     const TYPE: &'static str = "pci";
///     const NAME: &'static CStr = c"pciback";
///
///     fn probe(device: XenbusDevice) -> Result<Arc<Self>> {
///         Ok(Arc::new(Self(device), GFP_KERNEL)?)
///     }
///
///     fn other_end_changed(&self) {}
///
///     fn removed(&self) {}
/// }
/// ```
#[pin_data(PinnedDrop)]
pub(crate) struct BackendRegistration<T: BackendDriver> {
    #[pin]
    driver: Opaque<raw::XenbusDriver>,
    _backend: PhantomData<T>,
}

// SAFETY: Nothing can be done through `&BackendRegistration`.
unsafe impl<T: BackendDriver> Sync for BackendRegistration<T> {}

// SAFETY: Drivers may be unregistered from any thread.
unsafe impl<T: BackendDriver> Send for BackendRegistration<T> {}

impl<T: BackendDriver> BackendRegistration<T> {
    /// The kinds of devices served: one, and the end of the list.
    const IDS: [raw::XenbusDeviceId; 2] = [
        raw::XenbusDeviceId {
            devicetype: name(T::TYPE),
        },
        raw::XenbusDeviceId {
            devicetype: [0; 32],
        },
    ];

    /// Registers the backend and probes the devices that are there.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: there is a driver of that name.
    /// - `ENOMEM`: no memory.
    pub(crate) fn new(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let owner = module.as_ptr();
        try_pin_init!(Self {
            driver <- Opaque::try_ffi_init(move |slot: *mut raw::XenbusDriver| {
                let driver = raw::XenbusDriver {
                    name: T::NAME.as_char_ptr(),
                    ids: const { &Self::IDS }.as_ptr(),
                    allow_rebind: false,
                    not_essential: false,
                    probe: Some(Self::probe),
                    otherend_changed: Some(Self::other_end_changed),
                    remove: Some(Self::remove),
                    suspend: None,
                    resume: None,
                    uevent: core::ptr::null(),
                    driver: bindings::device_driver::default(),
                    read_otherend_details: None,
                    is_ready: None,
                    reclaim_memory: None,
                };
                fault::point("__xenbus_register_backend")?;
                // SAFETY: `try_ffi_init` guarantees that `slot` is valid for a write.
                unsafe { slot.write(driver) };
                // SAFETY: The driver is initialised and pinned, and stays so until `drop`; its
                // name and list are static.
                to_result(unsafe {
                    raw::__xenbus_register_backend(slot, owner, c"rust_pciback".as_char_ptr())
                })
            }),
            _backend: PhantomData,
        })
    }

    /// # Safety
    ///
    /// To be called by xenbus for a device that it binds to this driver.
    unsafe extern "C" fn probe(
        device: *mut raw::XenbusDev,
        _id: *const raw::XenbusDeviceId,
    ) -> c_int {
        // SAFETY: By the caller's promise.
        match unsafe { Self::try_probe(device) } {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// As for `probe`.
    unsafe fn try_probe(device: *mut raw::XenbusDev) -> Result {
        let device = NonNull::new(device).ok_or(EINVAL)?;
        // SAFETY: By the caller's promise.
        let backend = T::probe(unsafe { XenbusDevice::new(device) }?)?;
        // SAFETY: The data of a device belongs to its driver, which this is. `remove` takes the
        // reference back.
        unsafe { (*device.as_ptr()).dev.driver_data = Arc::into_raw(backend).cast_mut().cast() };
        Ok(())
    }

    /// # Safety
    ///
    /// To be called by xenbus for a device bound to this driver.
    unsafe extern "C" fn other_end_changed(device: *mut raw::XenbusDev, _state: c_uint) {
        // SAFETY: By the caller's promise; the watch for this is registered after `probe` and
        // removed before `remove`, so the data is what `probe` put there.
        let backend = unsafe { &*(*device).dev.driver_data.cast::<T>() };
        backend.other_end_changed();
    }

    /// # Safety
    ///
    /// To be called by xenbus when a device is unbound from this driver.
    unsafe extern "C" fn remove(device: *mut raw::XenbusDev) {
        // SAFETY: By the caller's promise; `probe` has put the reference there.
        let backend = unsafe {
            let data = core::mem::replace(&mut (*device).dev.driver_data, core::ptr::null_mut());
            Arc::from_raw(data.cast::<T>().cast_const())
        };
        backend.removed();
    }
}

/// Puts a name into the array of a device ID.
const fn name(text: &str) -> [u8; 32] {
    let mut array = [0; 32];
    let bytes = text.as_bytes();
    assert!(bytes.len() < array.len());
    let mut at = 0;
    while at < bytes.len() {
        array[at] = bytes[at]; // Evaluated by the compiler only.
        at += 1;
    }
    array
}

#[pinned_drop]
impl<T: BackendDriver> PinnedDrop for BackendRegistration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `new` registered the driver.
        unsafe { raw::xenbus_unregister_driver(self.driver.get()) };
    }
}
