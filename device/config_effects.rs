// SPDX-License-Identifier: GPL-2.0

//! The hardware behind the configuration space that a guest sees: what is read, and how the effects
//! of a write are carried out.

use super::{
    claimed::Claimed,
    command::Command,
    intx,
    power, //
};
use crate::{
    kapi::{
        log::log_limited,
        pci::{
            DeviceExt,
            Header,
            Locked,
            Region,
            Unlocked, //
        },
    },
    pure::config_space::{
        Device,
        Effect,
        Error,
        Extent,
        Identity,
        Layout,
        Place,
        PowerState,
        Registers,
        Resource,
        Size, //
    },
};
use kernel::{
    ffi::c_int,
    prelude::*, //
};

/// A device that a guest uses, while its lock is held.
pub(crate) struct Hardware<'a> {
    claimed: &'a Claimed,
    locked: &'a Locked<'a>,
    /// What its use has come to.
    pub(crate) guest_use: GuestUse,
}

/// What a guest's use of a device has come to.
#[derive(Clone, Copy)]
pub(crate) struct GuestUse {
    /// The guest has the device enabled. (For the kernel none is: the claim only leaves it
    /// decoding.)
    enabled: bool,
    /// It didn't go to a power state, and is told no more, but to wake.
    is_stuck: bool,
    /// The administrator was told of that.
    told: bool,
}

impl GuestUse {
    /// As the guest finds it: a claimed device decodes.
    pub(crate) const BEGUN: Self = Self {
        enabled: true,
        is_stuck: false,
        told: false,
    };
}

impl<'a> Hardware<'a> {
    /// `locked` must be the claimed device.
    pub(crate) fn new(claimed: &'a Claimed, locked: &'a Locked<'a>, guest_use: GuestUse) -> Self {
        Self {
            claimed,
            locked,
            guest_use,
        }
    }

    /// Returns how much configuration space there is.
    pub(crate) fn extent(&self) -> Extent {
        if self.locked.config_size() > 0x100 {
            Extent::Extended
        } else {
            Extent::Conventional
        }
    }

    /// Returns what the kernel knows of the device.
    pub(crate) fn identity(&self) -> Identity {
        let device = self.locked.device();
        let resource = |register| {
            let Region {
                space,
                address,
                size,
                flags,
            } = self.locked.region(register)?;
            Some(Resource {
                address,
                size,
                space,
                flags,
            })
        };
        Identity {
            vendor: device.vendor_id().as_raw(),
            device: device.device_id(),
            layout: match device.header() {
                Header::Bridge => Layout::Bridge,
                Header::Normal | Header::Other => Layout::Endpoint,
            },
            resources: [0, 1, 2, 3, 4, 5].map(resource),
            rom: resource(Locked::ROM),
        }
    }

    /// Carries out one effect of a write.
    ///
    /// # Errors
    ///
    /// - [`Error::DeviceNotFound`]: the device is gone, or its link is being reset.
    /// - [`Error::Failed`]: the kernel refuses.
    pub(crate) fn act(&mut self, effect: Effect) -> Result<(), Error> {
        let locked = self.locked;
        if let Effect::Write { place, value } = effect {
            return self.write(place, value);
        }
        // What is below writes back what it reads: never all ones.
        Command::read(locked).ok_or(Error::DeviceNotFound)?;
        match effect {
            Effect::Write { .. } => Ok(()), // As above.
            Effect::Update { place, mask, value } => {
                let before = self.read(place)?;
                if before == place.size().mask() {
                    return Err(Error::DeviceNotFound);
                }
                self.write(place, before & !mask | value & mask)
            }
            Effect::Enable => {
                self.claimed.saved.restore_decode(locked);
                self.guest_use.enabled = true;
                Ok(())
            }
            Effect::Disable => {
                locked.set_master(false);
                self.guest_use.enabled = false;
                Ok(())
            }
            Effect::Master(on) => {
                locked.set_master(on);
                Ok(())
            }
            Effect::Invalidate(on) => locked.set_invalidate(on).map_err(|_| Error::Failed),
            Effect::Intx(on) => {
                locked.set_intx(on && intx::is_allowed(self.claimed));
                Ok(())
            }
            Effect::Power(state) if self.guest_use.is_stuck && state != PowerState::D0 => {
                Err(Error::Failed)
            }
            Effect::Power(state) => {
                let result = power::set(self.claimed, locked, state);
                self.guest_use.is_stuck = match result {
                    // It may be asked for a state that it hasn't.
                    Ok(()) | Err(EINVAL) => false,
                    Err(error) => {
                        self.tell_stuck(error);
                        true
                    }
                };
                result.map_err(|_| Error::Failed)
            }
        }
    }

    /// Tells the administrator, once in each use.
    fn tell_stuck(&mut self, error: kernel::error::Error) {
        if !core::mem::replace(&mut self.guest_use.told, true) {
            log_limited!(
                dev_warn,
                self.locked.device(),
                "doesn't go to the power state that its guest asks for ({})\n",
                error.to_errno()
            );
        }
    }

    fn write(&self, place: Place, value: u32) -> Result<(), Error> {
        let offset = self.offset(place)?;
        // CAST: As many bits as the register has.
        match place.size() {
            Size::Byte => self.locked.write_u8(offset, value as u8),
            Size::Word => self.locked.write_u16(offset, value as u16),
            Size::Dword => self.locked.write_u32(offset, value),
        }
        Ok(())
    }

    /// Returns the offset for an access to a device that is there.
    fn offset(&self, place: Place) -> Result<c_int, Error> {
        if self.locked.device().is_disconnected() {
            return Err(Error::DeviceNotFound);
        }
        Ok(place.offset().into())
    }
}

impl Registers for Hardware<'_> {
    fn read(&self, place: Place) -> Result<u32, Error> {
        let offset = self.offset(place)?;
        Ok(match place.size() {
            Size::Byte => self.locked.read_u8(offset).into(),
            Size::Word => self.locked.read_u16(offset).into(),
            Size::Dword => self.locked.read_u32(offset),
        })
    }
}

impl Device for Hardware<'_> {
    fn is_enabled(&self) -> bool {
        self.guest_use.enabled
    }

    fn is_master(&self) -> bool {
        Command::read(self.locked).is_some_and(Command::masters)
    }
}
