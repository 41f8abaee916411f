// SPDX-License-Identifier: GPL-2.0

//! The configuration space that the guest of a PV frontend sees of a device.
//!
//! It is described by data: a table of fields, made at the claim from the header, the resources
//! and the capabilities, says what is read in each and what a write does. What is in no field is
//! read from the hardware and written only by permissive guests. The rules are those of the C
//! driver (drivers/xen/xen-pciback/conf_space*.c); Documentation/config-space.md lists them, and
//! where they differ.
//!
//! Nothing here touches a device. Reading asks for what the hardware says; a write returns what
//! is to be done.

mod access;
mod bounded;
mod capabilities;
mod effect;
mod fields;
mod header;
mod known;
mod state;
mod write;

use super::{
    base_address::Space,
    config_field::ConfigField, //
};
use capabilities::{
    Capabilities,
    PM, //
};
use fields::{
    Field,
    Table,
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
pub(crate) use effect::{
    Effect,
    PowerState,
    Written, //
};
pub(crate) use fields::Refusal;
pub(crate) use header::{
    Identity,
    Layout,
    Resource, //
};
pub(crate) use state::Latched;

/// The configuration space of the hardware.
pub(crate) trait Registers {
    /// Reads so many bytes there.
    ///
    /// # Errors
    ///
    /// - [`Error::DeviceNotFound`]: the device is gone.
    /// - [`Error::Failed`]: the kernel can't read it.
    fn read(&self, place: Place) -> Result<u32, Error>;
}

/// A device, with what the kernel knows of it.
pub(crate) trait Device: Registers {
    /// Returns `true` if the kernel has it enabled (`pci_is_enabled()`).
    fn is_enabled(&self) -> bool;

    /// Returns `true` if the kernel has it as a bus master (`is_busmaster`).
    fn is_master(&self) -> bool;
}

/// What the administrator allows the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    /// Writing what is in no field, and more bits of some that are.
    pub(crate) permissive: bool,
    /// Turning MSI, MSI-X and INTx on and off by itself.
    pub(crate) interrupt_control: bool,
}

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
    table: Table,
}

impl ConfigSpace {
    /// Describes a device.
    ///
    /// # Errors
    ///
    /// - [`Unfit::Unreadable`]: the device doesn't answer.
    /// - [`Unfit::Capabilities`]: what it says of its capabilities can't be.
    pub(crate) fn new(identity: &Identity, registers: &impl Registers) -> Result<Self, Unfit> {
        let capabilities = Capabilities::find_all(registers)?;
        let mut table = Table::new();
        header::add(&mut table, identity)?;
        known::add(&mut table, &capabilities)?;
        Ok(Self {
            capabilities,
            table,
        })
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
            space: self,
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
