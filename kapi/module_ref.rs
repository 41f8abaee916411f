// SPDX-License-Identifier: GPL-2.0

//! References to this module, which keep it from being unloaded.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use super::param::this_module;
use kernel::bindings;

/// A reference; dropping it gives it back.
///
/// # Examples
///
/// ```ignore
/// let module = ModuleRef::get(); // `None` if the module is about to go.
/// drop(module);
/// ```
pub(crate) struct ModuleRef(());

impl ModuleRef {
    /// Takes one, unless the module is about to go.
    pub(crate) fn get() -> Option<Self> {
        // SAFETY: The module is valid while its code runs.
        unsafe { bindings::try_module_get(this_module()) }.then_some(Self(()))
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: The reference was taken by `get`. If it was the last and the module is unloaded
        // at once, the module's exit waits for this thread: all work of the module is on its own
        // queues.
        unsafe { bindings::module_put(this_module()) };
    }
}
