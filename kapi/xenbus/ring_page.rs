// SPDX-License-Identifier: GPL-2.0

//! A page of memory that a frontend shares with its backend.
//!
//! C header: [`include/xen/xenbus.h`](srctree/include/xen/xenbus.h)

use super::{
    device::{
        DeviceRef,
        XenbusDevice, //
    },
    raw, //
};
use crate::kapi::{
    compat::barrier::smp_wmb,
    fault, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::to_result,
    ffi::c_ulong,
    prelude::*,
    sync::atomic::Atomic, //
};

/// A page of the other end's, mapped; dropping it unmaps it.
///
/// The other end writes to it whenever it likes: each word is read and written atomically, and what
/// was read once may be another value the next time.
///
/// # Examples
///
/// ```ignore
/// let page = RingPage::map(&device, grant)?;
/// let flags = page.words()[0].load(Relaxed);
/// page.clear_flag(0); // After all that was written.
/// ```
///
/// # Invariants
///
/// `page` is a page of memory that `xenbus_map_ring_valloc()` mapped for `device`.
pub(crate) struct RingPage {
    device: DeviceRef,
    page: NonNull<Page>,
}

/// Its words of 32 bits.
type Page = [Atomic<u32>; RingPage::WORDS];

// SAFETY: The page may be unmapped in any thread.
unsafe impl Send for RingPage {}

// SAFETY: All accesses are atomic.
unsafe impl Sync for RingPage {}

impl RingPage {
    /// The number of words in a page of Xen's (4096 bytes).
    pub(crate) const WORDS: usize = 1024;

    /// Maps the page that the other end has granted under that number. Sleeps.
    ///
    /// Where that fails for another reason than memory, xenbus has written the error, to the log as
    /// well, and switched the device's state to Closing.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: there is no such grant.
    /// - `ENOMEM`: no memory.
    pub(crate) fn map(device: &XenbusDevice, grant: u32) -> Result<Self> {
        fault::point("xenbus_map_ring_valloc")?;
        let (device, mut grant) = (device.reference(), grant);
        let mut address = core::ptr::null_mut();
        // SAFETY: The device is valid, and both pointers are for the call. One grant is one page.
        to_result(unsafe {
            raw::xenbus_map_ring_valloc(device.as_ptr(), &mut grant, 1, &mut address)
        })?;
        // INVARIANT: That has just mapped it.
        let page = NonNull::new(address.cast()).ok_or(ENOMEM)?;
        Ok(Self { device, page })
    }

    /// Returns its words.
    pub(crate) fn words(&self) -> &[Atomic<u32>; Self::WORDS] {
        // SAFETY: By the type invariant, the page is there as long as `self` is; it begins at a
        // multiple of its size. This end accesses it by atomics only. The other end is another
        // domain, whose accesses are to this kernel as those of a device: what they leave in memory
        // are values of 32 bits, of which every one is valid.
        unsafe { self.page.as_ref() }
    }

    /// Clears a bit, 0 to 31, of the first word, after all that was written before. The other bits
    /// stay as the other end has them.
    pub(crate) fn clear_flag(&self, bit: u32) {
        smp_wmb();
        // CAST: It is at least as wide.
        // SAFETY: By the type invariant; the bit is in the first word. The helper is atomic.
        unsafe { bindings::clear_bit((bit & 31) as c_ulong, self.page.as_ptr().cast::<c_ulong>()) };
    }
}

impl Drop for RingPage {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; nobody has a reference to the words any more. (An error is
        // in the log, and nothing that could be done about it.)
        unsafe { raw::xenbus_unmap_ring_vfree(self.device.as_ptr(), self.page.as_ptr().cast()) };
    }
}
