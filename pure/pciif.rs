// SPDX-License-Identifier: GPL-2.0

//! The requests of a PV frontend, and the answers to them, as they are in the page that the two
//! ends share (`struct xen_pci_sharedinfo`, include/xen/interface/io/pciif.h).
//!
//! A request is copied word by word, each once, before anything of it is looked at: the guest can
//! write to the page at any time (XSA-155).

use super::{
    bounded::Bounded,
    sbdf::Sbdf, //
};

/// The version of the protocol, which a frontend publishes (`XEN_PCI_MAGIC`).
pub(crate) const MAGIC: &[u8] = b"7";

/// The word of flags.
pub(crate) const FLAGS: usize = 0;
/// The bit in it that says that there is a request, and that is cleared when it is answered
/// (`_XEN_PCIF_active`).
pub(crate) const ACTIVE: u32 = 0;
/// The first word of a request (`op`).
pub(crate) const REQUEST: usize = 1;
/// The words of an answer: in that of `err`, of `value`, and from there on the vectors.
pub(crate) const ERROR: usize = REQUEST + 1;
pub(crate) const VALUE: usize = REQUEST + 7;
pub(crate) const VECTORS: usize = REQUEST + 9;

/// The words of a request.
pub(crate) const REQUEST_WORDS: usize = 9 + MOST_VECTORS;
/// The most vectors that a request can have (`SH_INFO_MAX_VEC`).
pub(crate) const MOST_VECTORS: usize = 128;

/// What a frontend is told of an operation that failed (`XEN_PCI_ERR_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The device doesn't answer, or the guest has no such device.
    DeviceNotFound,
    /// No such offset or size, or the two don't fit.
    InvalidOffset,
    /// The guest may not write that.
    AccessDenied,
    /// There is no such operation.
    NotImplemented,
    /// It was allowed, and failed.
    Failed,
}

impl Error {
    /// Returns the number that stands for it in the protocol.
    pub(crate) const fn number(self) -> i32 {
        match self {
            Self::DeviceNotFound => -1,
            Self::InvalidOffset => -2,
            Self::AccessDenied => -3,
            Self::NotImplemented => -4,
            Self::Failed => -5,
        }
    }
}

/// Indexes of entries in an MSI-X table, or numbers of PIRQs, in the order of the request.
pub(crate) type Vectors = Bounded<u16, MOST_VECTORS>;

/// What a frontend wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A register is read.
    Read {
        /// Where, in bytes.
        offset: i32,
        /// How many bytes.
        size: i32,
    },
    /// A register is written.
    Write {
        /// Where, in bytes.
        offset: i32,
        /// How many bytes.
        size: i32,
        /// What.
        value: u32,
    },
    /// MSI is turned on; the answer is the PIRQ.
    EnableMsi,
    /// MSI is turned off.
    DisableMsi,
    /// MSI-X is turned on, with the request's entries of the table; the answer is a PIRQ for each.
    EnableMsix,
    /// MSI-X is turned off.
    DisableMsix,
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// The device, where the guest sees it; `None` for an address that can't be.
    pub(crate) device: Option<Sbdf>,
    /// What is wanted, or why that can't be.
    pub(crate) operation: Result<Operation, Error>,
    /// The entries that MSI-X is to be turned on with, each once.
    pub(crate) entries: Vectors,
}

impl Request {
    /// Takes a copy of the words from [`REQUEST`] on.
    pub(crate) fn from_words(words: &[u32; REQUEST_WORDS]) -> Self {
        let [command, _, domain, bus, devfn, offset, size, value, _, entries @ ..] = words;
        let device = || {
            let (bus, devfn) = (u8::try_from(*bus).ok()?, u8::try_from(*devfn).ok()?);
            Some(Sbdf::new(*domain, bus, devfn))
        };
        // CAST: The protocol has signed numbers there.
        let (offset, size) = (*offset as i32, *size as i32);
        let value = *value;
        let mut indexes = Vectors::new(0);
        let operation = match command {
            0 => Ok(Operation::Read { offset, size }),
            1 => Ok(Operation::Write {
                offset,
                size,
                value,
            }),
            2 => Ok(Operation::EnableMsi),
            3 => Ok(Operation::DisableMsi),
            4 => take_indexes(entries, value, &mut indexes).map(|()| Operation::EnableMsix),
            5 => Ok(Operation::DisableMsix),
            // 6 to 9 are for the other direction.
            _ => Err(Error::NotImplemented),
        };
        Self {
            device: device(),
            operation,
            entries: indexes,
        }
    }
}

/// Returns `true` if the words ask for the same, whatever was answered: the guest may have given
/// up, and asked for something else.
pub(crate) fn is_same(before: &[u32; REQUEST_WORDS], now: &[u32; REQUEST_WORDS]) -> bool {
    let [command, _, rest @ ..] = before;
    let [command_now, _, rest_now @ ..] = now;
    let asked = || rest.iter().zip(rest_now).take(VALUE - REQUEST - 1);
    command == command_now && asked().all(|(word, now)| word == now)
}

