// SPDX-License-Identifier: GPL-2.0

//! What a handler of interrupts returns.
//!
//! C header: [`include/linux/irqreturn.h`](srctree/include/linux/irqreturn.h)

use kernel::bindings;

/// The interrupt was of the handler's device.
#[cfg(pciback_irqreturn_type)]
pub(in crate::kapi) const IRQ_HANDLED: bindings::irqreturn_t = bindings::irqreturn::IRQ_HANDLED;

/// The interrupt was of the handler's device.
#[cfg(not(pciback_irqreturn_type))]
pub(in crate::kapi) const IRQ_HANDLED: bindings::irqreturn_t = bindings::irqreturn_IRQ_HANDLED;

/// It wasn't the handler's.
#[cfg(pciback_irqreturn_type)]
pub(in crate::kapi) const IRQ_NONE: bindings::irqreturn_t = bindings::irqreturn::IRQ_NONE;

/// It wasn't the handler's.
#[cfg(not(pciback_irqreturn_type))]
pub(in crate::kapi) const IRQ_NONE: bindings::irqreturn_t = bindings::irqreturn_IRQ_NONE;
