// SPDX-License-Identifier: GPL-2.0

//! What the toolstack writes to a backend's directory, and what the backend answers there.

use super::{
    export::Export,
    frontend::Ring,
    store::DIRECTORY, //
};
use crate::{
    kapi::xenbus::store::{
        transact,
        Names,
        Transaction, //
    },
    pure::{
        bdf_grammar::parse_pattern,
        domid::DomId,
        pciif,
        sbdf::Sbdf,
        xenbus::{
            self,
            Fate,
            Seen,
            State, //
        },
    },
};
use kernel::{
    prelude::*,
    str::CString, //
};

/// The most devices that a guest can have: more than a bus full of functions.
const MOST: u32 = 1024;

/// One entry of the toolstack's list.
pub(super) struct ListedDevice {
    index: u32,
    /// The device, if the text is an address.
    pub(super) device: Option<Sbdf>,
    /// What is to become of it, or has.
    pub(super) state: State,
}

/// Reads a decimal number.
fn number(transaction: &Transaction, dir: &CStr, node: &CStr) -> Result<Option<u32>> {
    let text = transaction.read(dir, node)?;
    Ok(text.and_then(|text| xenbus::decimal(text.trim_ascii())))
}

fn state(transaction: &Transaction, dir: &CStr, node: &CStr) -> Result<State> {
    number(transaction, dir, node).map(State::from_number)
}

fn indexed(name: &str, index: u32) -> Result<CString> {
    CString::try_from_fmt(fmt!("{name}-{index}"))
}

fn decimal(value: u32) -> Result<CString> {
    CString::try_from_fmt(fmt!("{value}"))
}

/// Looks at the directory of a domain's devices and, where xenbus links it with one, at the
/// frontend's.
///
/// # Errors
///
/// - `EAGAIN`: others write all the time.
/// - `ENOMEM`: no memory.
/// - xenstored's errno.
pub(super) fn look(dir: &CStr, domain: DomId, other_end: Option<&CStr>) -> Result<Seen> {
    let home = home(domain)?;
    let (exists, lives, own, online) = transact(|transaction| {
        Ok((
            transaction.exists(dir, c"")?,
            transaction.exists(&home, c"")?,
            state(transaction, dir, c"state")?,
            number(transaction, dir, c"online")? == Some(1),
        ))
    })?;
    // Nothing that the guest writes may keep the driver from following the toolstack: a node that
    // can't be read counts as missing.
    let none = &Transaction::NONE;
    let front = other_end.and_then(|other| state(none, other, c"state").ok());
    Ok(Seen {
        exists,
        lives,
        bound: other_end.is_some(),
        own,
        front: front.unwrap_or(State::Unknown),
        online,
    })
}

/// Removes the directory of a domain that is still gone, and the one above, where all of the
/// domain's are, if it is empty then.
///
/// # Errors
///
/// - As of [`look`].
pub(super) fn remove(dir: &CStr, domain: DomId) -> Result {
    let home = home(domain)?;
    let above = decimal(domain.number().into())?;
    transact(|transaction| {
        if transaction.exists(&home, c"")? || !transaction.exists(dir, c"")? {
            return Ok(());
        }
        transaction.remove(dir, c"")?;
        let left = transaction.list(DIRECTORY, &above)?;
        if left.is_some_and(|names| names.iter().next().is_none()) {
            transaction.remove(DIRECTORY, &above)?;
        }
        Ok(())
    })
}

/// Returns a domain's own directory, which only the toolstack makes and removes.
fn home(domain: DomId) -> Result<CString> {
    CString::try_from_fmt(fmt!("/local/domain/{domain}"))
}

/// Reads what a frontend has published of its ring; `None` if it has none.
///
/// # Errors
///
/// - `EINVAL`: it is of another version, or not complete.
/// - xenstored's errno.
pub(super) fn published(other_end: &CStr) -> Result<Option<Ring>> {
    let none = &Transaction::NONE;
    if !none.exists(other_end, c"pci-op-ref")? {
        return Ok(None);
    }
    let magic = none.read(other_end, c"magic")?;
    if magic.as_deref() != Some(pciif::MAGIC) {
        return Err(EINVAL);
    }
    Ok(Some(Ring {
        grant: number(none, other_end, c"pci-op-ref")?.ok_or(EINVAL)?,
        port: number(none, other_end, c"event-channel")?.ok_or(EINVAL)?,
    }))
}

/// Writes the backend's own state, if it is still `from`. What the toolstack has written meanwhile
/// stays (that change has its own event), and a directory that has gone is not made again.
///
/// `xenbus_switch_state()` doesn't return whether it could write the state: it takes it for written
/// and doesn't write it again.
///
/// # Errors
///
/// - As of [`answer`].
pub(super) fn switch(dir: &CStr, from: State, to: State) -> Result {
    transact(|transaction| switch_in(transaction, dir, from, to))
}

fn switch_in(transaction: &Transaction, dir: &CStr, from: State, to: State) -> Result {
    if from == to || state(transaction, dir, c"state")? != from {
        return Ok(());
    }
    transaction.write(dir, c"state", &decimal(to.number())?)
}

/// Reads the list as it was at one moment. `None`: there is none yet, or it is being written, so
/// nothing can be concluded.
///
/// # Errors
///
/// - `E2BIG`: it is longer than any guest's can be.
/// - `EAGAIN`: others write all the time.
/// - `ENOMEM`: no memory.
/// - xenstored's errno.
pub(super) fn read(dir: &CStr) -> Result<Option<KVec<ListedDevice>>> {
    transact(|transaction| read_in(transaction, dir))
}

