// SPDX-License-Identifier: GPL-2.0

//! Which IOMMU a device tree gives to a device: the property `iommu-map` of its host bridge, and
//! `iommus` of a node of its own (the bindings `pci-iommu.txt` and `iommu.txt`).
//!
//! The "IOMMU" `xen,grant-dma` says that the other end of the device is not hardware but a backend
//! in another domain, which reaches memory by grants.

/// The most cells that a specifier has (`MAX_PHANDLE_ARGS` of the kernel).
const MOST_CELLS: u32 = 16;

/// A node that is named by a property: its number (phandle).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Phandle(pub(crate) u32);

/// What a device is to its IOMMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IommuSpec {
    /// The IOMMU.
    pub(crate) iommu: Phandle,
    /// How many cells it is told of a device.
    pub(crate) cells: u32,
    /// The first of them; 0 where there is none.
    pub(crate) id: u32,
}

impl IommuSpec {
    /// Returns the domain of the backend, if the IOMMU is `grant_dma`: such a one is told of one
    /// number.
    pub(crate) const fn backend(self, grant_dma: bool) -> Option<u32> {
        if grant_dma && self.cells == 1 {
            Some(self.id)
        } else {
            None
        }
    }
}

/// A property that nobody can make sense of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MalformedMap;

/// The cells of a property: 32 bits each, the highest byte first.
#[derive(Clone, Copy)]
struct Cells<'a>(&'a [u8]);

/// How many bytes a cell has.
const CELL: usize = 4;

impl<'a> Cells<'a> {
    fn new(property: &'a [u8]) -> Result<Self, MalformedMap> {
        if property.len() % CELL != 0 {
            return Err(MalformedMap);
        }
        Ok(Self(property))
    }

    fn get(self, index: usize) -> Result<u32, MalformedMap> {
        let at = index.checked_mul(CELL).ok_or(MalformedMap)?;
        let cell = self.0.get(at..).and_then(<[u8]>::first_chunk);
        cell.map(|cell| u32::from_be_bytes(*cell))
            .ok_or(MalformedMap)
    }

    /// Takes what comes first off.
    fn take(&mut self, count: usize) -> Result<Self, MalformedMap> {
        let length = count.checked_mul(CELL).ok_or(MalformedMap)?;
        let (first, rest) = self.0.split_at_checked(length).ok_or(MalformedMap)?;
        self.0 = rest;
        Ok(Self(first))
    }

    /// Returns `true` if this is a map whose entries have one cell for an IOMMU that wants two: a
    /// mistake that boards have, and that the kernel lets pass (`of_check_bad_map()`).
    fn is_short(self) -> bool {
        let mut entries = self.0.chunks_exact(4 * CELL).map(Cells);
        self.0.len() % (4 * CELL) == 0
            && entries.all(|entry| entry.get(1) == self.get(1) && entry.get(3) == Ok(1))
    }
}

/// Looks the requester ID up in an `iommu-map`; `mask` is `iommu-map-mask`, by default all ones.
/// `wanted` returns how many cells an IOMMU wants (`#iommu-cells`, by default 1), or `None` if
/// there is no such node.
///
/// # Errors
///
/// - [`MalformedMap`]: the map ends in the middle of an entry, an entry has bits that the mask
///   takes away, or names a node that isn't there.
pub(crate) fn look_up(
    map: &[u8],
    mask: u32,
    requester: u16,
    wanted: impl Fn(Phandle) -> Option<u32>,
) -> Result<Option<IommuSpec>, MalformedMap> {
    let mut rest = Cells::new(map)?;
    let masked = u32::from(requester) & mask;
    let short = match rest.get(1) {
        Ok(first) => wanted(Phandle(first)) == Some(2) && rest.is_short(),
        Err(MalformedMap) => false,
    };
    while !rest.0.is_empty() {
        let head = rest.take(2)?;
        let (base, iommu) = (head.get(0)?, Phandle(head.get(1)?));
        let cells = match wanted(iommu) {
            Some(_) if short => 1,
            Some(cells) if cells <= MOST_CELLS => cells,
            _ => return Err(MalformedMap),
        };
        let spec = rest.take(usize::try_from(cells).map_err(|_| MalformedMap)?)?;
        let length = rest.take(1)?.get(0)?;
        if base & !mask != 0 {
            return Err(MalformedMap);
        }
        if let Some(offset) = masked.checked_sub(base).filter(|offset| *offset < length) {
            let id = spec.get(0).unwrap_or(0).wrapping_add(offset);
            return Ok(Some(IommuSpec { iommu, cells, id }));
        }
    }
    Ok(None)
}

/// Returns the first IOMMU that `iommus` names; `wanted` as for [`look_up`].
///
/// # Errors
///
/// - [`MalformedMap`]: it ends in the middle, or names a node that isn't there.
pub(crate) fn first(
    iommus: &[u8],
    wanted: impl Fn(Phandle) -> Option<u32>,
) -> Result<IommuSpec, MalformedMap> {
    let mut rest = Cells::new(iommus)?;
    let iommu = Phandle(rest.take(1)?.get(0)?);
    let cells = wanted(iommu)
        .filter(|cells| *cells <= MOST_CELLS)
        .ok_or(MalformedMap)?;
    let spec = rest.take(usize::try_from(cells).map_err(|_| MalformedMap)?)?;
    Ok(IommuSpec {
        iommu,
        cells,
        id: spec.get(0).unwrap_or(0),
    })
}

#[cfg(test)]
#[path = "iommu_map_tests.rs"]
mod tests;
