// SPDX-License-Identifier: GPL-2.0

//! The function behind privcmd's `IOCTL_PRIVCMD_PCIDEV_GET_GSI`.
//!
//! UPSTREAM(xen-bindings): include/xen/acpi.h is not in rust/bindings.
//!
//! C header: [`include/xen/acpi.h`](srctree/include/xen/acpi.h)

use super::{
    compat::get_gsi,
    pci_driver::{
        Adapter,
        Attributes,
        StubDriver, //
    }, //
};
use core::marker::PhantomData;
use kernel::{
    driver,
    ffi::c_int,
    prelude::*, //
};

/// Answers questions for a device's GSI.
pub(crate) trait GsiSource {
    /// Returns the GSI of the device with the packed address `sbdf` (Xen's form).
    ///
    /// Called under a read lock with preemption off: must not sleep.
    ///
    /// # Errors
    ///
    /// Any error is handed to the ioctl's caller.
    fn gsi(sbdf: u32) -> Result<u32>;
}

/// A registered [`GsiSource`]; dropping it unregisters.
///
/// # Examples
///
/// ```ignore
/// struct Source;
///
/// impl GsiSource for Source {
///     fn gsi(sbdf: u32) -> Result<u32> {
///         lookup(sbdf).ok_or(ENODEV)
///     }
/// }
///
/// let hook = GsiHook::<Source>::new(&driver);
/// ```
pub(crate) struct GsiHook<T: GsiSource>(PhantomData<T>);

impl<T: GsiSource> GsiHook<T> {
    /// Registers the source. The kernel has one place for such a function, and no owner of it. The
    /// driver named `pciback`, of which there can be one, may use it: so this takes the
    /// registration of a driver.
    pub(crate) fn new<D: StubDriver + Attributes>(_: &driver::Registration<Adapter<D>>) -> Self {
        // SAFETY: `callback` lives in this module, and `Drop` takes it back before the module goes:
        // the kernel replaces the pointer under a write lock, and calls it under the read lock.
        unsafe { get_gsi::set(Some(Self::callback)) };
        Self(PhantomData)
    }

    /// # Safety
    ///
    /// To be called by the kernel as the registered function, under its read lock.
    unsafe extern "C" fn callback(sbdf: u32) -> c_int {
        match T::gsi(sbdf) {
            Ok(gsi) => c_int::try_from(gsi).unwrap_or(EOVERFLOW.to_errno()),
            Err(error) => error.to_errno(),
        }
    }
}

impl<T: GsiSource> Drop for GsiHook<T> {
    fn drop(&mut self) {
        // SAFETY: See `new`. A null function makes the ioctl answer -EOPNOTSUPP.
        unsafe { get_gsi::set(None) };
    }
}
