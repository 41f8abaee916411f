// SPDX-License-Identifier: GPL-2.0

//! Reading what ACPI says of interrupt routing and proximity, and never changing it.
//!
//! UPSTREAM(acpi-subset): what the driver reads, and no more.
//!
//! C headers: [`include/acpi/acpixf.h`](srctree/include/acpi/acpixf.h),
//! [`include/acpi/acrestyp.h`](srctree/include/acpi/acrestyp.h)

use super::{
    fault,
    pci::{
        raw_bridge_device,
        raw_dev,
        DeviceExt as _, //
    },
};
use crate::pure::intx::{
    Gsi,
    Signalling, //
};
use core::{
    ffi::CStr,
    marker::PhantomData,
    mem::offset_of,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    container_of,
    ffi::c_void,
    pci,
    prelude::*, //
};

/// `AE_OK` (include/acpi/acexcep.h).
const AE_OK: bindings::acpi_status = 0;
/// `AE_NOT_FOUND` (there).
const AE_NOT_FOUND: bindings::acpi_status = 5;
/// `ACPI_EDGE_SENSITIVE` and `ACPI_ACTIVE_HIGH` (include/acpi/acrestyp.h).
const EDGE_SENSITIVE: u8 = 1;
const ACTIVE_HIGH: u8 = 0;

/// A node of the ACPI namespace that describes a bridge. Nodes live as long as the system.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node(bindings::acpi_handle);

// SAFETY: A handle is a name: ACPICA takes its own locks, in whatever thread it is used.
unsafe impl Send for Node {}

impl Node {
    /// Returns the node of the bridge whose secondary bus the device is on (a host bridge or a
    /// PCI-to-PCI bridge), if ACPI knows it.
    pub(crate) fn of_bridge_above(device: &pci::Device) -> Option<Self> {
        // SAFETY: A bridge is a valid device as long as one behind it is referenced.
        unsafe { Self::of(raw_bridge_device(device)) }
    }

    /// Returns the node of the device itself, if ACPI lists it.
    pub(crate) fn of_device(device: &pci::Device) -> Option<Self> {
        // SAFETY: The device is valid.
        unsafe { Self::of(raw_dev(device)) }
    }

    /// Returns the node of the nearest bridge above the device that ACPI lists.
    pub(crate) fn of_bridges_above(device: &pci::Device) -> Option<Self> {
        device.towards_root().find_map(Self::of_bridge_above)
    }

    /// # Safety
    ///
    /// `device` must be null or a valid device.
    unsafe fn of(device: *mut bindings::device) -> Option<Self> {
        if device.is_null() {
            return None;
        }
        // SAFETY: The device is valid by the caller's promise; its node never changes
        // once it was added.
        let node = unsafe { (*device).fwnode };
        // SAFETY: The node is valid, or null, of which the function says no.
        if !unsafe { bindings::is_acpi_device_node(node) } {
            return None;
        }
        // SAFETY: Such a node is part of a `struct acpi_device`, of a device that is still there.
        let handle = unsafe { (*container_of!(node, bindings::acpi_device, fwnode)).handle };
        (!handle.is_null()).then_some(Self(handle))
    }

    /// Returns the parent in the namespace.
    pub(crate) fn parent(self) -> Option<Self> {
        let mut parent = core::ptr::null_mut();
        // SAFETY: The handle is valid, and `parent` may be written.
        let status = unsafe { bindings::acpi_get_parent(self.0, &mut parent) };
        (status == AE_OK && !parent.is_null()).then_some(Self(parent))
    }

    /// Evaluates the node's `_PXM`, the proximity domain that it belongs to.
    pub(crate) fn proximity(self) -> Option<u32> {
        let mut value = 0;
        // SAFETY: The handle is valid; the method's name is a C string that isn't written to; no
        // arguments; `value` may be written.
        let status = unsafe {
            bindings::acpi_evaluate_integer(
                self.0,
                c"_PXM".as_char_ptr().cast_mut(),
                core::ptr::null_mut(),
                &mut value,
            )
        };
        (status == AE_OK)
            .then(|| u32::try_from(value).ok())
            .flatten()
    }

