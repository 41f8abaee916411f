// SPDX-License-Identifier: GPL-2.0

//! A read-only sysfs file of a device that shows one number.
//!
//! UPSTREAM(device-file): as for attributes.
//!
//! C header: [`include/linux/device.h`](srctree/include/linux/device.h)

use super::{
    fault,
    pci::Registered, //
};
use core::ffi::CStr;
use kernel::{
    bindings,
    container_of,
    error::to_result,
    ffi::c_char,
    pci,
    prelude::*,
    sync::aref::ARef,
    types::Opaque, //
};

/// A file in a device's sysfs directory that shows a decimal number; dropping it removes the file
/// and waits for readers under way.
///
/// The number is part of the file, so a read takes no lock and looks nothing up.
///
/// # Examples
///
/// ```ignore
/// let file = NumberFile::new(device, c"gsi", 17)?; // `cat gsi` says 17.
/// drop(file); // It is gone.
/// ```
pub(crate) struct NumberFile {
    inner: Pin<KBox<Inner>>,
    device: ARef<pci::Device>,
}

#[pin_data]
struct Inner {
    #[pin]
    attribute: Opaque<bindings::device_attribute>,
    number: u32,
}

// SAFETY: The attribute is only handed to the kernel, which serialises its use, and the number is
// never written after creation.
unsafe impl Send for NumberFile {}

// SAFETY: Nothing can be done through `&NumberFile`.
unsafe impl Sync for NumberFile {}

impl NumberFile {
    /// Creates the file `name` showing `number`.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    /// - `EEXIST`: the device has a file of that name.
    pub(crate) fn new(device: Registered<'_>, name: &'static CStr, number: u32) -> Result<Self> {
        #[cfg_attr(not(CONFIG_DEBUG_LOCK_ALLOC), allow(unused_mut))]
        let mut attribute = bindings::device_attribute {
            attr: super::attr::attribute(name, 0o444),
            __bindgen_anon_1: bindings::device_attribute__bindgen_ty_1 {
                show: Some(Self::show),
            },
            ..Default::default()
        };
        #[cfg(CONFIG_DEBUG_LOCK_ALLOC)]
        {
            // Lock debugging wants a static key, which an attribute on the heap hasn't.
            attribute.attr.key = kernel::static_lock_class!().as_ptr();
        }
        let inner = KBox::pin_init(
            pin_init!(Inner {
                attribute: Opaque::new(attribute),
                number,
            }),
            GFP_KERNEL,
        )?;
        fault::point("device_create_file")?;
        // SAFETY: The device is valid, it has its directory, and keeps it. The attribute is
        // initialised, pinned and lives until `drop` has removed the file.
        to_result(unsafe {
            bindings::device_create_file(
                super::pci::raw_dev(&device),
                inner.attribute.get().cast_const(),
            )
        })?;
        Ok(Self {
            inner,
            device: (&*device).into(),
        })
    }

    /// # Safety
    ///
    /// To be called by sysfs for the attribute of an [`Inner`]: `buffer` is a page.
    unsafe extern "C" fn show(
        _device: *mut bindings::device,
        attribute: *mut bindings::device_attribute,
        buffer: *mut c_char,
    ) -> isize {
        let attribute = attribute.cast::<Opaque<bindings::device_attribute>>();
        // SAFETY: `show` is only ever put into the attribute of an `Inner`, which lives until the
        // file is removed; removal waits for this call.
        let inner = unsafe { &*container_of!(attribute, Inner, attribute) };
        // SAFETY: sysfs passes a page-aligned buffer of one page, as `sysfs_emit()` demands, and
        // the format takes one `unsigned int`.
        let length = unsafe { bindings::sysfs_emit(buffer, c"%u\n".as_char_ptr(), inner.number) };
        // CAST: An `int` of at most PAGE_SIZE.
        length as isize
    }
}

impl Drop for NumberFile {
    fn drop(&mut self) {
        // SAFETY: `new` created the file for this device, which is kept valid by the reference.
        unsafe {
            bindings::device_remove_file(
                super::pci::raw_dev(&self.device),
                self.inner.attribute.get().cast_const(),
            )
        };
    }
}
