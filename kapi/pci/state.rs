// SPDX-License-Identifier: GPL-2.0

//! Enabling a device, and saving and restoring its configuration, as the kernel does it.
//!
//! UPSTREAM(saved-state): the bindings have the functions, and the kernel crate no wrapper.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use super::{
    raw,
    Locked, //
};
use crate::kapi::fault;
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::to_result,
    pci,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
    },
};

/// One count of those for which a device is enabled.
///
/// # Examples
///
/// ```ignore
/// let count = EnableCount::new(&locked)?;
/// // The device decodes, and has its interrupt's route.
/// count.give_back(&locked);
/// ```
pub(crate) struct EnableCount {
    device: ARef<pci::Device>,
    held: Atomic<bool>,
}

impl EnableCount {
    /// Enables the device (`pci_enable_device()`).
    ///
    /// # Errors
    ///
    /// - `ENODEV`: the device may have been removed.
    /// - The errno of the kernel's function, such as `EINVAL` for a device whose BARs have no
    ///   addresses.
    pub(crate) fn new(locked: &Locked<'_>) -> Result<Self> {
        locked.check_there()?;
        fault::point("pci_enable_device")?;
        // SAFETY: The device is valid and there, and its lock is held.
        to_result(unsafe { bindings::pci_enable_device(raw(locked.device())) })?;
        Ok(Self {
            device: locked.device().into(),
            held: Atomic::new(true),
        })
    }

    /// Gives the count back: if it was the last, bus mastering ends. Does nothing for another
    /// device than the count's, for one that may have been removed, or when called again.
    pub(crate) fn give_back(&self, locked: &Locked<'_>) {
        let ours = core::ptr::eq(&*self.device, locked.device());
        if ours && locked.check_there().is_ok() && self.held.xchg(false, Relaxed) {
            // SAFETY: The device is valid and there, and its lock is held; `new` has enabled it.
            unsafe { bindings::pci_disable_device(raw(locked.device())) };
        }
    }
}

impl Locked<'_> {
    /// Saves the configuration in the kernel's own place for it (`pci_save_state()`).
    ///
    /// # Errors
    ///
    /// - `ENODEV`: the device may have been removed.
    /// - The errno of the kernel's function.
    pub(crate) fn save_state(&self) -> Result {
        self.check_there()?;
        // SAFETY: The device is valid and there, and its lock is held.
        to_result(unsafe { bindings::pci_save_state(raw(self.device())) })
    }

    /// Writes what was saved there last (`pci_restore_state()`), however long ago and whether or
    /// not [`has_saved_state`](Self::has_saved_state) says so.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: the device may have been removed; nothing was written.
    pub(crate) fn restore_state(&self) -> Result {
        self.check_there()?;
        // SAFETY: The device is valid and there, and its lock is held.
        unsafe { bindings::pci_restore_state(raw(self.device())) };
        Ok(())
    }

    /// Returns the registers of the header as they were saved there last.
    pub(crate) fn saved_header(&self) -> [u32; 16] {
        // SAFETY: The device is valid; the field is written by whoever saves or loads its state,
        // with its lock held.
        unsafe { (*raw(self.device())).saved_config_space }
    }

    /// Returns `true` if something was saved there.
    pub(crate) fn has_saved_state(&self) -> bool {
        // SAFETY: The device is valid; the bit is set and cleared by whoever holds its lock.
        unsafe { bindings::pci_dev::state_saved_raw(raw(self.device())) != 0 }
    }
}

/// A copy of a saved configuration: the header and the capabilities that the kernel knows how to
/// restore.
///
/// # Examples
///
/// ```ignore
/// locked.save_state()?;
/// let stored = StoredState::of(&locked)?;
/// // Whatever happens to the device in between:
/// stored.load(&locked)?;
/// locked.restore_state()?;
/// ```
///
/// # Invariants
///
/// `state` owns a `struct pci_saved_state` made by `pci_store_saved_state()`.
pub(crate) struct StoredState {
    state: NonNull<bindings::pci_saved_state>,
}

// SAFETY: Plain memory, owned; any thread may free it.
unsafe impl Send for StoredState {}

// SAFETY: Never written after it was made.
unsafe impl Sync for StoredState {}

impl StoredState {
    /// Copies what was saved last.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory, or nothing was saved.
    pub(crate) fn of(locked: &Locked<'_>) -> Result<Self> {
        fault::point("pci_store_saved_state")?;
        // SAFETY: The device is valid and its lock is held. Null means no memory, or no state.
        let stored = unsafe { bindings::pci_store_saved_state(raw(locked.device())) };
        // INVARIANT: A non-null result is ours to free.
        Ok(Self {
            state: NonNull::new(stored).ok_or(ENOMEM)?,
        })
    }

    /// Copies it back to the kernel's own place.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the kernel keeps other capabilities of the device than those saved.
    pub(crate) fn load(&self, locked: &Locked<'_>) -> Result {
        fault::point("pci_load_saved_state")?;
        // SAFETY: The device is valid, its lock is held, and by the type invariant so is the state.
        to_result(unsafe {
            bindings::pci_load_saved_state(raw(locked.device()), self.state.as_ptr())
        })
    }
}

impl Drop for StoredState {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this owns the memory, which came from kzalloc().
        unsafe { bindings::kfree(self.state.as_ptr().cast()) };
    }
}
