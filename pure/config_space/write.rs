// SPDX-License-Identifier: GPL-2.0

//! What a write to a field is to cause.

use super::{
    access::{
        Error,
        Place, //
    },
    bar::Bar,
    capabilities::{
        Capabilities,
        MSI,
        MSIX, //
    },
    device::{
        Device,
        Rights, //
    },
    effect::{
        Effect,
        PowerState,
        Written, //
    },
    fields::{
        Field,
        Write,
        COMMAND_GUEST, //
    },
    header::{
        BIST_START,
        COMMAND_DECODE,
        COMMAND_INTX_DISABLE,
        COMMAND_INVALIDATE,
        COMMAND_MASTER, //
    },
    known::{
        control_word,
        MSIX_ENABLE,
        MSIX_MASK_ALL,
        MSI_ENABLE,
        PMCSR_GUEST,
        PMCSR_PME_STATUS,
        PMCSR_STATE,
        VPD_WRITES, //
    }, //
};

/// The two kinds of message signalled interrupts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Messages {
    Msi,
    Msix,
}

/// A write that is being decided on.
pub(super) struct Decision<'a, D> {
    pub(super) capabilities: &'a Capabilities,
    pub(super) device: &'a D,
    pub(super) rights: Rights,
}

impl<D: Device> Decision<'_, D> {
    /// Decides on a field that is to hold `value`.
    ///
    /// # Errors
    ///
    /// - [`Error::AccessDenied`]: the guest may not write that.
    /// - [`Error::Failed`]: there would be too many effects.
    /// - Those of reading.
    pub(super) fn field(
        &self,
        written: &mut Written,
        field: Field,
        value: u32,
    ) -> Result<(), Error> {
        let place = field.place;
        match field.write {
            Write::ReadOnly => Ok(()),
            Write::Hardware => written.push(Effect::Write { place, value }),
            // CAST: The field has 16 bits.
            Write::Command => self.command(written, place, value as u16),
            Write::Bist => self.bist(written, place, value),
            Write::Bar(bar) => self.bar(written, place, bar, value),
            Write::Power => self.power(written, place, value),
            Write::Msi => self.messages(written, place, Messages::Msi, value),
            Write::Msix => self.messages(written, place, Messages::Msix, value),
            Write::VpdAddress if value & VPD_WRITES != 0 => Err(Error::AccessDenied),
            Write::VpdAddress => written.push(Effect::Write { place, value }),
        }
    }

    /// Each bit that the kernel manages is changed by the kernel. Decode is never turned off.
    fn command(&self, written: &mut Written, place: Place, value: u16) -> Result<(), Error> {
        let decodes = value & COMMAND_DECODE != 0;
        let mut is_master = self.device.is_master();
        match (self.device.is_enabled(), decodes) {
            (false, true) => written.push(Effect::Enable)?,
            (true, false) => {
                written.push(Effect::Disable)?;
                is_master = false; // The kernel does that along with it.
            }
            (false, false) | (true, true) => {}
        }
        let masters = value & COMMAND_MASTER != 0;
        if masters != is_master {
            written.push(Effect::Master(masters))?;
        }
        let changed = written.latched.command ^ value;
        if changed & COMMAND_INVALIDATE != 0 {
            written.push(Effect::Invalidate(value & COMMAND_INVALIDATE != 0))?;
        }
        if changed & COMMAND_INTX_DISABLE != 0 && self.rights.interrupt_control {
            written.push(Effect::Intx(value & COMMAND_INTX_DISABLE == 0))?;
        }
        written.latched.command = value;
        if self.rights.permissive {
            // What is above changes the register, so its other bits are read only then.
            written.push(Effect::Update {
                place,
                mask: COMMAND_GUEST.into(),
                value: (value & COMMAND_GUEST).into(),
            })?;
        }
        Ok(())
    }

    /// A self-test may be started, and nothing else changed.
    fn bist(&self, written: &mut Written, place: Place, value: u32) -> Result<(), Error> {
        let now = self.device.read(place)?;
        if now & !BIST_START == value & !BIST_START || value == BIST_START {
            written.push(Effect::Write { place, value })?;
        }
        Ok(())
    }

    /// All ones ask for the size. Anything else ends that; the device's own address, where the
    /// hardware has lost it, is written as well.
    fn bar(&self, written: &mut Written, place: Place, bar: Bar, value: u32) -> Result<(), Error> {
        let asks = bar.asks_for_size(value);
        written.latched.show_size(bar.number, asks);
        if !asks && bar.is_there && value == bar.value && self.device.read(place)? != value {
            written.push(Effect::Write { place, value })?;
        }
        Ok(())
    }

    /// The kernel sets the state; that the device signals is never turned on.
    ///
    /// # Errors
    ///
    /// - [`Error::DeviceNotFound`]: it doesn't answer.
    fn power(&self, written: &mut Written, place: Place, value: u32) -> Result<(), Error> {
        let now = self.device.read(place)?;
        // All ones, which is no value of it: the device doesn't answer. The kernel would log that
        // each time.
        if now == place.size().mask() {
            return Err(Error::DeviceNotFound);
        }
        let changes = (now ^ value) & PMCSR_GUEST != 0;
        if changes || value & PMCSR_PME_STATUS != 0 {
            written.push(Effect::Update {
                place,
                mask: PMCSR_GUEST,
                value: value & PMCSR_GUEST,
            })?;
        }
        written.push(Effect::Power(match value & PMCSR_STATE {
            0 => PowerState::D0,
            1 => PowerState::D1,
            2 => PowerState::D2,
            _ => PowerState::D3Hot,
        }))
    }

    /// On and off, with leave; never both kinds at the same time.
    fn messages(
        &self,
        written: &mut Written,
        place: Place,
        kind: Messages,
        value: u32,
    ) -> Result<(), Error> {
        let effect = Effect::Write { place, value };
        if self.rights.permissive {
            return written.push(effect);
        }
        let now = self.device.read(place)?;
        if now == value {
            return Ok(());
        }
        let (enable, allowed, other) = match kind {
            Messages::Msi => (MSI_ENABLE, MSI_ENABLE, Messages::Msix),
            Messages::Msix => (MSIX_ENABLE, MSIX_ENABLE | MSIX_MASK_ALL, Messages::Msi),
        };
        if !self.rights.interrupt_control || (now ^ value) & !allowed != 0 {
            return Err(Error::AccessDenied);
        }
        // INTx may still be on: a device that sends messages doesn't use its pin (PCI 3.0 sec
        // 6.8.3.3), and Linux turns them on first.
        if value & enable != 0 && self.is_on(other)? {
            return Err(Error::AccessDenied);
        }
        written.push(effect)
    }

    fn is_on(&self, kind: Messages) -> Result<bool, Error> {
        let (id, enable) = match kind {
            Messages::Msi => (MSI, MSI_ENABLE),
            Messages::Msix => (MSIX, MSIX_ENABLE),
        };
        let place = self.capabilities.place_of(id).map(control_word);
        match place {
            Some(Ok(place)) => Ok(self.device.read(place)? & enable != 0),
            Some(Err(_)) | None => Ok(false), // The device has no such capability.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            access::Size,
            device::Registers,
            state::Latched, //
        },
        Capabilities,
        Decision,
        Device,
        Effect,
        Error,
        Field,
        Place,
        PowerState,
        Rights,
        Write,
        Written, //
    };

    /// A device whose registers all read as this.
    struct Reads(u32);

    impl Registers for Reads {
        fn read(&self, _: Place) -> Result<u32, Error> {
            Ok(self.0)
        }
    }

    impl Device for Reads {
        fn is_enabled(&self) -> bool {
            true
        }

        fn is_master(&self) -> bool {
            false
        }
    }

    /// What a write of `value` to a register that reads as `now` causes.
    fn effects(write: Write, bytes: u32, now: u32, value: u32) -> Vec<Effect> {
        let place = Place::new(0x40, Size::from_bytes(bytes).unwrap()).unwrap();
        let decision = Decision {
            capabilities: &Capabilities::NONE,
            device: &Reads(now),
            rights: Rights::default(),
        };
        let mut written = Written::new(Latched::new(0, 0));
        let field = Field::hardware(place, place.size().mask(), write);
        decision.field(&mut written, field, value).unwrap();
        let mut effects = Vec::new();
        let latched = written.carry_out(|effect| {
            effects.push(effect);
            Ok(())
        });
        latched.unwrap();
        effects
    }

    #[test]
    fn a_self_test_is_started_and_nothing_else_changed() {
        let written = |now, value| effects(Write::Bist, 1, now, value).len();
        assert_eq!(written(0x80, 0xc0), 1, "start");
        assert_eq!(written(0xc0, 0x80), 1, "stop");
        assert_eq!(written(0x80, 0x80), 1, "the same");
        assert_eq!(written(0x8f, 0x40), 1, "start, whatever it reads");
        assert_eq!(written(0x80, 0x81), 0, "another bit");
        assert_eq!(written(0x80, 0xc1), 0, "start, and another bit");
    }

    #[test]
    fn only_what_changes_in_a_power_register_is_written() {
        let state = |now, value| match effects(Write::Power, 2, now, value)[..] {
            [Effect::Power(state)] => (None, state),
            [Effect::Update { mask, value, .. }, Effect::Power(state)] => {
                (Some((mask, value)), state)
            }
            ref other => panic!("{other:?}"),
        };
        assert_eq!(state(0x0003, 0x0000), (None, PowerState::D0));
        assert_eq!(state(0x1e00, 0x1e01), (None, PowerState::D1));
        assert_eq!(
            state(0x0000, 0x0202),
            (Some((0x9e00, 0x0200)), PowerState::D2)
        );
        assert_eq!(
            state(0x1e03, 0x0003),
            (Some((0x9e00, 0x0000)), PowerState::D3Hot)
        );
        // Writing a one clears the status.
        assert_eq!(
            state(0x8000, 0x8000),
            (Some((0x9e00, 0x8000)), PowerState::D0)
        );
    }
}
