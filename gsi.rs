// SPDX-License-Identifier: GPL-2.0

//! Global system interrupts: which one a device's legacy pin reaches, for sysfs, for privcmd and
//! for Xen.
//!
//! The look-up here reads and never changes anything. The kernel's own
//! (`xen_acpi_get_gsi_info()`) does change things: for a route through an interrupt link device it
//! calls `acpi_pci_link_allocate_irq()`, which *programs* a link that no driver has used yet
//! (`_SRS`) and counts a user that is never taken back; it leaks the table entry that it found on
//! each call, and logs a warning for each device that isn't routed. Asking a link for its present
//! setting (`_CRS`) instead gives the same number once the link is in use, and it is in use from
//! the moment that any driver (this one included) enabled a device behind it. A link that is not
//! set to anything yet has no GSI, and neither has a device behind a bridge whose boot interrupts
//! the kernel reroutes: no answer is better than a wrong one.

#![deny(unsafe_code)]

pub(crate) mod files;
pub(crate) mod hook;
pub(crate) mod tables;

use self::tables::Tables;
use crate::{
    kapi::{
        acpi::{
            Node,
            PrtEntry, //
        },
        compat::HAS_GSI,
        log::log_limited,
        pci::DeviceExt, //
    },
    pure::intx::{
        entry_matches,
        route,
        Gsi,
        Pin,
        Route,
        Signalling, //
    },
};
use kernel::pci;

/// How PCI interrupts signal where a table names a GSI directly (ACPI 6.5 sec 6.2.13).
const PCI_SIGNALLING: Signalling = Signalling {
    edge_triggered: false,
    active_high: false,
};

/// Returns the GSI that the device's pin reaches, or `None` for a device that has no pin or whose
/// pin isn't routed.
///
/// Sleeps. Walks from the device towards the root until a bridge's routing table has an entry for
/// the pin, which rotates at each bridge on the way.
pub(crate) fn look_up(device: &pci::Device) -> Option<Gsi> {
    // Elsewhere interrupts have no such numbers, whatever a routing table of ACPI says.
    if !HAS_GSI {
        return None;
    }
    let pin = device.pin()?;
    tables::with(|tables| look_up_in(tables, device, pin))
}

/// Does the work of [`look_up`].
fn look_up_in(tables: &mut Tables, device: &pci::Device, mut pin: Pin) -> Option<Gsi> {
    let mut at = device;
    loop {
        // With Alternative Routing-ID there is one device on the bus, number 0.
        let slot = if at.ari_enabled() {
            0
        } else {
            at.sbdf().slot()
        };
        if let Some(found) = look_up_on_bus(tables, at, slot, pin) {
            // The kernel reroutes what a table says of the device itself, not what is derived.
            let direct = core::ptr::eq(at, device);
            return found.filter(|_| !(direct && is_below_rerouting_bridge(device)));
        }
        pin = pin.swizzle(slot);
        at = at.upstream_bridge()?;
    }
}

/// Returns `true` if the kernel reroutes boot interrupts of a bridge on the way.
fn is_below_rerouting_bridge(device: &pci::Device) -> bool {
    let mut bridges = device.towards_root().skip(1);
    bridges.any(DeviceExt::reroutes_boot_interrupts)
}

/// Looks in the table of the bus that `device` is on. The outer `None` says that the table has no
/// entry. The inner one says that its entry leads nowhere or can't be read; a bridge further up may
/// have another entry then, but not the right one.
fn look_up_on_bus(
    tables: &mut Tables,
    device: &pci::Device,
    slot: u8,
    pin: Pin,
) -> Option<Option<Gsi>> {
    let table = match tables.of(Node::of_bridge_above(device)?) {
        Ok(table) => table?,
        Err(error) => {
            let errno = error.to_errno();
            log_limited!(
                dev_warn,
                device,
                "gsi: ACPI can't tell how interrupts are routed on this bus ({errno})\n"
            );
            return Some(None);
        }
    };
    let entry = table
        .entries()
        .find(|entry| entry_matches(entry.address, entry.pin, slot, pin))?;
    Some(follow(&entry))
}

/// Follows a table entry to its GSI.
fn follow(entry: &PrtEntry<'_>) -> Option<Gsi> {
    match route(entry.names_link(), entry.source_index) {
        Route::Fixed(number) => Some(Gsi {
            number,
            signalling: PCI_SIGNALLING,
        }),
        Route::Link => entry.link()?.current(),
        Route::Unsupported => None,
    }
}
