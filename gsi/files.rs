// SPDX-License-Identifier: GPL-2.0

//! The `gsi` file of every PCI device that has a GSI, from load to unload.
//!
//! A device without a GSI has no file. The number is looked up once, when the device appears, when
//! the module is loaded, or when the device is claimed, whichever first finds one.

use super::{
    look_up,
    tables, //
};
use crate::kapi::{
    device_file::NumberFile,
    global::global,
    notifier::{
        BusListener,
        BusRegistration, //
    },
    pci::{
        Registered,
        RescanRemoveLock, //
    },
};
use kernel::{
    pci,
    prelude::*,
    rbtree::RBTree, //
};

global! {
    /// The files, by device; `None` while none may be created.
    static FILES(GSI_FILES): Mutex<Option<RBTree<usize, NumberFile>>> = None;
}

/// The `gsi` files; dropping it removes them all.
///
/// The fields are dropped in this order: the notifier, still registered while the files go, finds
/// the list closed and adds nothing.
#[pin_data]
pub(crate) struct GsiFiles {
    _files: OpenList,
    #[pin]
    _notifier: BusRegistration<Watcher>,
}

impl GsiFiles {
    /// Creates the files of all devices there are, and from now on those of new devices.
    ///
    /// # Errors
    ///
    /// - The errno of the notifier's registration.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _files: OpenList::new(),
            _notifier <- BusRegistration::new(),
            _: { add_present() },
        })
    }
}

/// While this lives, [`FILES`] takes files.
struct OpenList(());

impl OpenList {
    fn new() -> Self {
        *FILES.lock() = Some(RBTree::new());
        Self(())
    }
}

impl Drop for OpenList {
    fn drop(&mut self) {
        // A device that goes meanwhile would take its directory away under the file. Removing a
        // file waits for its readers, who take no lock.
        let _no_changes = RescanRemoveLock::new();
        let files = FILES.lock().take();
        drop(files);
        tables::forget();
    }
}

/// Distinguishes devices, even two of the same address (one that goes and its successor).
fn key(device: &pci::Device) -> usize {
    core::ptr::from_ref(device).addr()
}

/// Sees devices come and go.
struct Watcher;

impl BusListener for Watcher {
    fn added(device: Registered<'_>) {
        add(device);
    }

    fn removing(device: &pci::Device) {
        let file = FILES
            .lock()
            .as_mut()
            .and_then(|files| files.remove(&key(device)));
        drop(file);
    }
}

/// Adds the files of the devices that were there before the notifier.
fn add_present() {
    // If a device were removed between being found here and getting its file, the notifier would be
    // called before there is a file to remove.
    let no_changes = RescanRemoveLock::new();
    no_changes.for_each_device(add);
}

/// Creates the file of a device, if it has a GSI and no file yet.
pub(crate) fn add(device: Registered<'_>) {
    // The look-up takes long, where ACPI's tables are.
    if !lacks_file(&device) {
        return;
    }
    let Some(gsi) = look_up(&device) else {
        return;
    };
    let mut guard = FILES.lock();
    let Some(files) = guard
        .as_mut()
        .filter(|files| files.get(&key(&device)).is_none())
    else {
        return;
    };
    let added = NumberFile::new(device, c"gsi", gsi.number)
        .and_then(|file| files.try_create_and_insert(key(&device), file, GFP_KERNEL));
    if let Err(error) = added {
        dev_warn!(device, "gsi file not created ({})\n", error.to_errno());
    }
}

/// Returns `true` if a file could be created for the device.
fn lacks_file(device: &pci::Device) -> bool {
    let guard = FILES.lock();
    let files = guard.as_ref();
    files.is_some_and(|files| files.get(&key(device)).is_none())
}
