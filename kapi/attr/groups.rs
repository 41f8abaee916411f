// SPDX-License-Identifier: GPL-2.0

//! Static tables of attributes, which the driver core takes with a driver.
//!
//! C header: [`include/linux/sysfs.h`](srctree/include/linux/sysfs.h)

use super::{
    DeviceAttribute,
    DriverAttribute,
    LargeAttribute, //
};
use core::{
    ffi::CStr,
    marker::PhantomData, //
};
use kernel::bindings;

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
    /// Takes the list, which must end in `None`. For use at build time, where it is an error if it
    /// doesn't.
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
    pub(in crate::kapi) const fn as_ptr(&'static self) -> *mut *const bindings::attribute_group {
        self.0.as_ptr().cast_mut().cast()
    }
}

/// Declares a static [`Groups`] with one group.
///
/// `attribute_groups!(NAME: AttributeKind, directory, [files], [large files]);` where the kind is
/// that of the files, the directory is an `Option<&CStr>`, and each file is `NAME = expression`.
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
/// attribute_groups!(GROUPS: DriverAttribute, None, [RESET =
/// DriverAttribute::write_only::<Reset>()], []);
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
