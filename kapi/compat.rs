// SPDX-License-Identifier: GPL-2.0

//! What is not the same on all kernels and machines that the driver is for: nothing else in it
//! asks which one it is built for.
//!
//! What a kernel offers is found out by `Kbuild` (`kapi/compat/probes`), which sets `--cfg` of
//! these names:
//!
//! - `pciback_barrier_orderings`: `smp_mb()` is told what it orders (7.3);
//! - `pciback_id_pointers`: IDs hold pointers to their data, and `probe` gets an `Option` (7.3);
//! - `pciback_irqreturn_type`: `irqreturn_t` is a type of its own, not a number (7.3);
//! - `pciback_untested`: the kernel is of a series, or for a machine, that the driver was not
//!   tested on.
//!
//! What a machine has is in the kernel's own configuration.

pub(super) mod barrier;
pub(crate) mod device_tree;
pub(super) mod get_gsi;
mod ids;
pub(super) mod irqreturn;
pub(super) mod physdev;

pub(crate) use self::{
    get_gsi::HAS_GSI,
    ids::{
        IdInfo,
        ANY_DEVICE, //
    }, //
};

use kernel::prelude::*;

/// Whether Xen's PCI passthrough is an option of its command line on this machine
/// (`pci-passthrough=on`; xen/arch/arm/pci/pci.c).
pub(crate) const PASSTHROUGH_CAN_BE_OFF: bool = cfg!(target_arch = "aarch64");

/// Says once, when the module is loaded, that nobody has tried it on such a kernel.
pub(crate) fn tell_if_untested() {
    if cfg!(pciback_untested) {
        pr_warn!(
            "untested on Linux {}: it builds, but nobody has run it there\n",
            option_env!("KERNELRELEASE").unwrap_or("of this version")
        );
    }
}
