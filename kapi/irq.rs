// SPDX-License-Identifier: GPL-2.0

//! dom0's own interrupt of a GSI, and a handler that shares it with those of other drivers.
//!
//! UPSTREAM(irq-of-gsi): the kernel crate registers handlers for drivers that are bound to a
//! device, with the interrupt that the device has from its bus.
//!
//! C headers: [`include/linux/acpi.h`](srctree/include/linux/acpi.h),
//! [`include/linux/interrupt.h`](srctree/include/linux/interrupt.h)

use super::{
    compat::irqreturn::{
        IRQ_HANDLED,
        IRQ_NONE, //
    },
    fault,
    pci::raw_dev, //
};
use crate::pure::intx::Gsi;
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::to_result,
    ffi::{
        c_int,
        c_uint,
        c_ulong,
        c_void, //
    },
    pci,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// `ACPI_LEVEL_SENSITIVE`, `ACPI_EDGE_SENSITIVE`, `ACPI_ACTIVE_HIGH` and `ACPI_ACTIVE_LOW`
/// (include/acpi/acrestyp.h).
const LEVEL_SENSITIVE: c_int = 0;
const EDGE_SENSITIVE: c_int = 1;
const ACTIVE_HIGH: c_int = 0;
const ACTIVE_LOW: c_int = 1;

/// dom0's interrupt of a GSI; dropping it gives it back.
///
/// # Invariants
///
/// `irq` is the interrupt of `gsi`, and stays so for as long as this lives.
pub(crate) struct GsiIrq {
    gsi: u32,
    irq: c_uint,
}

impl GsiIrq {
    /// Has the kernel give the GSI, which the device's pin reaches, an interrupt; or takes the one
    /// that it has. Sleeps.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: another driver says that the line signals in another way.
    /// - Any other errno of `acpi_register_gsi()`, such as `ENODEV` where there is no I/O APIC for
    ///   it.
    pub(crate) fn new(device: &pci::Device, gsi: Gsi) -> Result<Self> {
        fault::point("acpi_register_gsi")?;
        let trigger = if gsi.signalling.edge_triggered {
            EDGE_SENSITIVE
        } else {
            LEVEL_SENSITIVE
        };
        let polarity = if gsi.signalling.active_high {
            ACTIVE_HIGH
        } else {
            ACTIVE_LOW
        };
        // SAFETY: The device is valid.
        let irq =
            unsafe { bindings::acpi_register_gsi(raw_dev(device), gsi.number, trigger, polarity) };
        match c_uint::try_from(irq) {
            Ok(0) => Err(ENODEV),
            // INVARIANT: The kernel counts its users, and this is one.
            Ok(irq) => Ok(Self {
                gsi: gsi.number,
                irq,
            }),
            Err(_) => Err(Error::from_errno(irq)),
        }
    }

    /// Returns `true` if there is a handler, of whatever driver.
    pub(crate) fn has_handler(&self) -> bool {
        // SAFETY: It may be called with any number.
        unsafe { bindings::irq_has_action(self.irq) }
    }
}

impl Drop for GsiIrq {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it was registered, and nobody has a handler by this.
        unsafe { bindings::acpi_unregister_gsi(self.gsi) };
    }
}

/// What a handler says of an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// It wasn't its device's.
    Foreign,
    /// It may have been.
    Handled,
    /// It may have been, and no other is to come before [`SharedIrq::free`], which is on its way:
    /// the interrupt is masked.
    TooMany,
}

/// What is called at an interrupt.
pub(crate) trait IrqHandler: Send + Sync + 'static {
    /// There was an interrupt. After [`Interrupt::TooMany`] it never says that again.
    ///
    /// Called in interrupt context, by one processor at a time: it must not sleep, and takes no
    /// lock that is taken elsewhere.
    fn interrupt(&self) -> Interrupt;
}

/// An interrupt with a handler that shares it; dropping it waits for calls under way. The fields
/// are dropped in this order.
///
/// # Examples
///
/// ```ignore
/// let irq = GsiIrq::new(device, gsi)?;
/// let shared = SharedIrq::new(irq, c"rust_pciback", handler).map_err(|(_, error)| error)?;
/// let irq = shared.free();
/// ```
pub(crate) struct SharedIrq<H: IrqHandler> {
    _action: Action<H>,
    irq: GsiIrq,
}