/// Takes the indexes of as many entries as the request says, each at most once.
///
/// # Errors
///
/// - [`Error::Failed`]: that is none, or more than a request can have, or one is there twice.
fn take_indexes(entries: &[u32], count: u32, indexes: &mut Vectors) -> Result<(), Error> {
    let count = usize::try_from(count).map_err(|_| Error::Failed)?;
    let entries = entries.get(..count).ok_or(Error::Failed)?;
    for entry in entries {
        // CAST: `struct xen_msix_entry`: the vector in the lower half, the index in the upper.
        let index = (*entry >> 16) as u16;
        if indexes.as_slice().contains(&index) {
            return Err(Error::Failed);
        }
        indexes.push(index).map_err(|_| Error::Failed)?;
    }
    if count == 0 {
        return Err(Error::Failed);
    }
    Ok(())
}

/// Returns the word of an entry of the answer.
pub(crate) const fn answered_entry(index: u16, vector: u16) -> u32 {
    // CAST: Widening.
    (index as u32) << 16 | vector as u32
}

#[cfg(test)]
mod tests {
    use super::{
        answered_entry,
        is_same,
        Error,
        Operation,
        Request,
        ERROR,
        MOST_VECTORS,
        REQUEST,
        REQUEST_WORDS,
        VALUE,
        VECTORS, //
    };
    use crate::pure::sbdf::Sbdf;

    fn request(head: &[u32]) -> Request {
        let mut words = [0; REQUEST_WORDS];
        words[..head.len()].copy_from_slice(head);
        Request::from_words(&words)
    }

    fn enable(count: u32, indexes: impl Iterator<Item = u32>) -> Result<Vec<u16>, Error> {
        let mut words = [0xffff; REQUEST_WORDS];
        words[..9].copy_from_slice(&[4, 0, 0, 0, 0, 0, 0, count, 0]);
        for (word, index) in words[9..].iter_mut().zip(indexes) {
            *word = index << 16 | 0xffff;
        }
        let request = Request::from_words(&words);
        assert_ne!(request.operation, Ok(Operation::EnableMsi));
        request
            .operation
            .map(|_| request.entries.as_slice().to_vec())
    }

    /// Those of Xen's public header (io/pciif.h).
    #[test]
    fn numbers_of_errors_and_places_of_words() {
        for (error, number) in [
            (Error::DeviceNotFound, -1),
            (Error::InvalidOffset, -2),
            (Error::AccessDenied, -3),
            (Error::NotImplemented, -4),
            (Error::Failed, -5),
        ] {
            assert_eq!(error.number(), number);
        }
        // flags; cmd, err, domain, bus, devfn, offset, size, value, info, msix_entries.
        assert_eq!((REQUEST, ERROR, VALUE, VECTORS), (1, 2, 8, 10));
        assert_eq!(REQUEST + REQUEST_WORDS, VECTORS + MOST_VECTORS);
    }

    #[test]
    fn numbers_of_operations() {
        let read = request(&[0, 9, 1, 2, 3, 4, 1, 7, 8]);
        assert_eq!(read.device, Some(Sbdf::new(1, 2, 3)));
        assert_eq!(read.operation, Ok(Operation::Read { offset: 4, size: 1 }));
        let write = request(&[1, 9, 1, 2, 3, u32::MAX, 2, 7, 8]).operation;
        let wanted = Operation::Write {
            offset: -1,
            size: 2,
            value: 7,
        };
        assert_eq!(write, Ok(wanted));
        assert_eq!(request(&[2]).operation, Ok(Operation::EnableMsi));
        assert_eq!(request(&[3]).operation, Ok(Operation::DisableMsi));
        assert_eq!(request(&[5]).operation, Ok(Operation::DisableMsix));
        for command in (6..40).chain([u32::MAX, 0x100, 0x8000_0000]) {
            assert_eq!(request(&[command]).operation, Err(Error::NotImplemented));
        }
    }

    #[test]
    fn another_request_is_told_from_what_is_answered_in_it() {
        let mut before = [7; REQUEST_WORDS];
        before[1] = 0;
        for changed in 0..REQUEST_WORDS {
            let mut now = before;
            now[changed] = 8;
            // The error, the flags that only come with AER, and the vectors.
            let is_answer = changed == 1 || changed >= 8;
            assert_eq!(is_same(&before, &now), is_answer, "word {changed}");
        }
    }

    #[test]
    fn addresses_that_cannot_be_are_nobodys() {
        for (bus, devfn) in [(0x100, 0), (0, 0x100), (u32::MAX, 0), (0, u32::MAX)] {
            assert_eq!(request(&[0, 0, 0, bus, devfn]).device, None);
        }
        let last = request(&[0, 0, u32::MAX, 0xff, 0xff]).device;
        assert_eq!(last, Some(Sbdf::new(u32::MAX, 0xff, 0xff)));
    }

    #[test]
    fn vectors_are_bounded_by_the_copy() {
        let most = MOST_VECTORS as u32;
        for count in 1..=most {
            let indexes = enable(count, 0..).unwrap();
            assert_eq!(indexes.len(), count as usize);
            assert!(indexes.iter().copied().eq(0..count as u16));
        }
        for count in [0, most + 1, 0x1000, 0x8000_0000, u32::MAX] {
            assert_eq!(enable(count, 0..), Err(Error::Failed), "{count}");
        }
        assert_eq!(enable(2, [7, 7].into_iter()), Err(Error::Failed));
        assert_eq!(enable(1, [7, 7].into_iter()), Ok(vec![7]));
        assert_eq!(enable(1, [0xffff].into_iter()), Ok(vec![0xffff]));
    }

    #[test]
    fn an_entry_is_answered_in_its_place() {
        assert_eq!(answered_entry(0x1234, 0xabcd), 0x1234_abcd);
    }
}
