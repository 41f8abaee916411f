// SPDX-License-Identifier: GPL-2.0

//! What is made of the program itself: man pages, completions, the schema.

use super::print;
use crate::{
    answer::{
        device::List,
        doctor::Diagnosis,
        explain::Explanations,
        tree::Tree,
        Document, //
    },
    args::{
        Arguments,
        DEVICES,
        STATUS, //
    },
    command::alter::Changes,
    failure::{
        io_failure,
        Code,
        ErrorAnswer,
        Failure, //
    },
    watch::Event, //
};

use clap::{
    builder::Resettable,
    CommandFactory, //
};
use clap_complete::env::Shells;
use schemars::schema_for;
use serde_json::{
    json,
    Value, //
};
use std::{
    path::Path,
    process::ExitCode, //
};

/// The name of the program.
const NAME: &str = "pcibackctl";

/// Prints what a shell needs to complete devices and options.
pub(super) fn completion(shell: &str) -> Result<ExitCode, Failure> {
    let shells = Shells::builtins();
    let Some(completer) = shells.completer(shell) else {
        let known: Vec<&str> = shells.names().collect();
        let mend = format!("Give one of: {}", known.join(", "));
        return Err(Failure::new(Code::Usage, "there is no such shell here", mend).of(shell));
    };
    if shell == "bash" {
        return print(BASH);
    }
    let mut script = Vec::new();
    completer
        .write_registration("COMPLETE", NAME, NAME, NAME, &mut script)
        .map_err(|error| io_failure("completion", &error))?;
    let script = String::from_utf8_lossy(&script);
    print(&match shell {
        "zsh" => format!("{script}{ZSH}"),
        _ => script.into_owned(),
    })
}

/// For zsh, which runs the file as the function of its name at the first completion, and by it only
/// has what there is to complete for the second.
const ZSH: &str = r#"
if [[ $funcstack[1] == _pcibackctl ]]; then
    _clap_dynamic_completer_pcibackctl
fi
"#;

/// For bash, whose words end at colons: here they don't, because addresses have some. What is
/// before the last colon bash has already.
const BASH: &str = r#"_pcibackctl() {
    local line=${COMP_LINE:0:COMP_POINT} words before
    read -ra words <<<"$line"
    [[ $line != *[[:space:]] ]] || words+=("")
    local index=$((${#words[@]} - 1)) IFS=$'\013'
    COMPREPLY=($(
        COMPLETE=bash _CLAP_IFS="$IFS" _CLAP_COMPLETE_INDEX="$index" \
            _CLAP_COMPLETE_COMP_TYPE="$COMP_TYPE" _CLAP_COMPLETE_SPACE=false \
            pcibackctl -- "${words[@]}"
    ))
    [[ $COMP_WORDBREAKS == *:* ]] || return 0
    before=${words[index]%"${words[index]##*:}"}
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
}
complete -o bashdefault -F _pcibackctl pcibackctl
"#;

/// Writes a man page of section 8 for the program and for each command.
pub(super) fn man(folder: &Path) -> Result<ExitCode, Failure> {
    let failed = |error: std::io::Error| io_failure(&folder.display().to_string(), &error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut command = Arguments::command()
        .disable_help_subcommand(true)
        .after_help(Resettable::Reset);
    command.build();
    let pages = command.get_subcommands().filter(|page| !page.is_hide_set());
    for page in std::iter::once(&command).chain(pages) {
        let name = page.get_display_name().unwrap_or(NAME).to_string();
        let mut text = Vec::new();
        clap_mangen::Man::new(page.clone())
            .title(name.to_uppercase())
            .section("8")
            .render(&mut text)
            .map_err(failed)?;
        text.extend(sections(name == NAME).bytes());
        std::fs::write(folder.join(format!("{name}.8")), text).map_err(failed)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Files that the program reads and writes.
const FILES: [(&str, &str); 6] = [
    (
        "/etc/rust-pciback/devices.d/",
        "what is claimed at boot, one file a device (rust-pciback-devices(5))",
    ),
    (
        "/etc/driverctl.d/",
        "overrides of driverctl(8); those for pciback are shown and count as kept, but are never \
         written here",
    ),
    (
        "/etc/modprobe.d/, /proc/cmdline",
        "hide= of the driver and of xen-pciback there counts as kept, too, and is never written",
    ),
    (
        "/run/rust-pciback.lock",
        "locked during a change: one waits for another",
    ),
    (
        "/usr/libexec/rust-pciback/update-initrd",
        "run after a change of what is claimed at boot, where it is there",
    ),
    (
        "/sys/bus/pci/drivers/pciback/",
        "the driver (Documentation/ABI/testing/sysfs-driver-pciback)",
    ),
];

/// Commands, and what they do.
const EXAMPLES: [(&str, &str); 6] = [
    ("pcibackctl", "All devices that could be claimed."),
    (
        "pcibackctl tree --if-claimed 03:00",
        "What resets would reach if the device at 03:00 were claimed.",
    ),
    (
        "pcibackctl explain eth1",
        "How the network card would be reset, what is in the way, and what to do.",
    ),
    (
        "pcibackctl claim --group 03:00.0",
        "Claim it now and at each boot, with all that share its reset.",
    ),
    (
        "pcibackctl claim --dry-run 03:00.0",
        "Say what would be written.",
    ),
    (
        "pcibackctl --root report.txt tree",
        "Look at the machine that wrote a report.",
    ),
];

/// The sections after the options.
fn sections(of_program: bool) -> String {
    let mut text = String::new();
    if of_program {
        let devices = DEVICES.trim_start_matches("A DEVICE is ");
        text += &format!(".SH DEVICES\nA device is {}\n", escaped(devices));
    }
    let mut list = |head: &str, items: &[(&str, &str)]| {
        text += &format!(".SH {head}\n");
        for (item, meaning) in items {
            text += &format!(".TP\n\\fB{}\\fR\n{}\n", escaped(item), escaped(meaning));
        }
    };
    if of_program {
        list("EXIT STATUS", &STATUS);
        list("FILES", &FILES);
        list("EXAMPLES", &EXAMPLES);
    }
    let other = if of_program { "" } else { "pcibackctl(8), " };
    text + &format!(
        ".SH SEE ALSO\n{other}rust-pciback(8), rust-pciback-devices(5), driverctl(8), xl(1)\n"
    )
}

/// A text of roff: hyphens of options are to stay what they are.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('-', "\\-")
}

/// Returns the schema of each document, by its command.
pub(super) fn schema() -> String {
    let documents: [(&str, Value); 9] = [
        ("list", schema_for!(Document<List>).to_value()),
        ("tree", schema_for!(Document<Tree>).to_value()),
        ("graph", schema_for!(Document<Tree>).to_value()),
        ("explain", schema_for!(Document<Explanations>).to_value()),
        ("doctor", schema_for!(Document<Diagnosis>).to_value()),
        ("claim", schema_for!(Document<Changes>).to_value()),
        ("release", schema_for!(Document<Changes>).to_value()),
        ("reset", schema_for!(Document<Changes>).to_value()),
        ("watch", schema_for!(Document<Event>).to_value()),
    ];
    let mut all = serde_json::Map::new();
    all.extend(documents.map(|(name, schema)| (name.to_string(), schema)));
    all.insert(
        "error".to_string(),
        schema_for!(Document<ErrorAnswer>).to_value(),
    );
    let text = serde_json::to_string_pretty(&json!({
        "schema": crate::answer::SCHEMA,
        "documents": all,
    }));
    text.unwrap_or_default() + "\n"
}
