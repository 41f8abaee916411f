// SPDX-License-Identifier: GPL-2.0

//! sysfs attributes of the driver and of the devices bound to it.
//!
//! An attribute is a type that implements one of the traits here; `attribute_groups!` puts
//! attributes into the static tables that the driver core wants. The driver core creates the files
//! with the driver (or after `probe`) and removes them before the driver goes (before `unbind`),
//! waiting for calls under way: so they may be called at any time in between, and never later.
//!
//! UPSTREAM(attr-drvdata): `show` and `store` get no driver data.
//!
//! C header: [`include/linux/sysfs.h`](srctree/include/linux/sysfs.h)

use core::{
    ffi::CStr,
    fmt,
    marker::PhantomData, //
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
    /// end. (More than there is room for counts as all of it.)
    ///
    /// # Errors
    ///
    /// Any error fails the `read()`.
    fn read(pos: usize, out: &mut [u8]) -> Result<usize>;
}

/// A readable attribute of a bound device, at most a page long.
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

/// Returns how much of a buffer with this much room was filled. Of one that says more, sysfs would
/// copy what lies behind the buffer to user space.
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

/// A kind of attribute of which groups are made.
///
/// # Safety
///
/// The type must be a transparent wrapper of a C structure that begins with a `struct attribute`,
/// and there must be one such C structure only for the places that take [`Groups`] of this type.
pub(crate) unsafe trait AttributeKind: Sync {}

// SAFETY: Attributes of a driver. The beginning is checked below.
unsafe impl AttributeKind for DriverAttribute {}

// SAFETY: Attributes of a device. The beginning is checked below.
unsafe impl AttributeKind for DeviceAttribute {}

const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(bindings::driver_attribute, attr) == 0);
    assert!(offset_of!(bindings::device_attribute, attr) == 0);
};

/// A list of pointers that the kernel reads, ended by a null pointer.
pub(crate) struct Pointers<T: 'static, const N: usize>([Option<&'static T>; N]);

impl<T, const N: usize> Pointers<T, N> {
    /// Takes the list, the last of which must be `None`. To be used at build time, where it is an
    /// error if it isn't.
    pub(crate) const fn new(list: [Option<&'static T>; N]) -> Self {
        assert!(matches!(list.last(), Some(None)));
        Self(list)
    }

    /// Returns the list as C wants it: a reference or `None` is a pointer or null.
    const fn as_ptr(&'static self) -> *const *const T {
        self.0.as_ptr().cast()
    }
}

/// One `struct attribute_group`, of attributes of kind `A`.
#[repr(transparent)]
pub(crate) struct Group<A>(bindings::attribute_group, PhantomData<A>);

// SAFETY: Never written after it was built.
unsafe impl<A: AttributeKind> Sync for Group<A> {}

impl<A: AttributeKind> Group<A> {
    /// Builds a group: in a directory of its own if `name` is given, with these attributes.
    pub(crate) const fn new<const F: usize, const L: usize>(
        name: Option<&'static CStr>,
        files: &'static Pointers<A, F>,
        large: &'static Pointers<LargeAttribute, L>,
    ) -> Self {
        // SAFETY: All bytes zero is a valid, empty group.
        let mut group: bindings::attribute_group = unsafe { core::mem::zeroed() };
        if let Some(name) = name {
            group.name = kernel::str::as_char_ptr_in_const_context(name);
        }
        group.__bindgen_anon_2 = bindings::attribute_group__bindgen_ty_2 {
            attrs_const: files.as_ptr().cast(),
        };
        group.bin_attrs = large.as_ptr().cast();
        Self(group, PhantomData)
    }
}

/// A list of one group of attributes of kind `A`, as a `struct device_driver` takes it.
pub(crate) struct Groups<A: 'static>(Pointers<Group<A>, 2>);

impl<A> Groups<A> {
    /// Builds the list.
    pub(crate) const fn of(group: &'static Group<A>) -> Self {
        Self(Pointers::new([Some(group), None]))
    }

    /// Returns the list as the C structure wants it; the kernel doesn't write to it.
    pub(super) const fn as_ptr(&'static self) -> *mut *const bindings::attribute_group {
        self.0.as_ptr().cast_mut().cast()
    }
}

/// Declares a static [`Groups`] with one group.
///
/// `attribute_groups!(NAME: AttributeKind, directory, [files], [large files]);` where the kind is that of
/// the files, the directory is an `Option<&CStr>`, and each file is `NAME = expression`.
///
/// # Examples
///
/// ```ignore
/// struct Reset;
///
/// impl DriverStore for Reset {
///     const NAME: &'static CStr = c"reset";
///
///     fn store(text: &[u8]) -> Result {
///         reset(text)
///     }
/// }
///
/// attribute_groups!(GROUPS: DriverAttribute, None, [RESET = DriverAttribute::write_only::<Reset>()], []);
/// ```
macro_rules! attribute_groups {
    ($name:ident: $kind:ident, $directory:expr, [$($file:ident = $build:expr),* $(,)?],
     [$($large:ident = $bin:expr),* $(,)?]) => {
        pub(crate) static $name: $crate::kapi::attr::Groups<$crate::kapi::attr::$kind> = {
            #[allow(unused_imports)]
            use $crate::kapi::attr::{$kind, Group, Groups, LargeAttribute, Pointers};
            $(static $file: $kind = $build;)*
            $(static $large: LargeAttribute = $bin;)*
            static FILES: Pointers<$kind, { [$(stringify!($file)),*].len() + 1 }> =
                Pointers::new([$(Some(&$file),)* None]);
            static LARGE: Pointers<LargeAttribute,
                { <[&str]>::len(&[$(stringify!($large)),*]) + 1 }> =
                Pointers::new([$(Some(&$large),)* None]);
            static GROUP: Group<$kind> = Group::new($directory, &FILES, &LARGE);
            Groups::of(&GROUP)
        };
    };
}
pub(crate) use attribute_groups;
