// SPDX-License-Identifier: GPL-2.0

//! The table of IDs of a driver that doesn't choose by IDs.

use kernel::{
    device_id::IdArray,
    pci, //
};

/// What `probe` gets of the entry that a device matched.
#[cfg(pciback_id_pointers)]
pub(crate) type IdInfo<'bound> = Option<&'bound ()>;

/// What `probe` gets of the entry that a device matched.
#[cfg(not(pciback_id_pointers))]
pub(crate) type IdInfo<'bound> = &'bound ();

/// What is kept for the entry.
#[cfg(pciback_id_pointers)]
const INFO: &() = &();

/// What is kept for the entry.
#[cfg(not(pciback_id_pointers))]
const INFO: () = ();

/// Every device. Not made by `pci_device_table!`, which would also give the module an alias for
/// every device and so have it loaded everywhere. (It must not be empty: where `probe` gets no
/// `Option`, the kernel's adapter looks up entry 0.)
pub(crate) const ANY_DEVICE: IdArray<pci::DeviceId, (), 1> =
    IdArray::new([(pci::DeviceId::from_class(0, 0), INFO)]);