fn read_in(transaction: &Transaction, dir: &CStr) -> Result<Option<KVec<ListedDevice>>> {
    let mut entries = KVec::new();
    if let Some(count) = number(transaction, dir, c"num_devs")? {
        if count > MOST {
            return Err(E2BIG);
        }
        for index in 0..count {
            if let Some(entry) = read_entry(transaction, dir, index)? {
                entries.push(entry, GFP_KERNEL)?;
            }
        }
        return Ok(Some(entries));
    }
    // A toolstack that writes a state writes a number, too. xenopsd writes neither.
    if transaction.exists(dir, c"state")? {
        return Ok(None);
    }
    let names = transaction.list(dir, c"")?;
    for name in names.iter().flat_map(Names::iter) {
        let index = name.to_bytes().strip_prefix(b"dev-");
        let Some(index) = index.and_then(xenbus::decimal) else {
            continue;
        };
        if let Some(entry) = read_entry(transaction, dir, index)? {
            entries.push(entry, GFP_KERNEL)?;
        }
    }
    Ok(Some(entries))
}

fn read_entry(transaction: &Transaction, dir: &CStr, index: u32) -> Result<Option<ListedDevice>> {
    let Some(text) = transaction.read(dir, &indexed("dev", index)?)? else {
        return Ok(None);
    };
    Ok(Some(ListedDevice {
        index,
        device: parse_pattern(&text).ok().and_then(|device| device.single()),
        state: state(transaction, dir, &indexed("state", index)?)?,
    }))
}

/// Writes what became of each device of the list (where the guest sees it, or that it was refused)
/// and the roots of the buses that the guest sees. If the backend's state is still `from`, it
/// becomes `to`.
///
/// # Errors
///
/// - `EAGAIN`: others write all the time.
/// - `ENOMEM`: no memory.
/// - xenstored's errno.
pub(super) fn answer(
    dir: &CStr,
    exports: &[Export],
    refused: &[ListedDevice],
    from: State,
    to: State,
) -> Result {
    transact(|transaction| {
        answer_devices(transaction, dir, exports, refused)?;
        answer_roots(transaction, dir, exports)?;
        switch_in(transaction, dir, from, to)
    })
}

fn answer_devices(
    transaction: &Transaction,
    dir: &CStr,
    exports: &[Export],
    refused: &[ListedDevice],
) -> Result {
    let write = |node: &CStr, text: &CStr| transaction.write(dir, node, text);
    let write_state = |entry: &ListedDevice, state: State| {
        if entry.state == state {
            return Ok(());
        }
        write(&indexed("state", entry.index)?, &decimal(state.number())?)
    };
    // The toolstack renumbers its list when a device goes.
    for entry in read_in(transaction, dir)?.unwrap_or_default() {
        let exported = exports
            .iter()
            .find(|export| Some(export.sbdf) == entry.device);
        let was_refused = refused.iter().any(|other| other.device == entry.device);
        match exported.map(Export::announced) {
            _ if matches!(entry.state, State::Closing | State::Closed) => {}
            Some(Some(placed)) => {
                let node = indexed("vdev", entry.index)?;
                let text = seen_as(placed.seen)?;
                if transaction.read(dir, &node)?.as_deref() != Some(text.to_bytes()) {
                    write(&node, &text)?;
                }
                write_state(&entry, State::Initialised)?;
            }
            Some(None) => write_state(&entry, State::Closed)?,
            None if was_refused => write_state(&entry, State::Closed)?,
            None => {}
        }
    }
    Ok(())
}

/// The form of `vdev-N`, in which a function has two digits.
fn seen_as(seen: Sbdf) -> Result<CString> {
    CString::try_from_fmt(fmt!(
        "{:04x}:{:02x}:{:02x}.{:02x}",
        seen.domain(),
        seen.bus(),
        seen.slot(),
        seen.function()
    ))
}

/// Adds the buses that are not yet listed as roots. (None is ever removed: frontends couldn't
/// follow that.)
fn answer_roots(transaction: &Transaction, dir: &CStr, exports: &[Export]) -> Result {
    let before = number(transaction, dir, c"root_num")?
        .unwrap_or(0)
        .min(MOST);
    let mut roots = KVec::new();
    for index in 0..before {
        let text = transaction.read(dir, &indexed("root", index)?)?;
        if let Some(text) = text {
            roots.push(
                CString::try_from_fmt(fmt!("{}", printable(&text)))?,
                GFP_KERNEL,
            )?;
        }
    }
    let mut count = before;
    for seen in exports
        .iter()
        .filter_map(|export| export.announced().map(|placed| placed.seen))
    {
        let text = CString::try_from_fmt(fmt!("{:04x}:{:02x}", seen.domain(), seen.bus()))?;
        if roots.iter().any(|root| **root == *text) {
            continue;
        }
        transaction.write(dir, &indexed("root", count)?, &text)?;
        roots.push(text, GFP_KERNEL)?;
        count = count.saturating_add(1);
    }
    if count != before {
        transaction.write(dir, c"root_num", &decimal(count)?)?;
    }
    Ok(())
}

/// Returns the text if it is printable.
fn printable(text: &[u8]) -> &str {
    core::str::from_utf8(text).unwrap_or("")
}

/// Returns `true` if a list has the device, in an entry that isn't to be taken back.
pub(super) fn keeps(list: &[ListedDevice], export: &Export) -> bool {
    list.iter().any(|entry| {
        entry.device == Some(export.sbdf) && Fate::of(entry.state, true) == Fate::Stays
    })
}
