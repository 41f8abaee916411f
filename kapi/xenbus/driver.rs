// SPDX-License-Identifier: GPL-2.0

//! The registration of a backend, and the callbacks that xenbus makes.

use super::{device::XenbusDevice, raw};
use crate::kapi::fault;
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{
    bindings, container_of,
    error::to_result,
    ffi::{c_char, c_int, c_uint},
    prelude::*,
    sync::Arc,
    types::Opaque,
};

/// The driver's side of a device on xenbus.
///
/// All methods are called by the one thread that handles the events of all devices on xenbus, or
/// keep it waiting. So they must not wait for anything slow.
pub(crate) trait Backend: Send + Sync + Sized + 'static {
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

    /// Something in the device's own directory changed, or it just appeared. Changes that come
    /// while one is waiting for its call are reported by that.
    fn changed(self: &Arc<Self>);

    /// The other end's state changed.
    fn other_end_changed(self: &Arc<Self>);

    /// The device goes. None of the others is called any more.
    fn removed(self: &Arc<Self>);
}

/// A backend with the watch of its own directory; the driver data of its device.
#[pin_data]
struct Bound<T> {
    #[pin]
    watch: Opaque<raw::Watch>,
    backend: Arc<T>,
}

impl<T: Backend> Bound<T> {
    /// Makes one whose watch is not yet registered.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    ///
    /// # Safety
    ///
    /// `device` must be a valid `struct xenbus_device`.
    unsafe fn new(device: NonNull<raw::Device>, backend: &Arc<T>) -> Result<Pin<KBox<Self>>> {
        KBox::pin_init(
            pin_init!(Self {
                watch <- Opaque::ffi_init(|slot: *mut raw::Watch| {
                    // SAFETY: `slot` is valid for writes, and so is the device by the caller's
                    // promise. All bytes zero is a watch that is not registered.
                    unsafe {
                        slot.write_bytes(0, 1);
                        (*slot).node = (*device.as_ptr()).nodename;
                        (*slot).will_handle = Some(Self::is_first);
                        (*slot).callback = Some(Self::changed);
                    }
                }),
                backend: backend.clone(),
            }),
            GFP_KERNEL,
        )
    }

    /// Registers the watch.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: xenstored has a watch of the same name.
    /// - xenstored's errno.
    ///
    /// # Safety
    ///
    /// When this has succeeded the watch must be unregistered before `self` is dropped, and before
    /// the device goes, whose name is its path.
    unsafe fn register(self: &Pin<KBox<Self>>) -> Result {
        fault::point("register_xenbus_watch")?;
        // SAFETY: The watch is pinned, and by the caller's promise both live long enough.
        to_result(unsafe { raw::register_xenbus_watch(self.watch.get()) })
    }

    /// Tells whether no event is waiting yet: the queue of events cannot be made to grow.
    ///
    /// # Safety
    ///
    /// To be called by xenbus for a registered watch, under its lock.
    unsafe extern "C" fn is_first(
        watch: *mut raw::Watch,
        _path: *const c_char,
        _token: *const c_char,
    ) -> bool {
        // SAFETY: By the caller's promise.
        unsafe { (*watch).nr_pending == 0 }
    }

    /// # Safety
    ///
    /// To be called by xenbus for the watch of a `Bound`.
    unsafe extern "C" fn changed(
        watch: *mut raw::Watch,
        _path: *const c_char,
        _token: *const c_char,
    ) {
        let watch = watch.cast::<Opaque<raw::Watch>>();
        // SAFETY: The watch is that of a `Bound`, which lives until the watch is unregistered, for
        // which calls under way are waited for.
        let bound = unsafe { &*container_of!(watch, Self, watch) };
        bound.backend.changed();
    }
}

/// A registered backend; dropping it unregisters.
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T: Backend> {
    #[pin]
    driver: Opaque<raw::Driver>,
    _backend: PhantomData<T>,
}

