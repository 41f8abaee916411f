// SPDX-License-Identifier: GPL-2.0

//! Being asked before the system sleeps.
//!
//! C header: [`include/linux/suspend.h`](srctree/include/linux/suspend.h)

use core::{marker::PhantomData, ptr::addr_of_mut};
use kernel::{bindings, error::to_result, ffi, prelude::*, types::Opaque};

/// `NOTIFY_STOP_MASK` (include/linux/notifier.h).
const STOP: ffi::c_int = bindings::NOTIFY_STOP_MASK as ffi::c_int;

/// Who is asked.
pub(crate) trait Listener {
    /// The system is about to be suspended or hibernated. Processes still run.
    ///
    /// # Errors
    ///
    /// Any error keeps the system awake, and is what user space gets.
    fn about_to_sleep() -> Result;
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
    /// Registers the listener.
    ///
    /// # Errors
    ///
    /// - The errno of `register_pm_notifier()`; none is known.
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
                to_result(unsafe { bindings::register_pm_notifier(slot) })
            }),
            _listener: PhantomData,
        })
    }

    /// # Safety
    ///
    /// To be called by the notifier chain of power management.
    unsafe extern "C" fn callback(
        _block: *mut bindings::notifier_block,
        action: ffi::c_ulong,
        _data: *mut ffi::c_void,
    ) -> ffi::c_int {
        match u32::try_from(action) {
            Ok(bindings::PM_SUSPEND_PREPARE | bindings::PM_HIBERNATION_PREPARE) => {
                match T::about_to_sleep() {
                    Ok(()) => bindings::NOTIFY_OK as ffi::c_int,
                    // As notifier_from_errno() does, an inline function.
                    Err(error) => STOP | (bindings::NOTIFY_OK as ffi::c_int - error.to_errno()),
                }
            }
            _ => bindings::NOTIFY_DONE as ffi::c_int,
        }
    }
}

#[pinned_drop]
impl<T: Listener> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `new` registered the block. The only error is that it isn't registered.
        unsafe { bindings::unregister_pm_notifier(addr_of_mut!(*self.block.get())) };
    }
}
