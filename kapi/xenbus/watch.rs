// SPDX-License-Identifier: GPL-2.0

//! Watches: callbacks for changes in xenstore.

use super::raw;
use crate::kapi::fault;
use core::marker::PhantomData;
use kernel::{
    bindings,
    container_of,
    error::to_result,
    ffi::c_char,
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Release, //
    },
    types::Opaque, //
};

/// What is called.
pub(crate) trait Watcher: 'static {
    /// The node or directory that is watched, with all that is in it. A relative path is below the
    /// domain's own directory.
    const PATH: &'static CStr;

    /// Something changed, or the watch was just registered. One call stands for all
    /// changes that came before it.
    ///
    /// Called by the one thread that handles all events of xenstore: it must not wait for anything
    /// slow.
    fn changed();
}

/// A registered watch; dropping it unregisters, and waits for calls under way.
///
/// # Examples
///
/// ```ignore
/// struct Devices;
///
/// impl Watcher for Devices {
///     const PATH: &'static CStr = c"backend/pci";
///
///     fn changed() {
///         schedule();
///     }
/// }
///
/// let watch = WatchRegistration::<Devices>::new()?;
/// ```
pub(crate) struct WatchRegistration<T: Watcher> {
    watch: Pin<KBox<Watch>>,
    _watcher: PhantomData<T>,
}

/// A watch, and whether it accepts events.
///
/// `register_xenbus_watch()` puts a watch on the kernel's list before xenstored has answered, and
/// takes it off when the answer is an error. An event that came in between would stay queued, and
/// be handled when the watch is gone. So a watch accepts no event before it is registered.
#[pin_data]
struct Watch {
    #[pin]
    raw: Opaque<raw::XenbusWatch>,
    armed: Atomic<bool>,
}

// SAFETY: The watch is only handed to xenbus, which serialises its use; the flag is atomic.
unsafe impl<T: Watcher> Send for WatchRegistration<T> {}

// SAFETY: Nothing can be done through `&WatchRegistration`.
unsafe impl<T: Watcher> Sync for WatchRegistration<T> {}

impl<T: Watcher> WatchRegistration<T> {
    /// Registers the watch.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    /// - xenstored's errno.
    pub(crate) fn new() -> Result<Self> {
        let first = Self::allocate()?;
        let watch = match Self::register(&first) {
            Ok(()) => first,
            // The name of a watch is its address. xenstored may still have one of that name, if the
            // kernel had no memory to take it back. While `first` exists, the next one has another
            // address.
            Err(EEXIST) => {
                let second = Self::allocate()?;
                Self::register(&second)?;
                second
            }
            Err(error) => return Err(error),
        };
        watch.armed.store(true, Release);
        // What changed before is looked at now.
        T::changed();
        Ok(Self {
            watch,
            _watcher: PhantomData,
        })
    }

    fn allocate() -> Result<Pin<KBox<Watch>>> {
        KBox::pin_init(
            pin_init!(Watch {
                raw <- Opaque::ffi_init(|slot: *mut raw::XenbusWatch| {
                    let watch = raw::XenbusWatch {
                        list: bindings::list_head::default(),
                        node: T::PATH.as_char_ptr(),
                        nr_pending: 0,
                        will_handle: Some(Self::will_handle),
                        callback: Some(Self::callback),
                    };
                    // SAFETY: `slot` is valid for a write.
                    unsafe { slot.write(watch) };
                }),
                armed: Atomic::new(false),
            }),
            GFP_KERNEL,
        )
    }

    fn register(watch: &Pin<KBox<Watch>>) -> Result {
        fault::point("register_xenbus_watch")?;
        // SAFETY: The watch is pinned. If this fails, the kernel keeps nothing of it: it is off the
        // list, and no event was queued, since it took none. If it succeeds, `drop` unregisters it.
        to_result(unsafe { raw::register_xenbus_watch(watch.raw.get()) })
    }

    /// # Safety
    ///
    /// To be called by xenbus for the watch of a [`Watch`], under the lock of its list of watches.
    unsafe extern "C" fn will_handle(
        watch: *mut raw::XenbusWatch,
        _path: *const c_char,
        _token: *const c_char,
    ) -> bool {
        // SAFETY: The watch is that of a `Watch`, which lives as long as it is on the list.
        let outer =
            unsafe { &*container_of!(watch.cast::<Opaque<raw::XenbusWatch>>(), Watch, raw) };
        // SAFETY: By the caller's promise; the lock is held that this is written under, at least
        // where it is increased. So one event waits at most, and the queue cannot be made to grow.
        let waits = unsafe { (&raw const (*watch).nr_pending).read_volatile() } > 0;
        !waits && outer.armed.load(Acquire)
    }

    /// # Safety
    ///
    /// To be called by xenbus for a registered watch.
    unsafe extern "C" fn callback(_: *mut raw::XenbusWatch, _: *const c_char, _: *const c_char) {
        T::changed();
    }
}

impl<T: Watcher> Drop for WatchRegistration<T> {
    fn drop(&mut self) {
        // SAFETY: `new` has registered the watch. This takes queued events back, and waits for the
        // call under way.
        unsafe { raw::unregister_xenbus_watch(self.watch.raw.get()) };
    }
}
