// SPDX-License-Identifier: GPL-2.0

//! A device as hardware and kernel have it, for the tests of what a frontend sees: registers of
//! which some bits can be written, and what the kernel's functions do to them.

use crate::pure::config_space::{Device, Effect, Error, Place, PowerState, Registers};

/// What goes wrong from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) gone: bool,
    pub(crate) enable: bool,
    pub(crate) invalidate: bool,
    pub(crate) power: bool,
}

/// A device.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) bytes: Vec<u8>,
    /// The bits that can be written.
    pub(crate) writable: Vec<u8>,
    /// Where PMCSR is. Its highest bit is cleared by writing 1.
    pub(crate) power_register: Option<usize>,
    /// The decode that enabling turns on.
    pub(crate) decode: u8,
    pub(crate) enabled: bool,
    pub(crate) master: bool,
    pub(crate) faults: Faults,
    /// What the kernel was asked for.
    pub(crate) calls: Vec<(&'static str, u32)>,
}

impl Machine {
    /// What the hardware makes of a write.
    pub(crate) fn store(&mut self, offset: usize, size: usize, value: u32) {
        for (at, new) in (offset..).zip(value.to_le_bytes()).take(size) {
            let mut mask = self.writable[at];
            let mut new = new;
            if self
                .power_register
                .is_some_and(|register| register + 1 == at)
            {
                mask |= 0x80;
                new = (new & 0x7f) | (self.bytes[at] & !new & 0x80);
            }
            self.bytes[at] = (self.bytes[at] & !mask) | (new & mask);
        }
    }

    pub(crate) fn word(&self, at: usize) -> u32 {
        u32::from(self.bytes[at]) | u32::from(self.bytes[at + 1]) << 8
    }

    /// A bit of the Command register.
    fn command(&mut self, bit: u32, on: bool) {
        let now = self.word(4);
        let new = if on { now | bit } else { now & !bit };
        self.store(4, 2, new);
    }

    pub(crate) fn enable(&mut self) -> bool {
        self.calls.push(("enable", 1));
        assert!(!self.enabled, "enabled twice");
        if self.faults.enable {
            return false;
        }
        self.enabled = true;
        self.command(self.decode.into(), true);
        true
    }

    pub(crate) fn disable(&mut self) {
        self.calls.push(("enable", 0));
        assert!(self.enabled, "disabled twice");
        self.enabled = false;
        self.master = false;
        self.command(4, false);
    }

    pub(crate) fn set_master(&mut self, on: bool) {
        self.calls.push(("master", on.into()));
        self.master = on;
        self.command(4, on);
    }

    pub(crate) fn set_invalidate(&mut self, on: bool) -> bool {
        self.calls.push(("invalidate", on.into()));
        if on && self.faults.invalidate {
            return false;
        }
        self.command(0x10, on);
        true
    }

    pub(crate) fn set_intx(&mut self, on: bool) {
        self.calls.push(("intx", on.into()));
        self.command(0x400, !on);
    }

    pub(crate) fn set_power(&mut self, state: u32) -> bool {
        self.calls.push(("power", state));
        if self.faults.power {
            return false;
        }
        if let Some(at) = self.power_register {
            let other = self.word(at) & !0x8003; // Its status stays.
            self.store(at, 2, other | state);
        }
        true
    }

    /// Does what the driver decided on, as kapi does.
    pub(crate) fn act(&mut self, effect: Effect) -> Result<(), Error> {
        let done = |done: bool| done.then_some(()).ok_or(Error::Failed);
        match effect {
            Effect::Write { place, value } => {
                if self.faults.gone {
                    return Err(Error::DeviceNotFound);
                }
                let size = place.size().bytes();
                self.store(place.offset().into(), size.into(), value);
            }
            Effect::Update { place, mask, value } => {
                assert_eq!(value & !mask, 0);
                let value = (self.read(place)? & !mask) | value;
                self.act(Effect::Write { place, value })?;
            }
            Effect::Enable => done(self.enable())?,
            Effect::Disable => self.disable(),
            Effect::Master(on) => self.set_master(on),
            Effect::Invalidate(on) => done(self.set_invalidate(on))?,
            Effect::Intx(on) => self.set_intx(on),
            Effect::Power(state) => done(self.set_power(match state {
                PowerState::D0 => 0,
                PowerState::D1 => 1,
                PowerState::D2 => 2,
                PowerState::D3Hot => 3,
            }))?,
        }
        Ok(())
    }
}

impl Registers for Machine {
    fn read(&self, place: Place) -> Result<u32, Error> {
        if self.faults.gone {
            return Err(Error::DeviceNotFound);
        }
        let range = usize::from(place.offset())..usize::from(place.end());
        let bytes = &self.bytes[range];
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }
}

impl Device for Machine {
    fn is_enabled(&self) -> bool {
        self.enabled
    }

    fn is_master(&self) -> bool {
        self.master
    }
}
