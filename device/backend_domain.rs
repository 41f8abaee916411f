// SPDX-License-Identifier: GPL-2.0

//! Whether a device is a backend's in another domain, and whose. On a host that is described by
//! device tree, dom0 may have virtio devices that another domain offers it: their DMA goes by
//! grants, which no guest of dom0's can make. They are never given away.
//!
//! A device tree says so by an IOMMU that is compatible with `xen,grant-dma`, which the device's
//! own node names (`iommus`), or the map of its host bridge (`iommu-map`): each device below it may
//! have another. The kernel looks in the map only, if it is a PCI device
//! (drivers/xen/grant-dma-ops.c); here either is enough.

use crate::{
    kapi::{
        compat::device_tree::DeviceNode,
        pci::{
            DeviceExt,
            Locked,
            Registered, //
        },
    },
    pure::iommu_map::{
        self,
        IommuSpec,
        MalformedMap,
        Phandle, //
    },
};
use kernel::prelude::*;

/// Returns the domain that has the device's backend; `None` for hardware.
///
/// # Errors
///
/// - `EINVAL`: a property that says so is malformed.
/// - `ENODEV`: the device has no driver, so it may be gone.
pub(crate) fn backend_domain(locked: &Locked<'_>) -> Result<Option<u32>> {
    let device = locked.registered().ok_or(ENODEV)?;
    for spec in [own(locked), mapped(device)] {
        let spec = spec.map_err(|MalformedMap| EINVAL)?;
        if let Some(domain) = spec.and_then(|spec| spec.backend(is_grant_dma(spec.iommu))) {
            return Ok(Some(domain));
        }
    }
    Ok(None)
}

/// What a node of the device's own says.
fn own(locked: &Locked<'_>) -> Result<Option<IommuSpec>, MalformedMap> {
    let node = DeviceNode::of_device(locked);
    match node.as_ref().and_then(|node| node.property(c"iommus")) {
        Some(iommus) => iommu_map::first(iommus, cells).map(Some),
        None => Ok(None),
    }
}

/// What the host bridge says of the device.
fn mapped(device: Registered<'_>) -> Result<Option<IommuSpec>, MalformedMap> {
    let Some(bridge) = DeviceNode::of_host_bridge(device) else {
        return Ok(None);
    };
    let Some(map) = bridge.property(c"iommu-map") else {
        return Ok(None);
    };
    let mask = match bridge.property(c"iommu-map-mask") {
        Some(mask) => cell(mask).ok_or(MalformedMap)?,
        None => u32::MAX,
    };
    let sbdf = device.sbdf();
    let requester = u16::from_be_bytes([sbdf.bus(), sbdf.devfn()]);
    iommu_map::look_up(map, mask, requester, cells)
}

/// Returns the number that a property of one cell has.
fn cell(property: &[u8]) -> Option<u32> {
    property.first_chunk().map(|cell| u32::from_be_bytes(*cell))
}

/// Returns how many cells an IOMMU wants; one that doesn't say wants one, as to the kernel.
fn cells(iommu: Phandle) -> Option<u32> {
    let node = DeviceNode::by_phandle(iommu.0)?;
    Some(node.property(c"#iommu-cells").and_then(cell).unwrap_or(1))
}

fn is_grant_dma(iommu: Phandle) -> bool {
    DeviceNode::by_phandle(iommu.0).is_some_and(|node| node.is_compatible(c"xen,grant-dma"))
}