/// A handler of an interrupt; dropping it frees both.
///
/// # Invariants
///
/// `data` is the data of a handler of the interrupt, and came from [`KBox::into_raw`].
struct Action<H: IrqHandler> {
    data: NonNull<Data<H>>,
}

/// What the kernel hands to the handler.
struct Data<H> {
    irq: c_uint,
    /// The interrupt is masked because of it.
    masked: Atomic<bool>,
    handler: H,
}

// SAFETY: It may be freed in any thread, and so may its handler.
unsafe impl<H: IrqHandler> Send for Action<H> {}

// SAFETY: As above.
unsafe impl<H: IrqHandler> Sync for Action<H> {}

impl<H: IrqHandler> SharedIrq<H> {
    /// Adds a handler to those of the interrupt. Sleeps.
    ///
    /// # Errors
    ///
    /// Each with the interrupt as it was:
    ///
    /// - `ENOMEM`: no memory.
    /// - `EBUSY`: another driver doesn't share it.
    /// - Any other errno of `request_threaded_irq()`.
    pub(crate) fn new(
        irq: GsiIrq,
        name: &'static CStr,
        handler: H,
    ) -> Result<Self, (GsiIrq, Error)> {
        match Action::new(irq.irq, name, handler) {
            Ok(action) => Ok(Self {
                _action: action,
                irq,
            }),
            Err(error) => Err((irq, error)),
        }
    }

    /// Takes the handler away; returns the interrupt. Waits for calls under way.
    pub(crate) fn free(self) -> GsiIrq {
        self.irq
    }
}

impl<H: IrqHandler> Action<H> {
    /// The interrupt must be that of a [`GsiIrq`] that lives longer.
    fn new(irq: c_uint, name: &'static CStr, handler: H) -> Result<Self> {
        fault::point("request_irq")?;
        let data = Data {
            irq,
            masked: Atomic::new(false),
            handler,
        };
        let data = KBox::into_raw(KBox::new(data, GFP_KERNEL)?);
        // CAST: The flag is a small number.
        // SAFETY: The interrupt is valid by the caller's promise. The name is static. The data is
        // what the handler takes, and lives until that is freed.
        let result = to_result(unsafe {
            bindings::request_threaded_irq(
                irq,
                Some(Self::handle),
                None,
                bindings::IRQF_SHARED as c_ulong,
                name.as_char_ptr(),
                data.cast(),
            )
        });
        match (result, NonNull::new(data)) {
            // INVARIANT: It was just added.
            (Ok(()), Some(data)) => Ok(Self { data }),
            (result, _) => {
                // SAFETY: It came from `into_raw`, and wasn't added.
                drop(unsafe { KBox::from_raw(data) });
                Err(result.err().unwrap_or(ENOMEM))
            }
        }
    }

    /// # Safety
    ///
    /// To be called by the kernel for an interrupt, with its data.
    unsafe extern "C" fn handle(_: c_int, data: *mut c_void) -> bindings::irqreturn_t {
        // SAFETY: By the caller's promise; the data lives until calls have been waited for.
        let data = unsafe { &*data.cast::<Data<H>>() };
        match data.handler.interrupt() {
            Interrupt::Foreign => return IRQ_NONE,
            Interrupt::Handled => {}
            Interrupt::TooMany => {
                if !data.masked.xchg(true, Relaxed) {
                    // SAFETY: It may be called in a handler, for its own interrupt.
                    unsafe { bindings::disable_irq_nosync(data.irq) };
                }
            }
        }
        IRQ_HANDLED
    }
}

impl<H: IrqHandler> Drop for Action<H> {
    fn drop(&mut self) {
        let data = self.data.as_ptr();
        // SAFETY: By the type invariant the data lives; nobody has it exclusively.
        let (irq, masked) = unsafe { ((*data).irq, &(*data).masked) };
        if masked.load(Relaxed) {
            // While it has a handler: this starts it.
            // SAFETY: It was disabled once.
            unsafe { bindings::enable_irq(irq) };
        }
        // SAFETY: By the type invariant. This waits for calls under way.
        unsafe { bindings::free_irq(irq, data.cast()) };
        // SAFETY: By the type invariant, and nobody has it any more.
        drop(unsafe { KBox::from_raw(data) });
    }
}
