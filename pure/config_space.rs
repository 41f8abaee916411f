// SPDX-License-Identifier: GPL-2.0

//! The configuration space that the guest of a PV frontend sees of a device.
//!
//! It is described by data: a table of fields, made when a frontend connects, from the header, the
//! resources and the capabilities, says what is read in each and what a write does. Fields never
//! overlap. A write that touches fields is for these only; one that covers a part of a field keeps
//! the rest of it. What is in no field is read from the hardware and written only by permissive
//! guests. The rules are those of the C driver (drivers/xen/xen-pciback/conf_space*.c);
//! Documentation/pv-frontends.md says where they differ.
//!
//! The header ("permissive" and "control" are the administrator's [`Rights`]):
//!
//! - 00, 02 Vendor, Device: what the kernel knows. A write is ignored.
//! - 04 Command: bits 2bc as the hardware has them, others as written last. Decode enables the
//!   device, or disables it, which leaves decode on in the hardware; mastering and MWI go to the
//!   kernel; others are latched. permissive: bits 2bc are written. control: bit 10 switches INTx.
//! - 06 Status: the hardware's. permissive: written, if Command isn't.
//! - 0c Cache Line Size: written.
//! - 0d Latency Timer, 3c Interrupt Line (the guest's), 3d Interrupt Pin: a write is ignored.
//! - 0f BIST: written, if only bit 6 changes, or if it is 40.
//! - 10-27 BARs (bridges: 10-17), 30 ROM (bridges: 38): the kernel's address, or the size if all
//!   ones were written last. A write is latched; the address is written where the hardware lost it.
//! - 34 Capabilities: the first one, as found at the claim.
//!
//! Capabilities, by the offset in each:
//!
//! - 1: the next one, as found at the claim. permissive: written, but for the four below.
//! - PM, VPD, MSI, MSI-X 0: a write is ignored.
//! - PM 2: without bits f800 (PME). PM 4: bits 1e00 are written, PME_Status is cleared by 1, the
//!   power state is the kernel's to change. PM 6, 7: a write is ignored.
//! - VPD 2: written; refused with bit 15. VPD 4: a write is ignored.
//! - MSI 2, MSI-X 2: a change is refused. permissive: written. control: bit 0, and bits c000, are
//!   switched, unless the other kind is on.
//!
//! A field that the administrator opens (`quirks`) is read from and written to the hardware. When a
//! use begins, PME is turned off.
//!
//! Nothing here touches a device. Reading asks for what the hardware says; a write returns at most
//! eight effects, to be carried out in order; after a failure nothing more is done or latched.

mod access;
mod bar;
mod capabilities;
mod device;
mod effect;
mod fields;
mod header;
mod known;
mod state;
mod write;

use super::config_field::ConfigField;
use capabilities::{
    Capabilities,
    PM, //
};
use fields::{
    Field,
    FieldTable,
    Write, //
};
use header::COMMAND;
use known::{
    power_register,
    PMCSR_PME_ENABLE, //
};
use write::Decision;

pub(crate) use access::{
    Error,
    Extent,
    Place,
    Size, //
};
pub(crate) use bar::Resource;
pub(crate) use device::{
    Device,
    Registers,
    Rights, //
};
pub(crate) use effect::{
    Effect,
    PowerState,
    Written, //
};
pub(crate) use fields::Refusal;
pub(crate) use header::{
    Identity,
    Layout, //
};
pub(crate) use state::Latched;

/// Why a device can't be shown to PV guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It can't be read.
    Unreadable(Error),
    /// Its capabilities overlap, or leave the configuration space.
    Capabilities(Refusal),
}

