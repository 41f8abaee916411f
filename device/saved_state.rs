// SPDX-License-Identifier: GPL-2.0

//! Saved configuration space.

use super::{
    ats::AtsControl,
    bars::Bars,
    command::Command, //
};
use crate::kapi::{
    fault,
    global::global,
    pci::{
        CfgLocked,
        Locked,
        StoredState, //
    },
};
use kernel::prelude::*;

global! {
    /// Held while a configuration is written back. The kernel then also writes to the port above,
    /// for power saving of the link (`pci_restore_aspm_l1ss_state()`). Other devices below the port
    /// share these registers, and the port's lock can't be taken after theirs.
    static RESTORING(RESTORING_STATE): Mutex<()> = ();
}

/// A copy of a device's configuration, and what shows whether a restore worked.
pub(crate) struct SavedState {
    stored: StoredState,
    header: [u32; 16],
    command: Command,
}

impl SavedState {
    /// Saves the configuration as it is now.
    ///
    /// # Errors
    ///
    /// - `EIO`: the device doesn't answer.
    /// - `ENODEV`: it may have been removed.
    /// - `ENOMEM`: no memory.
    /// - The errno of `pci_save_state()`.
    pub(crate) fn save(locked: &Locked<'_>) -> Result<Self> {
        locked.check_there()?;
        fault::point("pci_save_state")?;
        locked.save_state()?;
        let header = locked.saved_header();
        let [_, command_and_status, ..] = header;
        // CAST: The register is the lower half.
        let command = Command::of(command_and_status as u16).ok_or(EIO)?;
        Ok(Self {
            stored: StoredState::of(locked)?,
            header,
            command,
        })
    }

    /// Returns what the Command register held.
    pub(crate) fn command(&self) -> Command {
        self.command
    }

    /// Returns what a byte of the header held; all ones where there is none.
    pub(crate) fn byte(&self, offset: u32) -> u16 {
        let mut bytes = self.header.iter().copied().flat_map(u32::to_le_bytes);
        bytes.nth(offset as usize).unwrap_or(u8::MAX).into()
    }

    /// Writes the saved configuration back, BARs before the Command register, and once more if the
    /// device didn't take it. One that doesn't take it then decodes nothing: its addresses may be
    /// somebody else's.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the kernel keeps other capabilities of the device than those saved.
    /// - `EIO`: the device doesn't answer, or didn't take its BARs or decode bits back.
    /// - `ENODEV`: it may have been removed; nothing was written.
    pub(crate) fn restore(&self, locked: &Locked<'_>, quiet: Quiet) -> Result {
        locked.check_there()?;
        if !quiet.is_seen {
            Command::QUIET.write(locked);
        }
        self.write_back(locked, &quiet)
            .or_else(|_| {
                Command::QUIET.write(locked);
                self.write_back(locked, &quiet)
            })
            .inspect_err(|_| Command::QUIET.write(locked))
    }

    /// Turns decode on again as it was when the state was saved. Does nothing if the BARs aren't
    /// those of that time.
    pub(crate) fn restore_decode(&self, locked: &Locked<'_>) {
        if let Some(now) = Command::read(locked) {
            if !now.decodes_like(self.command) && Bars::of(&self.header).are_in(locked) {
                now.with_decode_of(self.command).write(locked);
            }
        }
    }

    /// Writes the BARs of a device that has lost them, and turns decode on as
    /// [`restore_decode`](Self::restore_decode) does.
    pub(crate) fn restore_addresses(&self, locked: &Locked<'_>) {
        if let (Some(now), false) = (Command::read(locked), locked.has_addresses()) {
            // Xen's vPCI ignores writes to the BARs of a device that it believes to decode.
            now.with_decode_of(Command::QUIET).write(locked);
            locked.write_addresses();
        }
        self.restore_decode(locked);
    }

    fn write_back(&self, locked: &Locked<'_>, quiet: &Quiet) -> Result {
        self.stored.load(locked)?;
        {
            let _restoring = RESTORING.lock();
            locked.restore_state()?;
        }
        if let Some(ats) = &quiet.ats {
            ats.restore(locked);
        }
        locked.clear_device_status();
        match Command::read(locked) {
            Some(now)
                if now.decodes_like(self.command) && Bars::of(&self.header).are_in(locked) =>
            {
                Ok(())
            }
            _ => Err(EIO),
        }
    }
}

/// A device that was quiesced, with what its saved state lacks and the restore must put back.
#[must_use]
pub(crate) struct Quiet {
    ats: Option<AtsControl>,
    /// The device is known to be quiet still.
    is_seen: bool,
}

impl Quiet {
    /// The device was reset. `command` was read since, unless it didn't answer: the reset may have
    /// turned the decode on (`nvme_disable_and_flr()` does), and Xen's vPCI ignores writes to the
    /// BARs of a device that decodes.
    pub(crate) fn after_reset(self, command: Option<Command>) -> Self {
        Self {
            is_seen: command.is_some_and(Command::is_quiet),
            ..self
        }
    }
}

impl CfgLocked<'_> {
    /// Turns decode, bus mastering and INTx of the device off, until its state is
    /// restored.
    pub(crate) fn quiesce(&self) -> Quiet {
        let ats = AtsControl::enabled(self);
        Command::QUIET.write(self);
        Quiet { ats, is_seen: true }
    }
}
