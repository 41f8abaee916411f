// SPDX-License-Identifier: GPL-2.0

//! What is known of a machine only by asking programs, which takes its time, so that only `doctor`
//! and `report` do.

use super::{
    host::is_of_interest,
    BOOT_REPORT, //
};
use crate::{
    boot::rules::options,
    files::{
        output_path,
        Files, //
    },
};

/// What Xen says of itself; for root only.
const XEN_INFO: &str = "xl info";

/// Xen's log.
const XEN_LOG: &str = "xl dmesg";

/// What is written in the module's file.
const MODULE: &str = "modinfo rust_pciback";

/// What was found out. `None` is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checks {
    /// Xen uses an IOMMU.
    pub(crate) iommu: Option<bool>,
    /// And remaps interrupts by it.
    pub(crate) remapping: Option<bool>,
    /// The kernel that the module's file is for.
    pub(crate) built_for: Option<String>,
    /// Who signed the module's file; empty if nobody did.
    pub(crate) signer: Option<String>,
    /// What was not claimed at boot, and why.
    pub(crate) not_at_boot: Vec<String>,
}

/// Asks.
pub(crate) fn read(files: &dyn Files) -> Checks {
    let field = |text: &Option<String>, name: &str| {
        let lines = text.as_deref().unwrap_or_default().lines();
        let mut fields = lines.filter_map(|line| line.split_once(':'));
        let found = fields.find(|(key, _)| key.trim() == name);
        found.map(|(_, value)| value.trim().to_string())
    };
    let info = files.output(XEN_INFO);
    let capabilities = field(&info, "virt_caps");
    let has = |word| {
        let mut words = capabilities.as_deref()?.split_whitespace();
        Some(words.any(|found| found == word))
    };
    let log = files.output(XEN_LOG).unwrap_or_default();
    let said = |what: &str| {
        let line = log.lines().rev().find(|line| line.contains(what));
        line.map(|line| line.contains("enabled"))
    };
    let module = files.output(MODULE);
    let report = files.read(BOOT_REPORT).unwrap_or_default();
    Checks {
        iommu: has("hvm_directio").or_else(|| said("I/O virtualisation")),
        remapping: said("Interrupt remapping"),
        built_for: field(&module, "vermagic")
            .and_then(|words| Some(words.split(' ').next()?.to_string())),
        signer: module
            .is_some()
            .then(|| field(&module, "signer").unwrap_or_default()),
        not_at_boot: report
            .lines()
            .filter(|line| !line.starts_with("claim "))
            .map(str::to_string)
            .collect(),
    }
}

/// What a report has of an output; `None` if it is none of these.
pub(super) fn public(path: &str, text: &str) -> Option<String> {
    let keep = |fits: &dyn Fn(&str) -> bool| {
        let lines = text.lines().filter(|line| fits(line));
        lines.flat_map(|line| [line, "\n"]).collect()
    };
    if path == output_path(XEN_INFO) {
        let names = ["virt_caps", "xen_major", "xen_minor", "xen_extra"];
        return Some(keep(&|line| {
            names.iter().any(|name| line.starts_with(name))
        }));
    }
    if path == output_path(XEN_LOG) {
        let texts = ["I/O virtualisation", "Interrupt remapping"];
        return Some(keep(&|line| texts.iter().any(|text| line.contains(text))));
    }
    if path == output_path(MODULE) {
        let names = ["version:", "vermagic:"];
        let known = keep(&|line| names.iter().any(|name| line.starts_with(name)));
        // A key has the name of the machine or of its owner.
        let signed = text.lines().any(|line| line.starts_with("signer:"));
        return Some(match signed {
            true => known + "signer: ...\n",
            false => known,
        });
    }
    if path == "/proc/cmdline" {
        let words = options::words(text).into_iter();
        let words = words.filter(|word| is_of_interest(word));
        let quoted = words.map(|word| match word.contains(char::is_whitespace) {
            true => format!("\"{word}\""),
            false => word,
        });
        return Some(quoted.collect::<Vec<_>>().join(" ") + "\n");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dump::Dump;

    fn dump() -> Dump {
        let mut dump = Dump::default();
        dump.add_file(
            &output_path(XEN_INFO),
            "host                   : jane\nvirt_caps              : pv hvm hvm_directio hap\n",
        );
        dump.add_file(
            &output_path(XEN_LOG),
            "(XEN) I/O virtualisation enabled\n(XEN)  - Dom0 mode: Relaxed\n(XEN) Interrupt remapping disabled\n",
        );
        dump.add_file(
            &output_path(MODULE),
            "filename:       /home/jane/rust_pciback.ko\nvermagic:       7.2.12+deb13-amd64 SMP preempt mod_unload\n",
        );
        dump.add_file(
            BOOT_REPORT,
            "claim 0000:01:00.0 a.conf\nrefuse 0000:02:00.0 b.conf: it holds the root file system\n",
        );
        dump
    }

    #[test]
    fn what_programs_say_is_read() {
        let checks = read(&dump());
        assert_eq!((checks.iommu, checks.remapping), (Some(true), Some(false)));
        assert_eq!(checks.built_for.as_deref(), Some("7.2.12+deb13-amd64"));
        assert_eq!(checks.signer.as_deref(), Some(""));
        assert_eq!(
            checks.not_at_boot,
            ["refuse 0000:02:00.0 b.conf: it holds the root file system"]
        );
        assert_eq!(read(&Dump::default()), Checks::default());
    }

    #[test]
    fn a_report_of_them_says_the_same_and_no_names() {
        let mut short = dump();
        let texts: Vec<(String, String)> = dump()
            .files()
            .filter_map(|(path, text)| Some((path.clone(), public(&path, text)?)))
            .collect();
        assert_eq!(texts.len(), 3);
        for (path, text) in texts {
            assert!(!text.contains("jane"), "{text}");
            short.add_file(&path, &text);
        }
        assert_eq!(read(&short), read(&dump()));
    }

    #[test]
    fn a_report_has_no_name_of_a_key() {
        let text = "version:        0.1.0\nsigner:         jane's machine Secure Boot Module Signature key\n";
        let short = public(&output_path(MODULE), text).unwrap();
        assert_eq!(short, "version:        0.1.0\nsigner: ...\n");
        let mut dump = Dump::default();
        dump.add_file(&output_path(MODULE), &short);
        assert_eq!(read(&dump).signer.as_deref(), Some("..."));
    }
}
