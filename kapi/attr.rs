// SPDX-License-Identifier: GPL-2.0

//! sysfs attributes of the driver and of the devices bound to it.
//!
//! An attribute is a type that implements one of the traits here; [`groups`] puts attributes into
//! the static tables that the driver core wants. The driver core creates the files with the driver
//! (or after `probe`) and removes them before the driver goes (before `unbind`), waiting for calls
//! under way: so they may be called at any time in between, and never later.
//!
//! UPSTREAM(attr-drvdata): `show` and `store` get no driver data.
//!
//! C header: [`include/linux/sysfs.h`](srctree/include/linux/sysfs.h)

mod groups;

pub(crate) use self::groups::{
    attribute_groups,
    Group,
    Groups,
    Pointers, //
};

use core::{
    ffi::CStr,
    fmt, //
};
use kernel::{
    bindings,
    container_of,
    ffi::c_char,
    page::PAGE_SIZE,
    pci,
    prelude::*, //
};

/// A driver attribute that is written.
///
/// # Examples
///
/// See [`attribute_groups!`].
pub(crate) trait DriverStore {
    /// The file's name.
    const NAME: &'static CStr;

    /// Takes what one `write()` brought, at most a page.
    ///
    /// # Errors
    ///
    /// Any error fails the `write()`; otherwise all of `text` counts as written.
    fn store(text: &[u8]) -> Result;
}

/// A readable driver attribute of any length.
pub(crate) trait LargeShow {
    /// The file's name.
    const NAME: &'static CStr;

    /// Fills `out` with the content that starts at byte `pos`; returns the bytes filled, 0 at the
    /// end. (A larger number counts as all of the room.)
    ///
    /// # Errors
    ///
    /// Any error fails the `read()`.
    fn read(pos: usize, out: &mut [u8]) -> Result<usize>;
}

/// A readable attribute of a bound device, at most a page long.
///
/// # Examples
///
/// ```ignore
/// struct Vendor;
///
/// impl DeviceShow for Vendor {
///     const NAME: &'static CStr = c"vendor";
///
///     fn show(device: &pci::Device, page: &mut Page<'_>) -> Result {
///         writeln!(page, "{:#06x}", device.vendor_id().as_raw()).map_err(|_| EMSGSIZE)
///     }
/// }
/// ```
pub(crate) trait DeviceShow {
    /// The file's name.
    const NAME: &'static CStr;

    /// Writes the file's content to `page`.
    ///
    /// # Errors
    ///
    /// Any error fails the `read()`.
    fn show(device: &pci::Device, page: &mut Page<'_>) -> Result;
}

/// The buffer of a `show`; text beyond its end is an error.
pub(crate) struct Page<'a> {
    room: &'a mut [u8],
    written: usize,
}

impl fmt::Write for Page<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.written.saturating_add(text.len());
        let room = self.room.get_mut(self.written..end).ok_or(fmt::Error)?;
        for (to, from) in room.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        self.written = end;
        Ok(())
    }
}

