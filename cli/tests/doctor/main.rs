// SPDX-License-Identifier: GPL-2.0

//! Each thing that `doctor` looks at: it is told of where it is, and not where it isn't.

mod cases;
#[path = "../common/mod.rs"]
mod common;
mod machine;

use cases::{
    cases,
    Case, //
};
use machine::*;

use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::Path, //
};

fn has(findings: &[Value], (check, level, text, _): &Case) -> bool {
    findings.iter().any(|finding| {
        let said = finding["text"].as_str().unwrap();
        finding["check"] == *check && finding["level"] == *level && said.contains(text)
    })
}

#[test]
fn a_healthy_machine_has_nothing_wrong() {
    let (found, code) = findings(&[]);
    assert_eq!(code, Some(0), "{found:#?}");
    for finding in &found {
        assert_eq!(finding["level"], "ok", "{finding}");
        assert_eq!(finding["mend"], "", "{finding}");
    }
    let checks: Vec<&str> = found
        .iter()
        .map(|it| it["check"].as_str().unwrap())
        .collect();
    assert_eq!(checks, ["xen", "iommu", "remapping", "driver"]);
}

#[test]
fn what_is_wrong_is_found_and_nothing_else() {
    let (healthy, _) = findings(&[]);
    for case in cases() {
        let (check, level, text, changes) = case;
        assert!(!has(&healthy, case), "{check}: {text}");
        let (found, code) = findings(changes);
        assert!(has(&found, case), "{check}: {text}: {found:#?}");
        let is_problem = found.iter().any(|finding| finding["level"] == "problem");
        assert_eq!(code, Some(if is_problem { 6 } else { 0 }), "{text}");
        assert!(is_problem || *level != "problem", "{text}");
        for finding in found.iter().filter(|finding| finding["level"] == *level) {
            let says_what_to_do = finding["mend"] != "" || *level == "ok";
            assert!(
                says_what_to_do || *text == "which kernel this is can't be seen",
                "{finding}"
            );
        }
    }
}

/// What looks like the above and is right.
#[test]
fn what_is_nearly_wrong_is_not_found() {
    let cases: [(&str, Files); 4] = [
        // Mended there; and not of PV.
        (
            "xen-reset",
            &[(GUEST_TYPE, "PVH"), (MINOR, "21"), (EXTRA, ".1")],
        ),
        ("xen-reset", &[(MINOR, "21"), (EXTRA, ".0")]),
        ("pvh-msix", &[(HOLD_MSIX, "N")]),
        // Read by the package.
        (
            "command-line",
            &[(COMMAND_LINE, "ro xen-pciback.hide=(01:00.0)")],
        ),
    ];
    for (check, changes) in cases {
        let (found, _) = findings(changes);
        assert!(
            found.iter().all(|finding| finding["check"] != check),
            "{found:#?}"
        );
    }
}

/// No check is without a case: all words for what is found are in the sources.
#[test]
fn each_check_has_a_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/answer");
    let mut words = BTreeSet::new();
    for file in ["doctor.rs", "doctor/software.rs"] {
        let source = fs::read_to_string(folder.join(file)).unwrap();
        let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
        for end in ["\", Level::", "\", level,"] {
            let before = source
                .split(end)
                .map(|part| part.rsplit('"').next().unwrap());
            let before: Vec<&str> = before.collect();
            // What is behind the last is none.
            words.extend(
                before[..before.len() - 1]
                    .iter()
                    .map(|word| word.to_string()),
            );
        }
    }
    let tested: BTreeSet<String> = cases().map(|(check, ..)| check.to_string()).collect();
    assert_eq!(words, tested);
}
