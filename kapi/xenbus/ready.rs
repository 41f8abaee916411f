// SPDX-License-Identifier: GPL-2.0

//! A notifier for the start of xenstored.
//!
//! dom0 starts it long after modules can be loaded. Whoever talks to it before waits until then.

use crate::kapi::notifier::{
    Chain,
    NotifierRegistration, //
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*, //
};

extern "C" {
    // include/xen/xenbus.h
    fn register_xenstore_notifier(block: *mut bindings::notifier_block) -> c_int;
    fn unregister_xenstore_notifier(block: *mut bindings::notifier_block);
}

/// What is called.
pub(crate) trait XenstoreListener {
    /// xenstored answers from now on.
    fn ready();
}

/// A registered [`XenstoreListener`], called at once if xenstored is there already. Dropping it
/// unregisters and waits for calls under way.
///
/// # Examples
///
/// ```ignore
/// struct Listener;
///
/// impl XenstoreListener for Listener {
///     fn ready() {
///         pr_info!("xenstored answers\n");
///     }
/// }
///
/// stack_pin_init!(let registration = XenstoreRegistration::<Listener>::new());
/// ```
pub(crate) type XenstoreRegistration<T> = NotifierRegistration<Xenstore<T>>;

/// The chain of xenstore.
pub(crate) struct Xenstore<T: XenstoreListener>(PhantomData<T>);

// SAFETY: `unregister` undoes `register`, and waits, as the chain is a blocking one. A block that
// was called at once isn't on the chain, and then nothing is undone.
unsafe impl<T: XenstoreListener> Chain for Xenstore<T> {
    unsafe fn register(block: *mut bindings::notifier_block) -> c_int {
        // SAFETY: By the caller's promise. (The result may be that of the call.)
        unsafe { register_xenstore_notifier(block) }.min(0)
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // SAFETY: By the caller's promise.
        unsafe { unregister_xenstore_notifier(block) };
    }

    unsafe fn called(_: u32, _: *mut c_void) -> Option<Result> {
        T::ready();
        Some(Ok(()))
    }
}
