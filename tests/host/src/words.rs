// SPDX-License-Identifier: GPL-2.0

//! Words that users read, against the documents that promise them.

use crate::pure::{
    canary::Proof,
    claim_step::ClaimStep,
    error_recovery::Channel,
    guest_interrupts::{
        GuestInterrupts,
        Msix,
        Table,
        Without, //
    },
    reset_method::Method,
    reset_plan::{
        Rung,
        Unproven, //
    },
    reset_state::{
        ResetState,
        Verdict, //
    },
};

const ABI: &str = include_str!("../../../Documentation/ABI/testing/sysfs-driver-pciback");
const ADMIN_GUIDE: &str = include_str!("../../../Documentation/admin-guide.md");
const ARCHITECTURE: &str = include_str!("../../../Documentation/architecture.md");
const MSIX: &str = include_str!("../../../Documentation/msix.md");

/// Returns what the ABI file says of a file of a claimed device.
fn entry(file: &str) -> &'static str {
    let title = format!("What:\t\t/sys/bus/pci/devices/.../pciback/{file}\n");
    let (_, entry) = ABI.split_once(&title).expect("no entry");
    entry.split("\nWhat:").next().unwrap()
}

/// Returns the first column of the table in an entry.
fn table(entry: &'static str) -> impl Iterator<Item = &'static str> {
    let table = entry.split("\n\t\t====").nth(1).expect("no table");
    let rows = table.lines().filter_map(|line| line.strip_prefix("\t\t"));
    rows.filter(|row| !row.starts_with(char::is_whitespace))
        .filter_map(|row| row.split_whitespace().next())
}

/// Returns what is in quotation marks in a text.
fn quoted(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split('"').skip(1).step_by(2)
}

#[test]
fn of_states() {
    assert!(table(entry("state")).eq(ResetState::ALL.map(ResetState::name)));
    let verdicts = [Verdict::Yes, Verdict::WithWarning, Verdict::No];
    assert!(table(entry("assignable")).eq(verdicts.map(Verdict::name)));
}

#[test]
fn of_rungs_and_what_they_proved() {
    // The last is that of no rung.
    assert!(quoted(entry("reset_plan"))
        .take(7)
        .eq(Rung::ALL.map(Rung::name)));
    let proofs = [Proof::Proven, Proof::Disproven, Proof::Unknown];
    assert!(table(entry("last_reset_proof"))
        .take(3)
        .eq(proofs.map(Proof::name)));
    // The kernel's own words for its methods, in the order of its numbers.
    let methods: Vec<_> = (1..=7).filter_map(Method::from_kernel).collect();
    let words = [
        "device_specific",
        "acpi",
        "flr",
        "af_flr",
        "pm",
        "bus",
        "cxl_bus",
    ];
    assert!(methods.iter().map(|method| method.name()).eq(words));
    for rung in Rung::ALL {
        let log = ADMIN_GUIDE.replace("METHOD", rung.name());
        assert!(log.contains(&format!("| `{}` |", Unproven(rung))), "{rung}");
    }
    for method in methods {
        assert_eq!(method.to_string(), method.name());
    }
}

#[test]
fn of_errors() {
    let (_, variables) = ABI.split_once("\t\tPCIBACK_ERROR ").unwrap();
    let channels = [Channel::Normal, Channel::Frozen, Channel::Lost];
    assert!(quoted(variables).take(3).eq(channels.map(Channel::name)));
}

#[test]
fn of_steps() {
    let (_, steps) = ARCHITECTURE.split_once("| Step |").unwrap();
    let rows = steps.lines().skip(2).take_while(|row| !row.is_empty());
    let words = rows.filter_map(|row| row.split('`').nth(1));
    assert!(words.eq(ClaimStep::ALL.map(ClaimStep::name)));
    for step in ClaimStep::ALL {
        assert_eq!(step.to_string(), step.name());
    }
}

#[test]
fn of_interrupts() {
    let text = |msix, msi, pin| GuestInterrupts { msix, msi, pin }.to_string();
    let none = Msix::None(Without::Capability);
    let ways = [
        text(Msix::Prepared, true, true),
        text(none, true, true),
        text(none, false, true),
        text(none, false, false),
    ];
    assert!(quoted(entry("guest_interrupts")).take(4).eq(ways));

    let held = |address| {
        let entries = 65;
        text(Msix::Held(Table { entries, address }), true, true)
    };
    assert!(MSIX.contains(&format!("| `{}` |", held(0x2000))));
    let (whole, next) = ("(not the last of its 65 vectors", "(...");
    let shares = held(0x2010).replace(whole, next);
    assert!(MSIX.contains(&format!("| `{shares}` |")), "{shares}");
    let without = |without| text(Msix::None(without), false, true);
    let one = without(Without::SecondVector);
    assert!(MSIX.contains(&format!("| `{one}`, or ")), "{one}");
    for reason in [
        Without::Wish,
        Without::Xen,
        Without::Table,
        Without::Lost,
        Without::Hold(-28),
    ] {
        let text = without(reason).replace("intx (", "... (");
        // What to do is in the page itself.
        let text = text.replace(", remove the device and rescan the bus", ", ...");
        assert!(MSIX.contains(&format!("| `{text}` |")), "{text}");
    }
}
