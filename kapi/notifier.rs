// SPDX-License-Identifier: GPL-2.0

//! Notifier blocks: being called by one of the kernel's chains.
//!
//! C header: [`include/linux/notifier.h`](srctree/include/linux/notifier.h)

use super::fault;
use core::{marker::PhantomData, ptr::addr_of_mut};
use kernel::{bindings, error::to_result, ffi, prelude::*, types::Opaque};

/// `NOTIFY_STOP_MASK`: the rest of the chain is not called.
const STOP: ffi::c_int = bindings::NOTIFY_STOP_MASK as ffi::c_int;
const DONE: ffi::c_int = bindings::NOTIFY_DONE as ffi::c_int;
const OK: ffi::c_int = bindings::NOTIFY_OK as ffi::c_int;

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
    unsafe fn register(block: *mut bindings::notifier_block) -> ffi::c_int;

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
    /// Any error ends the chain, and is returned to whoever set it off, where that chain can.
    ///
    /// # Safety
    ///
    /// To be called by the chain, with its action and data.
    unsafe fn called(action: u32, data: *mut ffi::c_void) -> Option<Result>;
}

/// A block on a chain; dropping it takes it off and waits for calls under way.
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<C: Chain> {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    _chain: PhantomData<C>,
}

// SAFETY: Nothing can be done through `&Registration`.
unsafe impl<C: Chain> Sync for Registration<C> {}

// SAFETY: Notifiers may be unregistered from any thread.
unsafe impl<C: Chain> Send for Registration<C> {}

impl<C: Chain> Registration<C> {
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
        action: ffi::c_ulong,
        data: *mut ffi::c_void,
    ) -> ffi::c_int {
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
impl<C: Chain> PinnedDrop for Registration<C> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `new` put the block on the chain.
        unsafe { C::unregister(addr_of_mut!(*self.block.get())) };
    }
}
