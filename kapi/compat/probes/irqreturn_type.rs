// SPDX-License-Identifier: GPL-2.0

//! Builds where `irqreturn_t` is a type of its own (Linux 7.3).

use kernel::bindings;

pub const PROBE: bindings::irqreturn_t = bindings::irqreturn::IRQ_HANDLED;