/// Returns what sysfs expects of a callback: a count, or a negative errno.
fn count_or_errno(result: Result<usize>) -> isize {
    match result {
        // CAST: At most the length of a buffer.
        Ok(count) => count as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// Returns how much of a buffer of this size was filled. If a `read` returned more, sysfs would
/// copy what is behind the buffer to user space.
const fn filled(said: usize, room: usize) -> usize {
    if said < room {
        said
    } else {
        room
    }
}

const _: () = {
    assert!(filled(0, 16) == 0 && filled(16, 16) == 16);
    assert!(filled(17, 16) == 16 && filled(usize::MAX, 16) == 16);
};

/// A `struct driver_attribute` for the type it was built from.
#[repr(transparent)]
pub(crate) struct DriverAttribute(bindings::driver_attribute);

// SAFETY: Never written after it was built.
unsafe impl Sync for DriverAttribute {}

impl DriverAttribute {
    /// Builds the attribute of a type, writable by root only.
    pub(crate) const fn write_only<T: DriverStore>() -> Self {
        /// # Safety
        ///
        /// To be called by sysfs: `text` holds `count` bytes.
        unsafe extern "C" fn store<T: DriverStore>(
            _driver: *mut bindings::device_driver,
            text: *const c_char,
            count: usize,
        ) -> isize {
            // SAFETY: sysfs passes a buffer of `count` bytes (and a terminator after it).
            let text = unsafe { core::slice::from_raw_parts(text.cast::<u8>(), count) };
            count_or_errno(T::store(text).map(|()| count))
        }
        Self(bindings::driver_attribute {
            attr: attribute(T::NAME, 0o200),
            show: None,
            store: Some(store::<T>),
        })
    }
}

/// A `struct bin_attribute` for the type it was built from.
#[repr(transparent)]
pub(crate) struct LargeAttribute(bindings::bin_attribute);

// SAFETY: Never written after it was built.
unsafe impl Sync for LargeAttribute {}

impl LargeAttribute {
    /// Builds the attribute of a type, readable by all.
    pub(crate) const fn read_only<T: LargeShow>() -> Self {
        /// # Safety
        ///
        /// To be called by sysfs: `buffer` has room for `count` bytes.
        unsafe extern "C" fn read<T: LargeShow>(
            _file: *mut bindings::file,
            _kobject: *mut bindings::kobject,
            _attribute: *const bindings::bin_attribute,
            buffer: *mut c_char,
            pos: bindings::loff_t,
            count: usize,
        ) -> isize {
            // SAFETY: sysfs passes a buffer of at least `count` bytes, which it doesn't initialise.
            let out = unsafe {
                core::ptr::write_bytes(buffer.cast::<u8>(), 0, count);
                core::slice::from_raw_parts_mut(buffer.cast::<u8>(), count)
            };
            let pos = usize::try_from(pos).map_err(|_| EINVAL);
            let said = pos.and_then(|pos| T::read(pos, out));
            count_or_errno(said.map(|said| filled(said, count)))
        }
        // SAFETY: All bytes zero is a valid attribute: no size limit, no other callback.
        let mut bin: bindings::bin_attribute = unsafe { core::mem::zeroed() };
        bin.attr = attribute(<T as LargeShow>::NAME, 0o444);
        bin.read = Some(read::<T>);
        Self(bin)
    }

    /// Builds the attribute of a type, readable by all and writable by root. Each `write()` counts
    /// for itself.
    pub(crate) const fn read_write<T: LargeShow + DriverStore>() -> Self {
        /// # Safety
        ///
        /// To be called by sysfs: `text` holds `count` bytes.
        unsafe extern "C" fn write<T: DriverStore>(
            _file: *mut bindings::file,
            _kobject: *mut bindings::kobject,
            _attribute: *const bindings::bin_attribute,
            text: *mut c_char,
            _pos: bindings::loff_t,
            count: usize,
        ) -> isize {
            // SAFETY: sysfs passes a buffer of `count` bytes.
            let text = unsafe { core::slice::from_raw_parts(text.cast::<u8>(), count) };
            count_or_errno(T::store(text).map(|()| count))
        }
        let Self(mut bin) = Self::read_only::<T>();
        bin.attr.mode = 0o644;
        bin.write = Some(write::<T>);
        Self(bin)
    }
}

/// A `struct device_attribute` for the type it was built from.
#[repr(transparent)]
pub(crate) struct DeviceAttribute(bindings::device_attribute);

// SAFETY: Never written after it was built.
unsafe impl Sync for DeviceAttribute {}

impl DeviceAttribute {
    /// Builds the attribute of a type, readable by all.
    pub(crate) const fn read_only<T: DeviceShow>() -> Self {
        /// # Safety
        ///
        /// To be called by sysfs for a PCI device: `buffer` is a page.
        unsafe extern "C" fn show<T: DeviceShow>(
            device: *mut bindings::device,
            _attribute: *mut bindings::device_attribute,
            buffer: *mut c_char,
        ) -> isize {
            // SAFETY: The attribute is in a group of a PCI driver, so the device is a PCI device;
            // it is valid for the duration of the call.
            let pdev =
                unsafe { &*container_of!(device, bindings::pci_dev, dev).cast::<pci::Device>() };
            // SAFETY: sysfs passes a zeroed buffer of one page.
            let room = unsafe { core::slice::from_raw_parts_mut(buffer.cast::<u8>(), PAGE_SIZE) };
            let mut page = Page { room, written: 0 };
            count_or_errno(T::show(pdev, &mut page).map(|()| page.written))
        }
        // SAFETY: All bytes zero is a valid attribute without callbacks.
        let mut device: bindings::device_attribute = unsafe { core::mem::zeroed() };
        device.attr = attribute(T::NAME, 0o444);
        device.__bindgen_anon_1 = bindings::device_attribute__bindgen_ty_1 {
            show: Some(show::<T>),
        };
        Self(device)
    }
}

/// Fills in the part that all kinds of attributes share.
pub(super) const fn attribute(name: &'static CStr, mode: bindings::umode_t) -> bindings::attribute {
    // SAFETY: All bytes zero is a valid attribute (with lock debugging it has two more fields, for
    // which that is right).
    let mut attribute: bindings::attribute = unsafe { core::mem::zeroed() };
    attribute.name = kernel::str::as_char_ptr_in_const_context(name);
    attribute.mode = mode;
    attribute
}
