// SPDX-License-Identifier: GPL-2.0

//! Reading and writing xenstore.
//!
//! Each call waits for xenstored to answer, without a limit: it must not be made where that would
//! keep others from going on.

use super::raw;
use crate::kapi::fault;
use core::{
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi::c_char,
    prelude::*, //
};

/// A transaction, or none: what is read and written through it.
///
/// Dropping a transaction aborts it.
pub(crate) struct Transaction {
    raw: raw::XenbusTransaction,
    open: bool,
}

/// How often a transaction is tried that others write into.
const TRIES: usize = 32;

/// Runs `action` in one transaction, and again if others have written meanwhile. All that `action`
/// read was there at the same time: xenstored compares at the end.
///
/// # Errors
///
/// - Those of `action`; nothing was written.
/// - `EAGAIN`: others write all the time.
/// - xenstored's errno.
///
/// # Examples
///
/// ```ignore
/// let online = transact(|transaction| {
///     transaction.write(c"backend/pci/1/0", c"state", c"4")?;
///     transaction.exists(c"backend/pci/1/0", c"online")
/// })?;
/// ```
pub(crate) fn transact<T>(action: impl Fn(&Transaction) -> Result<T>) -> Result<T> {
    for _ in 0..TRIES {
        let transaction = Transaction::start()?;
        let done = action(&transaction)?;
        match transaction.commit() {
            Ok(()) => return Ok(done),
            Err(EAGAIN) => {}
            Err(error) => return Err(error),
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
    /// No transaction: each read and write is done by itself (`XBT_NIL`).
    pub(crate) const NONE: Self = Self {
        raw: raw::XenbusTransaction { id: 0 },
        open: false,
    };

    /// Starts a transaction.
    ///
    /// # Errors
    ///
    /// - xenstored's errno.
    fn start() -> Result<Self> {
        fault::point("xenbus_transaction_start")?;
        let mut raw = raw::XenbusTransaction { id: 0 };
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

    /// Removes a node, with all that is below it.
    ///
    /// # Errors
    ///
    /// - xenstored's errno; `ENOENT` if there is none.
    pub(crate) fn remove(&self, dir: &CStr, node: &CStr) -> Result {
        fault::point("xenbus_rm")?;
        // SAFETY: Both names are C strings.
        to_result(unsafe { raw::xenbus_rm(self.raw, dir.as_char_ptr(), node.as_char_ptr()) })
    }

    /// Lists the nodes in a directory, `None` if there is no such directory.
    ///
    /// # Errors
    ///
    /// - xenstored's errno, but for `ENOENT`.
    pub(crate) fn list(&self, dir: &CStr, node: &CStr) -> Result<Option<Names>> {
        fault::point("xenbus_directory")?;
        let mut count = 0;
        // SAFETY: Both names are C strings, and `count` is valid for a write.
        let names = from_err_ptr(unsafe {
            raw::xenbus_directory(self.raw, dir.as_char_ptr(), node.as_char_ptr(), &mut count)
        });
        let names = match names {
            Ok(names) => NonNull::new(names).ok_or(ENOMEM)?,
            Err(ENOENT) => return Ok(None),
            Err(error) => return Err(error),
        };
        // INVARIANT: The function returns memory that its caller has to free, with so many names.
        // CAST: usize is at least as wide.
        Ok(Some(Names {
            names,
            count: count as usize,
        }))
    }

    /// Returns `true` if a node or a directory exists, which is read like a node: what is in it may
    /// be too much for an answer.
    ///
    /// # Errors
    ///
    /// - xenstored's errno, but for `ENOENT`.
    pub(crate) fn exists(&self, dir: &CStr, node: &CStr) -> Result<bool> {
        self.read(dir, node).map(|text| text.is_some())
    }
}

/// The names of the nodes in a directory.
///
/// # Invariants
///
/// `names` points to `count` pointers to C strings, all in one block of memory that came from
/// `kmalloc()` and is ours.
pub(crate) struct Names {
    names: NonNull<*mut c_char>,
    count: usize,
}

impl Names {
    /// Yields them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &CStr> {
        // SAFETY: By the type invariant.
        let names = unsafe { core::slice::from_raw_parts(self.names.as_ptr(), self.count) };
        names.iter().map(|name| {
            // SAFETY: By the type invariant; the strings live as long as `self`.
            unsafe { CStr::from_char_ptr(*name) }
        })
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::kfree(self.names.as_ptr().cast()) };
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // A transaction that can't be aborted ends with its connection.
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