// SAFETY: Nothing can be done through `&Registration`.
unsafe impl<T: Backend> Sync for Registration<T> {}

// SAFETY: Drivers may be unregistered from any thread.
unsafe impl<T: Backend> Send for Registration<T> {}

impl<T: Backend> Registration<T> {
    /// The kinds of devices served: one, and the end of the list.
    const IDS: [raw::DeviceId; 2] = [
        raw::DeviceId {
            devicetype: name(T::TYPE),
        },
        raw::DeviceId {
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
            driver <- Opaque::try_ffi_init(move |slot: *mut raw::Driver| {
                let driver = raw::Driver {
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
    unsafe extern "C" fn probe(device: *mut raw::Device, _id: *const raw::DeviceId) -> c_int {
        // SAFETY: By the caller's promise.
        match unsafe { Self::try_probe(device) } {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// As for `probe`.
    unsafe fn try_probe(device: *mut raw::Device) -> Result {
        let device = NonNull::new(device).ok_or(EINVAL)?;
        // SAFETY: By the caller's promise.
        let backend = T::probe(unsafe { XenbusDevice::new(device) }?)?;
        // SAFETY: By the caller's promise; `remove` unregisters the watch, then drops the box.
        let bound = unsafe { Self::watch(device, &backend) }.inspect_err(|_| backend.removed())?;
        // SAFETY: The data of a device belongs to its driver, which this is. `remove` takes the
        // box back; until then it is not moved.
        unsafe {
            let bound = KBox::into_raw(Pin::into_inner_unchecked(bound));
            (*device.as_ptr()).dev.driver_data = bound.cast();
        }
        backend.changed();
        Ok(())
    }

    /// Watches the device's own directory.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    /// - xenstored's errno.
    ///
    /// # Safety
    ///
    /// As for `probe`. The watch must be unregistered before the box is dropped or the device goes.
    unsafe fn watch(device: NonNull<raw::Device>, backend: &Arc<T>) -> Result<Pin<KBox<Bound<T>>>> {
        let attempt = || {
            // SAFETY: By the caller's promise.
            let bound = unsafe { Bound::new(device, backend) }?;
            // SAFETY: The same.
            let result = unsafe { bound.register() };
            Ok::<_, Error>((bound, result))
        };
        let (bound, result) = attempt()?;
        match result {
            Ok(()) => Ok(bound),
            // A watch has its address for a name. xenstored may still have one of that name: xenbus
            // couldn't take it back for want of memory when another device went. As long as this one
            // is there, the next has another address.
            Err(EEXIST) => {
                let (other, result) = attempt()?;
                result.map(|()| other)
            }
            Err(error) => Err(error),
        }
    }

    /// # Safety
    ///
    /// To be called by xenbus for a device bound to this driver.
    unsafe extern "C" fn other_end_changed(device: *mut raw::Device, _state: c_uint) {
        // SAFETY: By the caller's promise; the watch for this is registered after `probe` and
        // removed before `remove`, so the data is a `Bound`.
        let bound = unsafe { &*(*device).dev.driver_data.cast::<Bound<T>>() };
        bound.backend.other_end_changed();
    }

    /// # Safety
    ///
    /// To be called by xenbus when a device is unbound from this driver.
    unsafe extern "C" fn remove(device: *mut raw::Device) {
        // SAFETY: By the caller's promise; `probe` has put the box there. It stays pinned until it
        // is dropped.
        let bound = unsafe {
            let data = core::mem::replace(&mut (*device).dev.driver_data, core::ptr::null_mut());
            Pin::new_unchecked(KBox::from_raw(data.cast::<Bound<T>>()))
        };
        // SAFETY: `probe` registered the watch; this waits for calls under way.
        unsafe { raw::unregister_xenbus_watch(bound.watch.get()) };
        bound.backend.removed();
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
impl<T: Backend> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `new` registered the driver.
        unsafe { raw::xenbus_unregister_driver(self.driver.get()) };
    }
}
