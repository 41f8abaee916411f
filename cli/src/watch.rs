// SPDX-License-Identifier: GPL-2.0

//! Events of PCI devices: as the kernel sends them (uevents), and their uses by domains.

mod xenstore;

use anyhow::{
    Context,
    Result, //
};
use netlink_sys::{
    protocols::NETLINK_KOBJECT_UEVENT,
    Socket,
    SocketAddr, //
};
use schemars::JsonSchema;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io,
    sync::mpsc,
    thread, //
};
use xenstore::{
    Store,
    Uses, //
};

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Event {
    /// The device.
    pub(crate) bdf: String,
    /// `add`, `remove`, `bind`, `unbind`, `reset`, `error`, `attach` or `detach`; else the
    /// kernel's word.
    pub(crate) event: String,
    /// Of `bind`: the driver that came.
    pub(crate) driver: Option<String>,
    /// Of `reset`: `pciback/state`.
    pub(crate) state: Option<String>,
    /// Of `reset`: `pciback/last_reset_method`.
    pub(crate) method: Option<String>,
    /// Of `reset`: `pciback/last_reset_error`.
    pub(crate) error: Option<i32>,
    /// Of `error`: what the kernel does about it (`BEGIN_RECOVERY`, `SUCCESSFUL_RECOVERY`,
    /// `FAILED_RECOVERY`); or, where the driver takes the device from its domain, how bad it is
    /// (`nonfatal`, `fatal`, `lost`).
    pub(crate) recovery: Option<String>,
    /// Of `attach`, `detach` and `error`: the domain.
    pub(crate) domain: Option<u16>,
}

/// Reads an event of a PCI device from a message; `None` for all others.
pub(crate) fn parse(message: &[u8]) -> Option<Event> {
    let mut parts = message.split(|byte| *byte == 0);
    // The kernel's begin with ACTION@PATH; udev's, which come after, with a word of theirs.
    parts.next()?.contains(&b'@').then_some(())?;
    let variables: BTreeMap<String, String> = parts
        .filter_map(|part| {
            let text = String::from_utf8_lossy(part);
            let (name, value) = text.split_once('=')?;
            Some((name.to_string(), value.to_string()))
        })
        .collect();
    let get = |name: &str| variables.get(name).cloned();
    (get("SUBSYSTEM")? == "pci").then_some(())?;
    let recovery = get("PCIBACK_ERROR").or_else(|| get("ERROR_EVENT"));
    let (action, state) = (get("ACTION")?, get("PCIBACK_STATE"));
    let event = match (&state, &recovery, action.as_str()) {
        (Some(_), _, "change") => "reset".to_string(),
        (None, Some(_), "change") => "error".to_string(),
        _ => action,
    };
    Some(Event {
        bdf: get("PCI_SLOT_NAME")
            .or_else(|| Some(get("DEVPATH")?.rsplit('/').next()?.to_string()))?,
        event,
        driver: get("DRIVER"),
        state,
        method: get("PCIBACK_RESET_METHOD"),
        error: get("PCIBACK_RESET_ERROR").and_then(|number| number.parse().ok()),
        recovery,
        domain: get("PCIBACK_DOMAIN").and_then(|number| number.parse().ok()),
    })
}

/// The longest message of the kernel, with room (`UEVENT_BUFFER_SIZE` and the header).
const LONGEST: usize = 16 << 10;

/// Calls `each` with each event, until it returns `false`; `ready` once they are listened to.
///
/// # Errors
///
/// - The kernel's events can't be had.
pub(crate) fn watch(ready: impl FnOnce(), mut each: impl FnMut(Event) -> bool) -> Result<()> {
    let (sender, events) = mpsc::channel();
    match Store::open() {
        Ok(store) => {
            let sender = sender.clone();
            thread::spawn(move || follow(store, |event| sender.send(Ok(event)).is_ok()));
        }
        // Not Xen.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => eprintln!("pcibackctl: watch: uses by domains are not shown: {error}"),
    }
    let (listening, listens) = mpsc::channel();
    thread::spawn(move || {
        let told = uevents(
            || {
                // The other end waits.
                let _ = listening.send(());
            },
            |event| sender.send(Ok(event)).is_ok(),
        );
        if let Err(error) = told {
            // Nobody may be there any more.
            let _ = sender.send(Err(error));
        }
    });
    if listens.recv().is_ok() {
        ready();
    }
    for event in events {
        if !each(event?) {
            break;
        }
    }
    Ok(())
}

/// Tells of uses that begin and end.
fn follow(mut store: Store, mut each: impl FnMut(Event) -> bool) {
    let mut told = || -> io::Result<()> {
        let mut before = store.uses()?;
        loop {
            store.wait()?;
            let now = store.uses()?;
            if !changes(&before, &now).into_iter().all(&mut each) {
                return Ok(());
            }
            before = now;
        }
    };
    if let Err(error) = told() {
        eprintln!("pcibackctl: watch: uses by domains are no longer shown: {error}");
    }
}

