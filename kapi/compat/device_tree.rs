// SPDX-License-Identifier: GPL-2.0

//! Nodes of the device tree, where the kernel has one.
//!
//! UPSTREAM(device-tree): `kernel::of` has identification only.
//!
//! C header: [`include/linux/of.h`](srctree/include/linux/of.h)

#[cfg(CONFIG_OF)]
pub(crate) use self::with::DeviceNode;
#[cfg(not(CONFIG_OF))]
pub(crate) use self::without::DeviceNode;

#[cfg(CONFIG_OF)]
mod with {
    use crate::kapi::pci::{
        raw,
        raw_dev,
        Locked,
        Registered, //
    };
    use core::ptr::NonNull;
    use kernel::{
        bindings,
        ffi::c_int,
        prelude::*, //
    };

    /// A node. It holds a reference, so it and its properties stay.
    ///
    /// # Examples
    ///
    /// ```ignore
    /// let bridge = DeviceNode::of_host_bridge(device)?;
    /// let map = bridge.property(c"iommu-map")?;
    /// ```
    pub(crate) struct DeviceNode(NonNull<bindings::device_node>);

    impl DeviceNode {
        /// Returns the node of a device itself, if the device has a driver.
        pub(crate) fn of_device(locked: &Locked<'_>) -> Option<Self> {
            let device = locked.registered()?;
            // SAFETY: The device is valid. It got its node before it could have a driver, and loses
            // it (of_pci_remove_node()) only after that, whose release takes the lock.
            unsafe { Self::get((*raw_dev(&device)).of_node) }
        }

        /// Returns the node of the host bridge that a device is below.
        pub(crate) fn of_host_bridge(device: Registered<'_>) -> Option<Self> {
            // SAFETY:
            // - A device holds a reference to its bus, and a bus was made below its parent and is
            //   removed before it. The device isn't removed meanwhile, so nothing above it is.
            // - So is the host bridge, the parent of which (if it has one) was there before it and
            //   goes after it.
            unsafe {
                let mut bus = (*raw(&device)).bus;
                while !(*bus).parent.is_null() {
                    bus = (*bus).parent;
                }
                let above = (*(*bus).bridge).parent;
                if above.is_null() {
                    return None;
                }
                Self::get((*above).of_node)
            }
        }

        /// Returns the node of that number.
        pub(crate) fn by_phandle(number: u32) -> Option<Self> {
            // SAFETY: The function takes any number, and returns a node with a reference to it.
            NonNull::new(unsafe { bindings::of_find_node_by_phandle(number) }).map(Self)
        }

        /// # Safety
        ///
        /// The node must be valid, or null.
        unsafe fn get(node: *mut bindings::device_node) -> Option<Self> {
            let node = NonNull::new(node)?;
            #[cfg(CONFIG_OF_DYNAMIC)]
            // SAFETY: By the caller's promise.
            unsafe {
                bindings::of_node_get(node.as_ptr())
            };
            Some(Self(node))
        }

        /// Returns a property as it stands in the tree, if the node has it.
        pub(crate) fn property(&self, name: &CStr) -> Option<&[u8]> {
            let mut length: c_int = 0;
            // SAFETY: The node is valid and the name is a C string.
            let value = unsafe {
                bindings::of_get_property(self.0.as_ptr(), name.as_char_ptr(), &mut length)
            };
            let length = usize::try_from(length).ok()?;
            let value = NonNull::new(value.cast_mut().cast::<u8>())?;
            // SAFETY: The property has that many bytes, which don't change. If it is replaced, the
            // node keeps the old one for as long as it lives.
            Some(unsafe { core::slice::from_raw_parts(value.as_ptr(), length) })
        }

        /// Returns `true` if the node says that it is compatible with this.
        pub(crate) fn is_compatible(&self, with: &CStr) -> bool {
            // SAFETY: The node is valid and the other is a C string.
            unsafe { bindings::of_device_is_compatible(self.0.as_ptr(), with.as_char_ptr()) != 0 }
        }
    }

    impl Drop for DeviceNode {
        fn drop(&mut self) {
            #[cfg(CONFIG_OF_DYNAMIC)]
            // SAFETY: This has a reference, which ends here.
            unsafe {
                bindings::of_node_put(self.0.as_ptr())
            };
        }
    }
}

#[cfg(not(CONFIG_OF))]
mod without {
    use crate::kapi::pci::{
        Locked,
        Registered, //
    };
    use kernel::prelude::*;

    /// A node of which there is none.
    pub(crate) enum DeviceNode {}

    impl DeviceNode {
        /// Returns `None`: there is no device tree.
        pub(crate) fn of_device(_: &Locked<'_>) -> Option<Self> {
            None
        }

        /// Returns `None`: there is no device tree.
        pub(crate) fn of_host_bridge(_: Registered<'_>) -> Option<Self> {
            None
        }

        /// Returns `None`: there is no device tree.
        pub(crate) fn by_phandle(_: u32) -> Option<Self> {
            None
        }

        /// Is never called.
        pub(crate) fn property(&self, _: &CStr) -> Option<&[u8]> {
            match *self {}
        }

        /// Is never called.
        pub(crate) fn is_compatible(&self, _: &CStr) -> bool {
            match *self {}
        }
    }
}
