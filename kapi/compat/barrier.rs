// SPDX-License-Identifier: GPL-2.0

//! Barriers between processors.

/// What was written before it, other processors see before what is written after it.
#[cfg(pciback_barrier_orderings)]
#[inline]
pub(in crate::kapi) fn smp_wmb() {
    kernel::sync::barrier::smp_mb(kernel::sync::barrier::Write);
}

/// What was written before it, other processors see before what is written after it.
#[cfg(not(pciback_barrier_orderings))]
pub(in crate::kapi) use kernel::sync::barrier::smp_wmb;