fn changes(before: &Uses, now: &Uses) -> Vec<Event> {
    let make = |event: &str, (domain, bdf): &(u16, String)| Event {
        bdf: bdf.clone(),
        event: event.to_string(),
        domain: Some(*domain),
        ..Event::default()
    };
    let ended = before.difference(now).map(|used| make("detach", used));
    let begun = now.difference(before).map(|used| make("attach", used));
    ended.chain(begun).collect()
}

/// Calls `each` with each event of the kernel, until it returns `false`; `ready` once they are
/// listened to.
///
/// # Errors
///
/// - The socket can't be opened, or read.
pub(crate) fn uevents(ready: impl FnOnce(), mut each: impl FnMut(Event) -> bool) -> Result<()> {
    let mut socket = Socket::new(NETLINK_KOBJECT_UEVENT).context("no netlink socket")?;
    // Group 1 has the kernel's events, for everybody.
    socket
        .bind(&SocketAddr::new(0, 1))
        .context("no events of the kernel")?;
    ready();
    loop {
        let mut buffer = Vec::with_capacity(LONGEST);
        match socket.recv(&mut buffer, 0) {
            Ok(_) => {}
            // Some were lost, for they came faster than they were read.
            Err(error) if error.raw_os_error() == Some(105) => {
                eprintln!("pcibackctl: watch: events were lost: too many at once (105)");
                continue;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).context("no event could be read"),
        }
        if let Some(event) = parse(&buffer) {
            if !each(event) {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
#[path = "../tests/common/schema.rs"]
mod schema;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Document;

    #[test]
    fn events_are_as_the_schema_says() {
        let schema = serde_json::from_str(include_str!("../schema.json")).unwrap();
        let whole = Event {
            driver: Some("igb".to_string()),
            error: Some(-110),
            domain: Some(7),
            ..Event::default()
        };
        for event in [Event::default(), whole] {
            let document = serde_json::to_value(Document::new("watch", &event)).unwrap();
            assert_eq!(schema::check(&schema, &document), Ok(()));
        }
    }

    #[test]
    fn a_reset_is_told_from_other_changes() {
        let message = b"change@/devices/pci0000:00/0000:00:04.0\0ACTION=change\0SUBSYSTEM=pci\0\
            PCI_SLOT_NAME=0000:00:04.0\0DRIVER=pciback\0PCIBACK_STATE=failed\0\
            PCIBACK_RESET_METHOD=flr\0PCIBACK_RESET_ERROR=-5\0";
        let event = parse(message).unwrap();
        assert_eq!(
            (event.event.as_str(), event.bdf.as_str()),
            ("reset", "0000:00:04.0")
        );
        assert_eq!(
            (event.state.as_deref(), event.error),
            (Some("failed"), Some(-5))
        );
        let message = b"change@/x\0ACTION=change\0SUBSYSTEM=pci\0PCI_SLOT_NAME=a\0ERROR_EVENT=BEGIN_RECOVERY\0";
        assert_eq!(parse(message).unwrap().event, "error");
    }

    #[test]
    fn an_error_that_takes_a_device_from_its_domain_says_which() {
        let message = b"change@/x\0ACTION=change\0SUBSYSTEM=pci\0PCI_SLOT_NAME=a\0PCIBACK_ERROR=fatal\0PCIBACK_DOMAIN=7\0";
        let event = parse(message).unwrap();
        assert_eq!(event.event, "error");
        assert_eq!(
            (event.recovery.as_deref(), event.domain),
            (Some("fatal"), Some(7))
        );
    }

    #[test]
    fn uses_end_before_others_begin() {
        let uses = |all: &[(u16, &str)]| -> Uses {
            let all = all.iter();
            all.map(|(domain, bdf)| (*domain, bdf.to_string()))
                .collect()
        };
        let found = changes(&uses(&[(1, "a"), (1, "b")]), &uses(&[(1, "b"), (2, "a")]));
        let found: Vec<_> = found
            .iter()
            .map(|event| (event.event.as_str(), event.domain, event.bdf.as_str()))
            .collect();
        assert_eq!(found, [("detach", Some(1), "a"), ("attach", Some(2), "a")]);
    }

    #[test]
    fn what_is_not_of_a_pci_device_is_none() {
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"add@/x\0ACTION=add\0SUBSYSTEM=net\0"), None);
        assert_eq!(
            parse(b"libudev\0\xfe\xed\xca\xfeACTION=add\0SUBSYSTEM=pci\0"),
            None
        );
        assert_eq!(parse(b"add@/x\0=\0\0ACTION=add"), None);
    }
}
