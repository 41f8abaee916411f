// SPDX-License-Identifier: GPL-2.0

//! What the administrator allows the guest that uses a device, and the state of its interrupt
//! handler. All of it ends with the guest's use, except `keep_permissive`.

use crate::pure::config_field::ConfigField;
use kernel::{
    prelude::*,
    sync::{
        Mutex,
        SpinLock, //
    },
};

/// The settings of one claimed device.
#[pin_data]
pub(crate) struct Settings {
    #[pin]
    flags: SpinLock<Flags>,
    #[pin]
    fields: Mutex<KVec<ConfigField>>,
}

/// Those that are on or off.
#[derive(Clone, Copy, Default)]
pub(crate) struct Flags {
    /// The guest may write fields of the configuration space that are not known to be harmless.
    pub(crate) permissive: bool,
    /// And so may the guests that come after it.
    pub(crate) keeps_permissive: bool,
    /// A stub domain may turn MSI, MSI-X and INTx on and off.
    pub(crate) interrupt_control: bool,
    /// The [handler](super::intx) of the guest's interrupts in dom0 is there, or wanted.
    pub(crate) handler: bool,
    /// It takes them for the guest's.
    pub(crate) acknowledges: bool,
}

/// The most fields that can be listed for a device: one for each byte of the configuration space.
const MOST_FIELDS: usize = 4096;

impl Settings {
    /// All off.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            flags <- kernel::new_spinlock!(Flags::default()),
            fields <- kernel::new_mutex!(KVec::new()),
        })
    }

    /// Returns the flags.
    pub(crate) fn flags(&self) -> Flags {
        *self.flags.lock()
    }

    /// Changes the flags; returns what they were.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Flags)) -> Flags {
        let mut flags = self.flags.lock();
        let before = *flags;
        change(&mut flags);
        before
    }

    /// Lists a field. The same twice is no error.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    /// - `ENOSPC`: there are as many as there can be.
    pub(crate) fn add_field(&self, field: ConfigField) -> Result {
        let mut fields = self.fields.lock();
        if fields.contains(&field) {
            return Ok(());
        }
        if fields.len() >= MOST_FIELDS {
            return Err(ENOSPC);
        }
        Ok(fields.push(field, GFP_KERNEL)?)
    }

    /// Shows each listed field to `show`, until that fails.
    ///
    /// # Errors
    ///
    /// - Those of `show`.
    pub(crate) fn each_field(&self, mut show: impl FnMut(&ConfigField) -> Result) -> Result {
        self.fields.lock().iter().try_for_each(&mut show)
    }

    /// Shows the listed fields to `show`, but for those that were listed first, `shown` of them;
    /// returns how many are listed.
    pub(crate) fn later_fields(&self, shown: usize, show: impl FnMut(&ConfigField)) -> usize {
        let fields = self.fields.lock();
        fields.iter().skip(shown).for_each(show);
        fields.len()
    }

    /// The guest's use ends, and with it all that isn't meant to last.
    pub(crate) fn end_use(&self) {
        self.change(|flags| {
            *flags = Flags {
                permissive: flags.keeps_permissive,
                keeps_permissive: flags.keeps_permissive,
                ..Flags::default()
            };
        });
        self.fields.lock().clear();
    }
}
