// SPDX-License-Identifier: GPL-2.0

//! Completions in the shells themselves, set up as the package does it, as a person sees them.

mod common;

use common::{
    run,
    terminal::Terminal,
    text, //
};

use std::{
    fs,
    path::Path, //
};

/// What a person's home has to have for a shell, and what is called in it.
struct Shell {
    name: &'static str,
    /// Where its completion goes.
    file: &'static str,
    /// What is read at its start.
    start: (&'static str, &'static str),
    command: &'static str,
}

const BASH: Shell = Shell {
    name: "bash",
    file: "share/bash-completion/completions/pcibackctl",
    start: (
        "bashrc",
        "PS1='$ '\nXDG_DATA_HOME=$PWD/share\n. /usr/share/bash-completion/bash_completion\n",
    ),
    command: "bash --noprofile --rcfile bashrc -i",
};

const ZSH: Shell = Shell {
    name: "zsh",
    file: "functions/_pcibackctl",
    start: (
        ".zshrc",
        "PS1='$ '\nfpath=($PWD/functions $fpath)\nautoload -Uz compinit\ncompinit -u -D\n",
    ),
    command: "ZDOTDIR=$PWD zsh -d -i",
};

const FISH: Shell = Shell {
    name: "fish",
    file: "share/fish/vendor_completions.d/pcibackctl.fish",
    start: (
        "config/fish/config.fish",
        "function fish_prompt; echo -n '$ '; end\nset -g fish_greeting\n\
         set -g fish_autosuggestion_enabled 0\n",
    ),
    command: "PATH=$PWD/bin:$PATH HOME=$PWD XDG_CONFIG_HOME=$PWD/config XDG_DATA_HOME=$PWD/data XDG_DATA_DIRS=$PWD/share \
              fish --features no-query-term -i",
};

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A machine in the folder `m`: a card of two claimed functions, and a disk.
fn home(shell: &Shell) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for (bdf, driver, ids) in [
        ("0000:03:00.0", "pciback", "8086:10C9"),
        ("0000:03:00.1", "pciback", "8086:10C9"),
        ("0000:04:00.0", "nvme", "1B36:0010"),
    ] {
        let path = format!("devices/pci0000:00/0000:00:{}.0/{bdf}", &bdf[5..7]);
        let uevent = format!("DRIVER={driver}\nPCI_CLASS=20000\nPCI_ID={ids}\n");
        write(&home.path().join(format!("m/sys/{path}/uevent")), &uevent);
        let link = home.path().join(format!("m/sys/bus/pci/devices/{bdf}"));
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(format!("../../../{path}"), link).unwrap();
    }
    let disk = "../../devices/pci0000:00/0000:00:04.0/0000:04:00.0/nvme/nvme0";
    let class = home.path().join("m/sys/class/nvme");
    fs::create_dir_all(&class).unwrap();
    std::os::unix::fs::symlink(disk, class.join("nvme0")).unwrap();
    // fish completes only for commands that are there.
    fs::create_dir(home.path().join("bin")).unwrap();
    std::os::unix::fs::symlink("/bin/true", home.path().join("bin/sudo")).unwrap();
    let script = run(Path::new("/"), &["completion", shell.name]);
    assert!(script.status.success(), "{script:?}");
    write(&home.path().join(shell.file), &text(&script));
    write(&home.path().join(shell.start.0), shell.start.1);
    home
}

/// Presses keys, texts or names of tmux, and waits for what is on the screen then.
type Step = (&'static [&'static str], &'static [&'static str]);

/// What is the same in all shells: each clears the screen first.
const COMMON: [Step; 6] = [
    (
        &["pcibackctl --root m res", "Tab"],
        &["$ pcibackctl --root m reset"],
    ),
    // A claimed device, not the disk.
    (
        &["pcibackctl --root m reset 0000:", "Tab"],
        &["$ pcibackctl --root m reset 0000:03:00."],
    ),
    (
        &["pcibackctl --root m release 0000:", "Tab"],
        &["$ pcibackctl --root m release 0000:03:00."],
    ),
    // Any device.
    (
        &["pcibackctl --root m claim 0000:", "Tab"],
        &["$ pcibackctl --root m claim 0000:0"],
    ),
    // By the kernel's name.
    (
        &["pcibackctl --root m explain nv", "Tab"],
        &["$ pcibackctl --root m explain nvme0"],
    ),
    // Changes are for root.
    (
        &["sudo pcibackctl --root m reset 03:", "Tab"],
        &["$ sudo pcibackctl --root m reset 03:00."],
    ),
];

fn check(shell: &Shell, last: &[Step]) {
    let home = home(shell);
    let terminal = Terminal::new(shell.name, (70, 20), home.path(), shell.command);
    let step = |(keys, lines): &Step| {
        terminal.press(keys);
        terminal.wait(&format!("{lines:#?}"), || {
            let found = terminal.lines();
            // fish shows at once what there is to choose from, shortened, below the line.
            found == *lines || (shell.name == "fish" && found.starts_with(&owned(lines)))
        });
    };
    step(&(&[], &["$"]));
    for common in &COMMON {
        step(&(&["C-u", "C-l"], &["$"]));
        step(common);
    }
    // Which of both is asked for, and answered.
    last.iter().for_each(step);
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| line.to_string()).collect()
}

const LINE: &str = "$ sudo pcibackctl --root m reset 03:00.";
const DONE: &str = "$ sudo pcibackctl --root m reset 03:00.1";

#[test]
fn bash_completes_devices() {
    check(
        &BASH,
        &[
            (&["Tab", "Tab"], &[LINE, "00.0  00.1", LINE]),
            (&["1", "Tab"], &[LINE, "00.0  00.1", DONE]),
        ],
    );
}

#[test]
fn zsh_completes_devices() {
    const CHOICE: &str = "03:00.1  03:00.0  -- 8086:10c9";
    check(
        &ZSH,
        &[
            (&["Tab"], &[LINE, CHOICE]),
            (&["1", "Tab"], &[DONE, CHOICE]),
        ],
    );
}

#[test]
fn fish_completes_devices() {
    const CHOICE: &str = "03:00.0  (8086:10c9)  03:00.1  (8086:10c9)";
    check(&FISH, &[(&[], &[LINE, CHOICE]), (&["1", "Tab"], &[DONE])]);
}
