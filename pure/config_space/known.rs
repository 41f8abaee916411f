// SPDX-License-Identifier: GPL-2.0

//! The fields of those capabilities that a guest may do something with. All others it may read.

use super::{
    access::{
        Place,
        Size, //
    },
    capabilities::{
        Capabilities,
        Capability,
        MSI,
        MSIX,
        PM,
        VPD, //
    },
    fields::{
        Field,
        FieldTable,
        Refusal,
        Write, //
    }, //
};

/// In PMC: from which states the device can signal (PM 1.2 sec 3.2.3). No guest may use that.
const PMC_PME: u32 = 0xf800;
/// In PMCSR: the power state.
pub(super) const PMCSR_STATE: u32 = 0x0003;
/// In PMCSR: it may signal. The line may be shared with others.
pub(super) const PMCSR_PME_ENABLE: u32 = 0x0100;
/// In PMCSR: it did signal. Writing it back clears it.
pub(super) const PMCSR_PME_STATUS: u32 = 0x8000;
/// In PMCSR: what a guest may write: that, and which data is selected.
pub(super) const PMCSR_GUEST: u32 = PMCSR_PME_STATUS | 0x1e00;
/// In the address of product data: it is written, not read (PCI 3.0 appendix I).
pub(super) const VPD_WRITES: u32 = 0x8000;
/// In the control word of MSI: it is on.
pub(super) const MSI_ENABLE: u32 = 0x0001;
/// In the control word of MSI-X: it is on.
pub(super) const MSIX_ENABLE: u32 = 0x8000;
/// In the control word of MSI-X: all vectors are masked.
pub(super) const MSIX_MASK_ALL: u32 = 0x4000;

/// Returns a place in a capability.
///
/// # Errors
///
/// - [`Refusal::Misplaced`]: it isn't in the first 256 bytes, where a capability must be.
fn inside(capability: u8, offset: u8, size: Size) -> Result<Place, Refusal> {
    capability
        .checked_add(offset)
        .and_then(|at| Place::new(at.into(), size))
        .ok_or(Refusal::Misplaced)
}

/// Returns the place of the control word of MSI or MSI-X.
///
/// # Errors
///
/// - Those of [`inside`].
pub(super) fn control_word(capability: u8) -> Result<Place, Refusal> {
    inside(capability, 2, Size::Word)
}

/// Returns the place of PMCSR.
///
/// # Errors
///
/// - Those of [`inside`].
pub(super) fn power_register(capability: u8) -> Result<Place, Refusal> {
    inside(capability, 4, Size::Word)
}

/// Adds the fields of the first capability of each kind.
///
/// # Errors
///
/// - [`Refusal::Misplaced`]: one isn't in the first 256 bytes.
/// - [`Refusal::Overlap`]: they overlap each other, or another capability begins in them. (What is
///   written there would be written to both.)
pub(super) fn add(table: &mut FieldTable, capabilities: &Capabilities) -> Result<(), Refusal> {
    let vpd: &[_] = &[
        (2, Size::Word, 0xffff, Write::VpdAddress),
        (4, Size::Dword, u32::MAX, Write::ReadOnly),
    ];
    let pm: &[_] = &[
        (2, Size::Word, 0xffff & !PMC_PME, Write::ReadOnly),
        (4, Size::Word, 0xffff, Write::Power),
        (6, Size::Byte, 0xff, Write::ReadOnly),
        (7, Size::Byte, 0xff, Write::ReadOnly),
    ];
    let msi: &[_] = &[(2, Size::Word, 0xffff, Write::Msi)];
    let msix: &[_] = &[(2, Size::Word, 0xffff, Write::Msix)];
    let known = [(VPD, vpd), (PM, pm), (MSI, msi), (MSIX, msix)];
    for (id, fields) in known {
        let Some(at) = capabilities.place_of(id) else {
            continue;
        };
        let header = inside(at, 0, Size::Word)?;
        table.add(Field::hardware(header, 0xffff, Write::ReadOnly))?;
        for (offset, size, bits, write) in fields.iter().copied() {
            table.add(Field::hardware(inside(at, offset, size)?, bits, write))?;
        }
    }
    let has_fields = |one: &Capability| {
        known.iter().any(|(id, _)| *id == one.id) && capabilities.place_of(one.id) == Some(one.at)
    };
    for other in capabilities.iter().filter(|one| !has_fields(one)) {
        let header = inside(other.at, 0, Size::Word)?;
        if table.touched(header).next().is_some() {
            return Err(Refusal::Overlap);
        }
    }
    Ok(())
}