    /// Evaluates the bridge's interrupt routing table, `_PRT`; `None` if it has none.
    ///
    /// # Errors
    ///
    /// - `EIO`: it has one, and ACPI can't evaluate it. (Its log says why.)
    ///
    /// # Examples
    ///
    /// ```ignore
    /// if let Some(table) = Node::of_bridge_above(device).ok_or(ENODEV)?.routing_table()? {
    ///     let entry = table.entries().next();
    /// }
    /// ```
    pub(crate) fn routing_table(self) -> Result<Option<RoutingTable>> {
        /// `ACPI_ALLOCATE_BUFFER`: ACPICA allocates what it needs.
        const ALLOCATE: usize = usize::MAX;
        let mut buffer = bindings::acpi_buffer {
            length: ALLOCATE as bindings::acpi_size,
            pointer: core::ptr::null_mut(),
        };
        fault::point("_PRT")?;
        // SAFETY: The handle is valid, and the buffer asks for memory.
        let status = unsafe { bindings::acpi_get_irq_routing_table(self.0, &mut buffer) };
        // The memory is ours even where ACPICA fails after allocating it.
        let table = NonNull::new(buffer.pointer.cast::<u8>()).map(|memory| RoutingTable {
            length: usize::try_from(buffer.length).unwrap_or(0),
            memory,
            node: self,
        });
        match status {
            AE_OK => Ok(table),
            AE_NOT_FOUND => Ok(None),
            _ => Err(EIO),
        }
    }
}

/// A copy of a `_PRT`, in ACPICA's form.
///
/// # Invariants
///
/// `memory` is an allocation of kmalloc() that holds `length` initialised bytes.
pub(crate) struct RoutingTable {
    memory: NonNull<u8>,
    length: usize,
    node: Node,
}

impl RoutingTable {
    /// Returns the entries in the firmware's order.
    pub(crate) fn entries(&self) -> PrtEntries<'_> {
        // SAFETY: By the type invariant.
        let bytes = unsafe { core::slice::from_raw_parts(self.memory.as_ptr(), self.length) };
        PrtEntries {
            rest: bytes,
            node: self.node,
            _table: PhantomData,
        }
    }
}

// SAFETY: Plain memory, owned; any thread may free it.
unsafe impl Send for RoutingTable {}

impl Drop for RoutingTable {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; ACPICA's allocations on Linux are kmalloc()'s.
        unsafe { bindings::kfree(self.memory.as_ptr().cast()) };
    }
}

/// An iterator over the entries of a [`RoutingTable`].
pub(crate) struct PrtEntries<'a> {
    rest: &'a [u8],
    node: Node,
    _table: PhantomData<&'a RoutingTable>,
}

/// An entry of a [`RoutingTable`].
pub(crate) struct PrtEntry<'a> {
    /// The device number in bits 31-16; 0xffff below, for all functions.
    pub(crate) address: u64,
    /// The pin, INTA# being 0.
    pub(crate) pin: u32,
    /// The GSI where no link device is named.
    pub(crate) source_index: u32,
    source: &'a [u8],
    node: Node,
}

type Raw = bindings::acpi_pci_routing_table;

/// Reads a value of 4 bytes at an offset.
fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl<'a> Iterator for PrtEntries<'a> {
    type Item = PrtEntry<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // Each entry starts with its length; a length of 0 ends the table.
        let length = usize::try_from(read_u32(self.rest, offset_of!(Raw, length))?).ok()?;
        if length == 0 {
            return None;
        }
        let (entry, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        let name = entry.get(offset_of!(Raw, __bindgen_anon_1)..)?;
        let end = name.iter().position(|byte| *byte == 0)?;
        Some(PrtEntry {
            address: u64::from_ne_bytes(*entry.get(offset_of!(Raw, address)..)?.first_chunk()?),
            pin: read_u32(entry, offset_of!(Raw, pin))?,
            source_index: read_u32(entry, offset_of!(Raw, source_index))?,
            source: name.get(..=end)?,
            node: self.node,
        })
    }
}

