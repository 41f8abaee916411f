// SPDX-License-Identifier: GPL-2.0

//! The place in the kernel for the function behind privcmd's `IOCTL_PRIVCMD_PCIDEV_GET_GSI`. GSIs
//! are x86's: other kernels of Xen have neither the place nor anything that would ask.
//!
//! C header: [`include/xen/acpi.h`](srctree/include/xen/acpi.h)

use kernel::ffi::c_int;

/// The kernel's type of that function, `get_gsi_from_sbdf_t`.
pub(in crate::kapi) type GetGsi = unsafe extern "C" fn(sbdf: u32) -> c_int;

/// Whether this machine's devices have GSIs.
pub(crate) const HAS_GSI: bool = cfg!(CONFIG_XEN_ACPI);

/// Puts the function there, or nothing.
///
/// # Safety
///
/// The function must stay callable until another, or nothing, was put there.
#[cfg(CONFIG_XEN_ACPI)]
pub(in crate::kapi) unsafe fn set(function: Option<GetGsi>) {
    extern "C" {
        // Not in the kernel crate's bindings; drivers/xen/acpi.c.
        fn xen_acpi_register_get_gsi_func(func: Option<GetGsi>);
    }
    // SAFETY: By the caller's promise. The kernel replaces the pointer under a write lock, and
    // calls it under the read lock.
    unsafe { xen_acpi_register_get_gsi_func(function) };
}

/// Does nothing: there is no such place.
///
/// # Safety
///
/// None to ask for, but that of the other.
#[cfg(not(CONFIG_XEN_ACPI))]
pub(in crate::kapi) unsafe fn set(_: Option<GetGsi>) {}
