// SPDX-License-Identifier: GPL-2.0

//! Reading and writing xenstore.
//!
//! Each call waits for xenstored to answer, without a limit: it must not be made where that would
//! keep others from going on.

use super::raw;
use crate::kapi::fault;
use core::{ops::Deref, ptr::NonNull};
use kernel::{
    bindings,
    error::{from_err_ptr, to_result},
    prelude::*,
};

/// A transaction, or none: what is read and written through it.
///
/// A transaction that is dropped is given up.
pub(crate) struct Transaction {
    raw: raw::Transaction,
    open: bool,
}

/// How often a transaction is tried that others write into.
const TRIES: usize = 32;

/// Does what `action` does in one transaction, and all of it anew while others write meanwhile.
///
/// # Errors
///
/// - Those of `action`; nothing was written.
/// - `EAGAIN`: others write all the time.
/// - xenstored's errno.
pub(crate) fn transact(action: impl Fn(&Transaction) -> Result) -> Result {
    for _ in 0..TRIES {
        let transaction = Transaction::start()?;
        action(&transaction)?;
        match transaction.commit() {
            Err(EAGAIN) => {}
            result => return result,
        }
    }
    Err(EAGAIN)
}

/// The text of a node.
///
/// # Invariants
///
/// `text` points to `length` bytes that came from `kmalloc()` and are ours.
pub(crate) struct Text {
    text: NonNull<u8>,
    length: usize,
}

impl Transaction {
    /// Each read and write for itself (`XBT_NIL`).
    pub(crate) const NONE: Self = Self {
        raw: raw::Transaction { id: 0 },
        open: false,
    };

    /// Starts a transaction.
    ///
    /// # Errors
    ///
    /// - xenstored's errno.
    fn start() -> Result<Self> {
        fault::point("xenbus_transaction_start")?;
        let mut raw = raw::Transaction { id: 0 };
        // SAFETY: The pointer is valid for the write of the number.
        to_result(unsafe { raw::xenbus_transaction_start(&mut raw) })?;
        Ok(Self { raw, open: true })
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// - `EAGAIN`: somebody else has written meanwhile; nothing was done.
    /// - Another errno of xenstored.
    fn commit(mut self) -> Result {
        fault::point("xenbus_transaction_end")?;
        self.end(false)
    }

    fn end(&mut self, abort: bool) -> Result {
        if !core::mem::take(&mut self.open) {
            return Ok(());
        }
        // SAFETY: The transaction was started and not yet ended.
        to_result(unsafe { raw::xenbus_transaction_end(self.raw, abort) })
    }

    /// Reads a node, `None` if there is none.
    ///
    /// # Errors
    ///
    /// - xenstored's errno, but for `ENOENT`.
    pub(crate) fn read(&self, dir: &CStr, node: &CStr) -> Result<Option<Text>> {
        fault::point("xenbus_read")?;
        let mut length = 0;
        // SAFETY: Both names are C strings, and `length` is valid for a write.
        let text = from_err_ptr(unsafe {
            raw::xenbus_read(self.raw, dir.as_char_ptr(), node.as_char_ptr(), &mut length)
        });
        let text = match text {
            Ok(text) => NonNull::new(text.cast::<u8>()).ok_or(ENOMEM)?,
            Err(ENOENT) => return Ok(None),
            Err(error) => return Err(error),
        };
        // INVARIANT: The function returns memory that its caller has to free, and its length.
        // CAST: usize is at least as wide.
        Ok(Some(Text {
            text,
            length: length as usize,
        }))
    }

    /// Writes a node.
    ///
    /// # Errors
    ///
    /// - xenstored's errno.
    pub(crate) fn write(&self, dir: &CStr, node: &CStr, text: &CStr) -> Result {
        fault::point("xenbus_write")?;
        // SAFETY: All three are C strings.
        to_result(unsafe {
            raw::xenbus_write(
                self.raw,
                dir.as_char_ptr(),
                node.as_char_ptr(),
                text.as_char_ptr(),
            )
        })
    }

    /// Tells whether a node exists; when xenstored doesn't answer well, it does not.
    pub(crate) fn exists(&self, dir: &CStr, node: &CStr) -> bool {
        // SAFETY: Both are C strings.
        unsafe { raw::xenbus_exists(self.raw, dir.as_char_ptr(), node.as_char_ptr()) != 0 }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // A transaction that cannot be given up ends with its connection.
        let _ = self.end(true);
    }
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: By the type invariant.
        unsafe { core::slice::from_raw_parts(self.text.as_ptr(), self.length) }
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::kfree(self.text.as_ptr().cast()) };
    }
}