impl PrtEntry<'_> {
    /// Returns `true` if the entry goes through a link device.
    pub(crate) fn names_link(&self) -> bool {
        self.source.first().is_some_and(|byte| *byte != 0)
    }

    /// Returns the link device that the entry names.
    pub(crate) fn link(&self) -> Option<Link> {
        let name = CStr::from_bytes_with_nul(self.source).ok()?;
        let mut handle = core::ptr::null_mut();
        // SAFETY: The table's node is valid, the name is a C string, and `handle` may be written.
        let status =
            unsafe { bindings::acpi_get_handle(self.node.0, name.as_char_ptr(), &mut handle) };
        (status == AE_OK && !handle.is_null()).then_some(Link(handle))
    }
}

/// An interrupt link device.
pub(crate) struct Link(bindings::acpi_handle);

impl Link {
    /// Asks the link what it is set to now (`_CRS`), changing nothing; `None` where it is set to
    /// nothing.
    pub(crate) fn current(&self) -> Option<Gsi> {
        let mut found: Option<Gsi> = None;
        // SAFETY: The handle is valid, the method's name is a C string that isn't written to, and
        // the callback gets the pointer to `found`, which outlives the call. The status needs no
        // look: on failure nothing was found.
        let _ = unsafe {
            bindings::acpi_walk_resources(
                self.0,
                c"_CRS".as_char_ptr().cast_mut(),
                Some(Self::resource),
                (&raw mut found).cast(),
            )
        };
        found
    }

    /// Takes one resource of the link, keeps the first interrupt.
    ///
    /// # Safety
    ///
    /// `resource` must be valid, and `found` the pointer that `current` passes.
    unsafe extern "C" fn resource(
        resource: *mut bindings::acpi_resource,
        found: *mut c_void,
    ) -> bindings::acpi_status {
        // SAFETY: `current` passes a pointer to its variable, used by nothing else meanwhile.
        let found = unsafe { &mut *found.cast::<Option<Gsi>>() };
        if found.is_none() {
            // SAFETY: ACPICA passes a valid resource.
            *found = unsafe { interrupt_of(resource) };
        }
        AE_OK
    }
}

/// Reads the first interrupt of an `IRQ` or `Extended Interrupt` descriptor.
///
/// # Safety
///
/// `resource` must point to a valid resource.
unsafe fn interrupt_of(resource: *const bindings::acpi_resource) -> Option<Gsi> {
    // SAFETY: The caller's promise; the structure is packed, so everything is read unaligned.
    let kind = unsafe { (&raw const (*resource).type_).read_unaligned() };
    let (count, gsi, triggering, polarity) = match kind {
        bindings::ACPI_RESOURCE_TYPE_IRQ => {
            // SAFETY: The kind says that the data is of this form.
            let irq = unsafe { &raw const (*resource).data }.cast::<bindings::acpi_resource_irq>();
            // SAFETY: As above; the interrupt is there if the count isn't 0 (and there is always
            // room for one).
            unsafe {
                (
                    (&raw const (*irq).interrupt_count).read_unaligned(),
                    u32::from((&raw const (*irq).__bindgen_anon_1).cast::<u8>().read()),
                    (&raw const (*irq).triggering).read_unaligned(),
                    (&raw const (*irq).polarity).read_unaligned(),
                )
            }
        }
        bindings::ACPI_RESOURCE_TYPE_EXTENDED_IRQ => {
            // SAFETY: The kind says that the data is of this form.
            let irq = unsafe { &raw const (*resource).data }
                .cast::<bindings::acpi_resource_extended_irq>();
            // SAFETY: As above.
            unsafe {
                (
                    (&raw const (*irq).interrupt_count).read_unaligned(),
                    (&raw const (*irq).__bindgen_anon_1)
                        .cast::<u32>()
                        .read_unaligned(),
                    (&raw const (*irq).triggering).read_unaligned(),
                    (&raw const (*irq).polarity).read_unaligned(),
                )
            }
        }
        _ => return None,
    };
    // 0 means "not set" here, as in the kernel's own link driver: no link leads to the timer.
    (count != 0 && gsi != 0).then_some(Gsi {
        number: gsi,
        signalling: Signalling {
            edge_triggered: triggering == EDGE_SENSITIVE,
            active_high: polarity == ACTIVE_HIGH,
        },
    })
}
