// SPDX-License-Identifier: GPL-2.0

//! Which domain uses which device, as xenstore has it, and a wait for changes of that.
//!
//! xenstore is spoken to by its wire protocol (xen, public/io/xs_wire.h): through xenstored's
//! socket, where that runs, else through the kernel's `/dev/xen/xenbus`. Only root may open either.
//! In a dom0 without xenstored the kernel would wait for an answer that never comes, in a way that
//! nobody can end, and so would then all that use xenstore: there nothing is asked.

use std::{
    collections::BTreeSet,
    fs::{
        self,
        File, //
    },
    io::{
        self,
        Read,
        Write, //
    },
    os::unix::net::UnixStream, //
};

/// xenstored's socket (`XEN_RUN_STORED` of Xen's configure).
const SOCKET: &str = "/run/xenstored/socket";

/// The kernel's device file.
const DEVICE: &str = "/dev/xen/xenbus";

/// Says what this domain is; `control_d`: dom0.
const CAPABILITIES: &str = "/proc/xen/capabilities";

/// What messages are written to and read from.
trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// Where toolstacks list the devices of guests, in dom0's own directory.
const BACKENDS: &str = "backend/pci";

/// `enum xsd_sockmsg_type`.
const DIRECTORY: u32 = 1;
const READ: u32 = 2;
const WATCH: u32 = 4;
const WATCH_EVENT: u32 = 15;
const ERROR: u32 = 16;

/// `XENSTORE_PAYLOAD_MAX`.
const LONGEST: usize = 4096;

/// `XenbusStateInitialised` (public/io/xenbus.h): the driver has given the device to the guest
/// (Documentation/guests.md).
const EXPORTED: &str = "3";

/// The devices that domains use: domain and address.
pub(super) type Uses = BTreeSet<(u16, String)>;

/// A connection with xenstore.
pub(super) struct Store {
    stream: Box<dyn Stream>,
    /// A change was told of while something else was waited for.
    changed: bool,
}

impl Store {
    /// Connects, and has xenstored tell of changes below [`BACKENDS`].
    ///
    /// # Errors
    ///
    /// - `ENOENT`: this is no Xen.
    /// - `EACCES`: this is not root.
    /// - `ECONNREFUSED`: xenstored doesn't run.
    pub(super) fn open() -> io::Result<Self> {
        let mut store = Self {
            stream: connect()?,
            changed: false,
        };
        store.ask(WATCH, &[BACKENDS, "pcibackctl"])?;
        Ok(store)
    }

    /// Returns all uses.
    ///
    /// # Errors
    ///
    /// - Those of the stream.
    pub(super) fn uses(&mut self) -> io::Result<Uses> {
        let mut uses = Uses::new();
        for domain in self.list(BACKENDS)? {
            let Ok(number) = domain.parse() else {
                continue;
            };
            let folder = format!("{BACKENDS}/{domain}");
            for backend in self.list(&folder)? {
                let folder = format!("{folder}/{backend}");
                for node in self.list(&folder)? {
                    let Some(index) = node.strip_prefix("dev-") else {
                        continue;
                    };
                    let state = self.get(&format!("{folder}/state-{index}"))?;
                    let device = self.get(&format!("{folder}/{node}"))?;
                    if let (Some(EXPORTED), Some(bdf)) = (state.as_deref(), device) {
                        uses.insert((number, bdf));
                    }
                }
            }
        }
        Ok(uses)
    }

    /// Waits until something has changed.
    ///
    /// # Errors
    ///
    /// - Those of the stream.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        while !std::mem::take(&mut self.changed) {
            let (kind, _) = receive(&mut self.stream)?;
            self.changed = kind == WATCH_EVENT;
        }
        Ok(())
    }

    fn list(&mut self, path: &str) -> io::Result<Vec<String>> {
        let answer = self.ask(DIRECTORY, &[path])?.unwrap_or_default();
        Ok(texts(&answer))
    }

    fn get(&mut self, path: &str) -> io::Result<Option<String>> {
        let answer = self.ask(READ, &[path])?;
        Ok(answer.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Asks something; `None` if it isn't there, or no longer.
    fn ask(&mut self, kind: u32, words: &[&str]) -> io::Result<Option<Vec<u8>>> {
        self.stream.write_all(&request(kind, words))?;
        loop {
            match receive(&mut self.stream)? {
                (WATCH_EVENT, _) => self.changed = true,
                (ERROR, name) if name.starts_with(b"ENOENT") => return Ok(None),
                (ERROR, name) => {
                    let name = String::from_utf8_lossy(&name);
                    let name = name.trim_end_matches('\0');
                    return Err(io::Error::other(format!("xenstore: {name}")));
                }
                (_, answer) => return Ok(Some(answer)),
            }
        }
    }
}

/// # Errors
///
/// - As of [`Store::open`].
fn connect() -> io::Result<Box<dyn Stream>> {
    match UnixStream::connect(SOCKET) {
        Ok(socket) => return Ok(Box::new(socket)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    let what = fs::read_to_string(CAPABILITIES).unwrap_or_default();
    if what.contains("control_d") {
        let text = "xenstored doesn't run in this dom0";
        return Err(io::Error::new(io::ErrorKind::ConnectionRefused, text));
    }
    let file = File::options().read(true).write(true).open(DEVICE)?;
    Ok(Box::new(file))
}

/// A message: type, number of the request and of the transaction, length; and the words.
fn request(kind: u32, words: &[&str]) -> Vec<u8> {
    let payload: Vec<u8> = words
        .iter()
        .flat_map(|word| word.bytes().chain([0]))
        .collect();
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let head = [kind, 0, 0, length];
    let head = head.into_iter().flat_map(u32::to_ne_bytes);
    head.chain(payload).collect()
}

/// Receives a message: its type, and what is in it.
fn receive(from: &mut impl Read) -> io::Result<(u32, Vec<u8>)> {
    let mut head = [0; 16];
    from.read_exact(&mut head)?;
    let [a, b, c, d, .., w, x, y, z] = head;
    let kind = u32::from_ne_bytes([a, b, c, d]);
    let length = usize::try_from(u32::from_ne_bytes([w, x, y, z])).unwrap_or(usize::MAX);
    if length > LONGEST {
        let text = format!("xenstore: a message of {length} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let mut payload = vec![0; length];
    from.read_exact(&mut payload)?;
    Ok((kind, payload))
}

fn texts(bytes: &[u8]) -> Vec<String> {
    let words = bytes.split(|byte| *byte == 0);
    words
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_are_written() {
        let bytes = request(WATCH, &[BACKENDS, "token"]);
        assert_eq!(bytes.len(), 16 + BACKENDS.len() + 1 + 6);
        let (kind, payload) = receive(&mut bytes.as_slice()).unwrap();
        assert_eq!(
            (kind, texts(&payload)),
            (WATCH, vec![BACKENDS.into(), "token".into()])
        );
    }

    #[test]
    fn a_message_that_is_too_long_or_ends_early_is_an_error() {
        let mut bytes = request(READ, &["x"]);
        bytes.pop();
        assert!(receive(&mut bytes.as_slice()).is_err());
        let long = "x".repeat(LONGEST);
        assert!(receive(&mut request(READ, &[&long]).as_slice()).is_err());
    }
}