impl From<Error> for Unfit {
    fn from(error: Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Refusal> for Unfit {
    fn from(refusal: Refusal) -> Self {
        Self::Capabilities(refusal)
    }
}

/// The configuration space of a claimed device. It lasts as long as the claim; what a guest
/// changes is in [`Latched`].
#[derive(Clone, Debug)]
pub(crate) struct ConfigSpace {
    capabilities: Capabilities,
    table: FieldTable,
}

impl ConfigSpace {
    /// A device of which nothing is known: it is to be [described](Self::describe).
    pub(crate) const EMPTY: Self = Self {
        capabilities: Capabilities::NONE,
        table: FieldTable::new(),
    };

    /// Describes a device, once. (It is too large to be returned: the stack is small.)
    ///
    /// # Errors
    ///
    /// - [`Unfit::Unreadable`]: the device doesn't answer.
    /// - [`Unfit::Capabilities`]: what it says of its capabilities can't be.
    pub(crate) fn describe(
        &mut self,
        identity: &Identity,
        registers: &impl Registers,
    ) -> Result<(), Unfit> {
        self.capabilities = Capabilities::find_all(registers)?;
        header::add(&mut self.table, identity)?;
        known::add(&mut self.table, &self.capabilities)?;
        Ok(())
    }

    /// Opens a field for guests, as the administrator wishes (`quirks`). All its bits are: what is
    /// called its mask has never restricted anything.
    ///
    /// # Errors
    ///
    /// - [`Refusal::Misplaced`]: no aligned field of the configuration space.
    /// - [`Refusal::Overlap`]: its bytes, or some, have rules already.
    /// - [`Refusal::Full`]: there are too many.
    pub(crate) fn open(&mut self, field: ConfigField) -> Result<(), Refusal> {
        let size = Size::from_bytes(field.size.into()).ok_or(Refusal::Misplaced)?;
        let place = Place::new(field.offset, size).ok_or(Refusal::Misplaced)?;
        let field = Field::hardware(place, size.mask(), Write::Hardware);
        self.table.add(field)
    }

    /// Begins a guest's use of the device: what is latched then, and what is to be done first. No
    /// guest's device signals power management events, whose line may be shared.
    ///
    /// # Errors
    ///
    /// - Those of reading.
    pub(crate) fn begin(
        &self,
        interrupt_line: u8,
        registers: &impl Registers,
    ) -> Result<Written, Error> {
        // CAST: The register has 16 bits.
        let command = registers.read(COMMAND)? as u16;
        let mut begun = Written::new(Latched::new(command, interrupt_line));
        if let Some(Ok(place)) = self.capabilities.place_of(PM).map(power_register) {
            if registers.read(place)? & PMCSR_PME_ENABLE != 0 {
                begun.push(Effect::Update {
                    place,
                    mask: PMCSR_PME_ENABLE,
                    value: 0,
                })?;
            }
        }
        Ok(begun)
    }

    /// Returns what a guest reads. The hardware is asked once, if it has a say.
    ///
    /// # Errors
    ///
    /// - Those of reading.
    pub(crate) fn read(
        &self,
        latched: &Latched,
        place: Place,
        registers: &impl Registers,
    ) -> Result<u32, Error> {
        self.compose(latched, place, || {
            let hardware = registers.read(place)?;
            Ok(self.capabilities.with_pointers(place, hardware))
        })
    }

    /// Puts together what fields say and, if it has a say, the hardware.
    fn compose(
        &self,
        latched: &Latched,
        place: Place,
        hardware: impl FnOnce() -> Result<u32, Error>,
    ) -> Result<u32, Error> {
        let (mut from_hardware, mut known) = (place.size().mask(), 0);
        for field in self.table.touched(place) {
            let answer = field.read.answer(latched);
            from_hardware = place.merged(from_hardware, field.place, answer.from_hardware);
            known = place.merged(known, field.place, answer.known);
        }
        if from_hardware == 0 {
            return Ok(known);
        }
        Ok(hardware()? & from_hardware | known)
    }

    /// Returns what a guest's write is to cause. Fields that are written in part keep the rest.
    ///
    /// # Errors
    ///
    /// - [`Error::AccessDenied`]: it may not write that.
    /// - [`Error::Failed`]: there would be too many effects.
    /// - Those of reading.
    pub(crate) fn write(
        &self,
        latched: &Latched,
        rights: Rights,
        place: Place,
        value: u32,
        device: &impl Device,
    ) -> Result<Written, Error> {
        let mut written = Written::new(*latched);
        let decision = Decision {
            capabilities: &self.capabilities,
            device,
            rights,
        };
        let mut fields = self.table.touched(place).peekable();
        if fields.peek().is_none() {
            let value = value & place.size().mask();
            written.is_ignored = !rights.permissive;
            if rights.permissive {
                written.push(Effect::Write { place, value })?;
            }
        }
        for field in fields {
            if field.write != Write::ReadOnly {
                // No pointer that only guests see gets into the hardware.
                let before = self.compose(latched, field.place, || device.read(field.place))?;
                let value = field.place.merged(before, place, value);
                decision.field(&mut written, *field, value)?;
            }
        }
        Ok(written)
    }
}
