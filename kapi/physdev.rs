// SPDX-License-Identifier: GPL-2.0

//! The `physdev_op` hypercall: numbers, structures and the call itself.
//!
//! Facts are those of Xen's public header xen/include/public/physdev.h; each structure's size is
//! checked here.
//!
//! UPSTREAM(xen-helpers): hypercalls need a file in rust/helpers.

use super::{
    compat::physdev::raw_physdev_op,
    fault,
    xen::Dom0, //
};
use kernel::ffi::c_int;

/// The argument of one `physdev_op` command.
///
/// # Safety
///
/// The type must be the structure that Xen's interface gives to the command `OP`, with no pointer
/// in it: Xen reads and writes exactly `size_of::<Self>()` bytes, and any bytes are valid.
pub(crate) unsafe trait Op {
    /// The command's number (`PHYSDEVOP_*`).
    const OP: c_int;
}

/// `struct physdev_pci_device`: names a device.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct PciDevice {
    pub(crate) seg: u16,
    pub(crate) bus: u8,
    pub(crate) devfn: u8,
}

/// `PHYSDEVOP_prepare_msix` (30): Xen takes over the device's MSI-X table.
#[repr(transparent)]
pub(crate) struct PrepareMsix(pub(crate) PciDevice);

// SAFETY: `struct physdev_pci_device` is this command's argument.
unsafe impl Op for PrepareMsix {
    const OP: c_int = 30;
}

/// `PHYSDEVOP_release_msix` (31): undoes [`PrepareMsix`].
#[repr(transparent)]
pub(crate) struct ReleaseMsix(pub(crate) PciDevice);

// SAFETY: `struct physdev_pci_device` is this command's argument.
unsafe impl Op for ReleaseMsix {
    const OP: c_int = 31;
}

/// `struct pci_device_reset`, `PHYSDEVOP_pci_device_reset` (32): the device was reset.
#[repr(C)]
pub(crate) struct PciDeviceReset {
    pub(crate) dev: PciDevice,
    /// `PCI_DEVICE_RESET_*`: cold 0, warm 1, hot 2, FLR 3.
    pub(crate) flags: u32,
}

// SAFETY: `struct pci_device_reset` is this command's argument.
unsafe impl Op for PciDeviceReset {
    const OP: c_int = 32;
}

/// `struct physdev_setup_gsi`, `PHYSDEVOP_setup_gsi` (21): configures an IO-APIC input.
#[repr(C)]
pub(crate) struct SetupGsi {
    pub(crate) gsi: i32,
    /// 0 edge, 1 level.
    pub(crate) triggering: u8,
    /// 0 active high, 1 active low.
    pub(crate) polarity: u8,
}

// SAFETY: `struct physdev_setup_gsi` is this command's argument.
unsafe impl Op for SetupGsi {
    const OP: c_int = 21;
}

/// `PHYSDEVOP_pci_device_remove` (26): Xen forgets the device.
#[repr(transparent)]
pub(crate) struct PciDeviceRemove(pub(crate) PciDevice);

// SAFETY: `struct physdev_pci_device` is this command's argument.
unsafe impl Op for PciDeviceRemove {
    const OP: c_int = 26;
}

/// `struct physdev_map_pirq`, `PHYSDEVOP_map_pirq` (13): gives an interrupt of a device a PIRQ of a
/// domain.
#[repr(C)]
pub(crate) struct MapPirq {
    pub(crate) domid: u16,
    /// `MAP_PIRQ_TYPE_*`; MSI or MSI-X with a segment is [`MapPirq::MSI_SEG`].
    pub(crate) kind: i32,
    /// The machine's interrupt; -1: Xen takes a free one.
    pub(crate) index: i32,
    /// The PIRQ; -1: Xen takes a free one, and says which.
    pub(crate) pirq: i32,
    /// The bus, and in the upper 16 bits the segment.
    pub(crate) bus: u32,
    pub(crate) devfn: i32,
    /// The entry of the MSI-X table.
    pub(crate) entry_nr: i32,
    /// The address of the BAR that holds the MSI-X table; 0 for MSI.
    pub(crate) table_base: u64,
}

impl MapPirq {
    /// `MAP_PIRQ_TYPE_GSI`.
    pub(crate) const GSI: i32 = 1;
    /// `MAP_PIRQ_TYPE_MSI_SEG`.
    pub(crate) const MSI_SEG: i32 = 3;
}

// SAFETY: `struct physdev_map_pirq` is this command's argument.
unsafe impl Op for MapPirq {
    const OP: c_int = 13;
}

/// `struct physdev_unmap_pirq`, `PHYSDEVOP_unmap_pirq` (14): undoes [`MapPirq`].
#[repr(C)]
pub(crate) struct UnmapPirq {
    pub(crate) domid: u16,
    pub(crate) pirq: i32,
}

// SAFETY: `struct physdev_unmap_pirq` is this command's argument.
unsafe impl Op for UnmapPirq {
    const OP: c_int = 14;
}

/// `struct physdev_pci_device_add` with room for one optional word, `PHYSDEVOP_pci_device_add`
/// (25).
#[repr(C)]
pub(crate) struct PciDeviceAdd {
    pub(crate) seg: u16,
    pub(crate) bus: u8,
    pub(crate) devfn: u8,
    /// `XEN_PCI_DEV_*`: extended function 1, virtual function 2, proximity domain present 4.
    pub(crate) flags: u32,
    pub(crate) physfn_bus: u8,
    pub(crate) physfn_devfn: u8,
    /// The proximity domain, when its flag is set.
    pub(crate) pxm: u32,
}

// SAFETY: `struct physdev_pci_device_add` is this command's argument. Its flexible array of 32-bit
// words starts at the offset of `pxm` (checked below); Xen reads one word of it, when told so.
unsafe impl Op for PciDeviceAdd {
    const OP: c_int = 25;
}

const _: () = {
    use core::mem::{
        offset_of,
        size_of, //
    };
    assert!(size_of::<PciDevice>() == 4);
    assert!(size_of::<PciDeviceReset>() == 8);
    assert!(size_of::<SetupGsi>() == 8);
    assert!(size_of::<PciDeviceAdd>() == 16);
    assert!(offset_of!(PciDeviceAdd, physfn_bus) == 8);
    assert!(offset_of!(PciDeviceAdd, pxm) == 12);
    assert!(size_of::<MapPirq>() == 40);
    assert!(offset_of!(MapPirq, table_base) == 32);
    assert!(size_of::<UnmapPirq>() == 8);
};

/// Issues the command; returns what Xen returned: 0 or more, or a negative errno.
///
/// Outside of Xen there would be nobody to call: `Dom0` proves that this is inside.
///
/// # Examples
///
/// ```ignore
/// let dom0 = xen::initial_domain().ok_or(ENODEV)?;
/// let errno = physdev_op(dom0, &mut PrepareMsix(name));
/// ```
pub(crate) fn physdev_op<T: Op>(_: Dom0, arg: &mut T) -> c_int {
    if let Some(answer) = fault::answer_of_xen(T::OP) {
        return answer;
    }
    // SAFETY: There is a Xen to call. By the contract of `Op`, `arg` is what it expects for this
    // command, and it is exclusively borrowed for the duration of the call.
    unsafe { raw_physdev_op(T::OP, core::ptr::from_mut(arg).cast()) }
}
