// SPDX-License-Identifier: GPL-2.0

//! dom0's own interrupt of a GSI, and a handler that shares it with those of other drivers. Only
//! x86 has GSIs of devices, and counts who has an interrupt.
//!
//! UPSTREAM(irq-of-gsi): the kernel crate registers handlers for drivers that are bound to a
//! device, with the interrupt that the device has from its bus.
//!
//! C headers: [`include/linux/acpi.h`](srctree/include/linux/acpi.h),
//! [`include/linux/interrupt.h`](srctree/include/linux/interrupt.h)

use super::{
    compat::{
        irqreturn::{
            IRQ_HANDLED,
            IRQ_NONE, //
        },
        HAS_GSI, //
    },
    fault,
    pci::{
        raw,
        raw_dev, //
    },
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
    str::CString, //
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
    /// Registers the GSI that the device's pin reaches. The kernel gives it an interrupt, unless it
    /// has one. Sleeps.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: this machine's interrupts have no GSIs that are counted.
    /// - `EBUSY`: another driver says that the line signals in another way.
    /// - Any other errno of `acpi_register_gsi()`, such as `ENODEV` where there is no I/O APIC for
    ///   it.
    pub(crate) fn new(device: &pci::Device, gsi: Gsi) -> Result<Self> {
        if !HAS_GSI {
            return Err(ENODEV);
        }
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
            // INVARIANT: On x86 the kernel counts its users, and this is one.
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

/// `PCI_COMMAND_INTX_DISABLE` and `PCI_STATUS_INTERRUPT`, in a word of both registers
/// (include/uapi/linux/pci_regs.h).
const INTX_DISABLE: u32 = 0x400;
const INTERRUPT_STATUS: u32 = 0x8 << 16;

/// Reads Command and Status; all ones if the device doesn't answer, or isn't to be asked now. May
/// be called in interrupt context.
fn command_and_status(device: &pci::Device) -> u32 {
    let mut value = u32::MAX;
    // SAFETY: The device is valid. Who blocks accesses may begin to at any time: this one is as
    // good as one before that. Reading takes no lock, or one that is held with interrupts off. A
    // failed access leaves all ones.
    unsafe {
        if (*raw(device)).block_cfg_access() == 0 {
            bindings::pci_read_config_dword(
                raw(device),
                bindings::PCI_COMMAND as c_int,
                &mut value,
            );
        }
    }
    value
}

/// Returns `true` if the device pulls its interrupt line: an interrupt is pending, and its pin is
/// on. May be called in interrupt context. Devices older than PCI 2.3 don't tell.
pub(crate) fn pulls_intx(device: &pci::Device) -> bool {
    let value = command_and_status(device);
    value != u32::MAX && value & INTX_DISABLE == 0 && value & INTERRUPT_STATUS != 0
}

/// Turns a device's interrupt pin off, if an interrupt is pending; returns `true` if it is off
/// then. May be called in interrupt context. (Some devices have the bit, and go on.)
pub(crate) fn mask_pending_intx(device: &pci::Device) -> bool {
    // SAFETY: The device is valid. The lock that this takes is held with interrupts off.
    unsafe { bindings::pci_check_and_mask_intx(raw(device)) };
    let value = command_and_status(device);
    value != u32::MAX && value & INTX_DISABLE != 0
}

/// What is called at an interrupt.
pub(crate) trait IrqHandler: Send + Sync + 'static {
    /// There was an interrupt. Returns `true` if it may have been the device's.
    ///
    /// Called in interrupt context, by one processor at a time: it must not sleep, and takes only
    /// locks that are always taken with interrupts off.
    fn interrupt(&self) -> bool;
}

/// An interrupt with a handler that shares it; dropping it waits for calls under way. The fields
/// are dropped in this order.
///
/// # Examples
///
/// ```ignore
/// let irq = GsiIrq::new(device, gsi)?;
/// let shared = SharedIrq::new(irq, name, handler).map_err(|(_, error)| error)?;
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
/// `data` is the data of a handler of `irq`, and came from [`KBox::into_raw`].
struct Action<H: IrqHandler> {
    irq: c_uint,
    data: NonNull<Data<H>>,
}

/// What the kernel hands to the handler, and its name, which the kernel keeps.
struct Data<H> {
    handler: H,
    name: CString,
}

// SAFETY: It may be freed in any thread, and so may its handler.
unsafe impl<H: IrqHandler> Send for Action<H> {}

// SAFETY: As above.
unsafe impl<H: IrqHandler> Sync for Action<H> {}

impl<H: IrqHandler> SharedIrq<H> {
    /// Adds a handler to those of the interrupt, by a name for /proc/interrupts. Sleeps.
    ///
    /// # Errors
    ///
    /// Each with the interrupt as it was:
    ///
    /// - `ENOMEM`: no memory.
    /// - `EBUSY`: another driver doesn't share it.
    /// - Any other errno of `request_threaded_irq()`.
    pub(crate) fn new(irq: GsiIrq, name: CString, handler: H) -> Result<Self, (GsiIrq, Error)> {
        match Action::new(&irq, Data { handler, name }) {
            Ok(action) => Ok(Self {
                _action: action,
                irq,
            }),
            Err(error) => Err((irq, error)),
        }
    }

    /// Takes the handler away; returns the interrupt. Waits for calls under way. What still pulls
    /// the line is nobody's from then on.
    pub(crate) fn free(self) -> GsiIrq {
        self.irq
    }
}

impl<H: IrqHandler> Action<H> {
    /// It must not outlive the [`GsiIrq`].
    fn new(irq: &GsiIrq, data: Data<H>) -> Result<Self> {
        // As `request_irq()`, with lines that others keep masked, or awake in a suspend, too.
        let flags =
            bindings::IRQF_SHARED | bindings::IRQF_COND_ONESHOT | bindings::IRQF_COND_SUSPEND;
        let irq = irq.irq;
        fault::point("request_irq")?;
        let data = KBox::into_raw(KBox::new(data, GFP_KERNEL)?);
        // SAFETY: It was just made, and nobody else has it.
        let name = unsafe { (*data).name.as_char_ptr() };
        // CAST: The flags are a small number.
        // SAFETY: The interrupt is valid by the caller's promise. The data is what the handler
        // takes; it and the name in it live until the handler is freed.
        let result = to_result(unsafe {
            bindings::request_threaded_irq(
                irq,
                Some(Self::handle),
                None,
                flags as c_ulong,
                name,
                data.cast(),
            )
        });
        match (result, NonNull::new(data)) {
            // INVARIANT: It was just added.
            (Ok(()), Some(data)) => Ok(Self { irq, data }),
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
        if data.handler.interrupt() {
            IRQ_HANDLED
        } else {
            IRQ_NONE
        }
    }
}

impl<H: IrqHandler> Drop for Action<H> {
    fn drop(&mut self) {
        let data = self.data.as_ptr();
        // SAFETY: By the type invariant. This waits for calls under way.
        unsafe { bindings::free_irq(self.irq, data.cast()) };
        // SAFETY: By the type invariant, and nobody has it any more.
        drop(unsafe { KBox::from_raw(data) });
    }
}
