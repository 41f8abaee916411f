// SPDX-License-Identifier: GPL-2.0

//! An event channel between a backend and its frontend.
//!
//! C header: [`include/xen/events.h`](srctree/include/xen/events.h)

use super::{
    device::{
        DeviceRef,
        XenbusDevice, //
    },
    raw, //
};
use crate::kapi::{
    compat::irqreturn::IRQ_HANDLED,
    fault, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    ffi::{
        c_int,
        c_uint,
        c_void, //
    },
    prelude::*, //
};

/// What is called when the other end notifies.
pub(crate) trait EventHandler: Send + Sync + 'static {
    /// The other end has notified. Until [`EventChannel::eoi`] is called, there is no further call.
    ///
    /// Called in interrupt context: it must not sleep.
    fn event(&self);
}

/// A bound event channel; dropping it unbinds it, and waits for calls under way.
///
/// # Examples
///
/// ```ignore
/// let channel = EventChannel::bind(&device, port, handler)?;
/// // In what the handler has scheduled:
/// channel.notify();
/// channel.eoi(false);
/// ```
///
/// # Invariants
///
/// `irq` is bound with `handler` as its data, which came from [`KBox::into_raw`].
pub(crate) struct EventChannel<H: EventHandler> {
    irq: c_uint,
    handler: NonNull<H>,
    /// What the kernel counts events of.
    _device: DeviceRef,
}

// SAFETY: It may be used and unbound in any thread, and so may its handler.
unsafe impl<H: EventHandler> Send for EventChannel<H> {}

// SAFETY: As above.
unsafe impl<H: EventHandler> Sync for EventChannel<H> {}

impl<H: EventHandler> EventChannel<H> {
    /// Binds the port that the other end has published. Sleeps.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    /// - Xen's errno: `EINVAL` for a port that the other end hasn't.
    pub(crate) fn bind(device: &XenbusDevice, port: u32, handler: H) -> Result<Self> {
        fault::point("bind_interdomain_evtchn_to_irqhandler_lateeoi")?;
        let device = device.reference();
        let handler = KBox::into_raw(KBox::new(handler, GFP_KERNEL)?);
        // SAFETY: The device is valid, and the result keeps it. The name is static. The handler is
        // `H`'s, and lives until the channel is unbound.
        let irq = unsafe {
            raw::bind_interdomain_evtchn_to_irqhandler_lateeoi(
                device.as_ptr(),
                port,
                Some(Self::handle),
                0,
                c"rust_pciback".as_char_ptr(),
                handler.cast(),
            )
        };
        let bound = c_uint::try_from(irq).ok().zip(NonNull::new(handler));
        match bound {
            // INVARIANT: It was just bound.
            Some((irq, handler)) => Ok(Self {
                irq,
                handler,
                _device: device,
            }),
            None => {
                // SAFETY: It came from `into_raw`, and wasn't bound.
                drop(unsafe { KBox::from_raw(handler) });
                Err(Error::from_errno(irq))
            }
        }
    }

    /// Notifies the other end.
    pub(crate) fn notify(&self) {
        // CAST: It was one.
        // SAFETY: By the type invariant the interrupt is bound.
        unsafe { raw::notify_remote_via_irq(self.irq as c_int) };
    }

    /// Allows the next event. One that came without anything to do is `spurious`: where there are
    /// many of them, the kernel delays the next (XSA-332).
    pub(crate) fn eoi(&self, spurious: bool) {
        // SAFETY: By the type invariant the interrupt is bound.
        unsafe { raw::xen_irq_lateeoi(self.irq, u32::from(spurious)) };
    }

    /// # Safety
    ///
    /// To be called by the kernel for a bound channel, with its handler.
    unsafe extern "C" fn handle(_: c_int, handler: *mut c_void) -> bindings::irqreturn_t {
        // SAFETY: By the caller's promise; the handler lives until calls have been waited for.
        unsafe { &*handler.cast::<H>() }.event();
        IRQ_HANDLED
    }
}

impl<H: EventHandler> Drop for EventChannel<H> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. This waits for calls under way.
        unsafe { raw::unbind_from_irqhandler(self.irq, self.handler.as_ptr().cast()) };
        // SAFETY: By the type invariant, and nobody has it any more.
        drop(unsafe { KBox::from_raw(self.handler.as_ptr()) });
    }
}
