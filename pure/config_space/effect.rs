// SPDX-License-Identifier: GPL-2.0

//! What is to be done to a device because a guest wrote to its configuration space.

use super::super::bounded::Bounded;
use super::{
    access::{
        Error,
        Place, //
    },
    header::{
        COMMAND,
        COMMAND_INVALIDATE, //
    },
    state::Latched, //
};

/// A power state, by its number in PMCSR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PowerState {
    /// On.
    D0,
    /// Optional.
    D1,
    /// Optional.
    D2,
    /// Off, with its configuration space there.
    D3Hot,
}

/// One thing to be done, by means of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// This is written to the hardware.
    Write { place: Place, value: u32 },
    /// These bits are written to the hardware; the others are written as they are read then.
    Update { place: Place, mask: u32, value: u32 },
    /// `pci_enable_device()`.
    Enable,
    /// `pci_disable_device()`, which leaves decode on.
    Disable,
    /// `pci_set_master()` or `pci_clear_master()`.
    Master(bool),
    /// `pci_set_mwi()` or `pci_clear_mwi()`.
    Invalidate(bool),
    /// `pci_intx()`.
    Intx(bool),
    /// To this power state. A device that loses its addresses and its Command register thereby must
    /// get them back: the guest can't write the former, nor turn decode on.
    Power(PowerState),
}

/// The most that one write can cause: five in the Command register, and one in each byte after it
/// that the administrator opened.
pub(super) type Effects = Bounded<Effect, 8>;

/// What a write is to cause.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(super) effects: Effects,
    pub(super) latched: Latched,
    pub(super) is_ignored: bool,
}

impl Written {
    pub(super) const fn new(latched: Latched) -> Self {
        Self {
            effects: Effects::new(Effect::Disable),
            latched,
            is_ignored: false,
        }
    }

    /// Adds an effect.
    ///
    /// # Errors
    ///
    /// - [`Error::Failed`]: there are too many. Nothing is done then.
    pub(super) fn push(&mut self, effect: Effect) -> Result<(), Error> {
        self.effects.push(effect).map_err(|_| Error::Failed)
    }

    /// Returns `true` if nothing is done because no field is there and the guest isn't permissive:
    /// what the administrator is told once.
    pub(crate) const fn is_ignored(&self) -> bool {
        self.is_ignored
    }

    /// Has `act` do what is to be done, in order, and returns what is latched from now on. After a
    /// failure nothing more is done, and what was latched before stays so.
    ///
    /// # Errors
    ///
    /// - [`Error::AccessDenied`]: the device won't have that power state.
    /// - [`Error::Failed`]: it can't be enabled.
    /// - Those of `act`, if a register can't be written.
    pub(crate) fn carry_out(
        self,
        mut act: impl FnMut(Effect) -> Result<(), Error>,
    ) -> Result<Latched, Error> {
        let mut latched = self.latched;
        // What the kernel refuses is not written to the register either.
        let mut refused = 0u16;
        for effect in self.effects.as_slice() {
            let effect = match *effect {
                Effect::Update { place, mask, value } if place == COMMAND => Effect::Update {
                    place,
                    mask,
                    value: value & !u32::from(refused),
                },
                other => other,
            };
            match (effect, act(effect)) {
                (_, Ok(())) => {}
                // The device works without it.
                (Effect::Invalidate(true), Err(_)) => {
                    refused |= COMMAND_INVALIDATE;
                    latched.command &= !COMMAND_INVALIDATE;
                }
                (Effect::Power(_), Err(_)) => return Err(Error::AccessDenied),
                (Effect::Enable, Err(_)) => return Err(Error::Failed),
                (_, Err(error)) => return Err(error),
            }
        }
        Ok(latched)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::access::Size,
        Effect,
        Error,
        Latched,
        Place,
        Written,
        COMMAND,
        COMMAND_INVALIDATE, //
    };

    #[test]
    fn what_the_kernel_refuses_is_not_written_to_the_register_either() {
        let other = Place::new(0x40, Size::from_bytes(2).unwrap()).unwrap();
        let all = u32::from(u16::MAX);
        for refuses in [false, true] {
            let mut written = Written::new(Latched::new(u16::MAX, 0));
            written.push(Effect::Invalidate(true)).unwrap();
            for place in [COMMAND, other] {
                let (mask, value) = (all, all);
                let update = Effect::Update { place, mask, value };
                written.push(update).unwrap();
            }
            let mut values = Vec::new();
            let latched = written.carry_out(|effect| match effect {
                Effect::Invalidate(true) if refuses => Err(Error::Failed),
                Effect::Update { place, value, .. } => {
                    values.push((place, value));
                    Ok(())
                }
                _ => Ok(()),
            });
            let refused = if refuses { COMMAND_INVALIDATE } else { 0 };
            let left = !refused;
            assert_eq!(values, [(COMMAND, u32::from(left)), (other, all)]);
            assert_eq!(latched.unwrap().command, left);
        }
    }
}
