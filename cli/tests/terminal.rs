// SPDX-License-Identifier: GPL-2.0

//! The program in a real terminal (tmux), with the screen compared.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{
        Duration,
        Instant, //
    },
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_pcibackctl");
const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// A terminal of its own, which ends with the value.
struct Terminal(String);

impl Terminal {
    /// Starts a command in one.
    fn new(name: &str, columns: u32, rows: u32, command: &str) -> Self {
        let terminal = Self(format!("pcibackctl-{name}-{}", std::process::id()));
        let size = [columns.to_string(), rows.to_string()];
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &size[0],
            "-y",
            &size[1],
            command,
        ]);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let bin = Path::new(PROGRAM).parent().unwrap().display();
        let output = Command::new("tmux")
            .args(["-u", "-L", &self.0])
            .args(arguments)
            .current_dir(HERE)
            .env_clear()
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .env("PATH", format!("{bin}:/usr/bin:/bin"))
            .output()
            .expect("tmux: tools/setup cli installs it");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What is on the screen, with its colours.
    fn screen(&self) -> String {
        let screen = self.tmux(&["capture-pane", "-p", "-e"]);
        screen.trim_end().to_string() + "\n"
    }

    /// Waits until the screen has all these texts. (tmux has no event for that.)
    fn wait(&self, texts: &[&str]) {
        let begun = Instant::now();
        while !texts.iter().all(|text| self.screen().contains(text)) {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{texts:?}: {}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// Runs the program in a terminal of that size, and compares the screen with a file.
fn compare(name: &str, columns: u32, rows: u32, arguments: &str) {
    let command = format!("pcibackctl {arguments}; echo over; cat");
    let terminal = Terminal::new(name, columns, rows, &command);
    terminal.wait(&["over\n"]);
    let screen = terminal.screen();
    let file = Path::new(HERE).join(format!("tests/screens/{name}.txt"));
    if std::env::var("TRYCMD").as_deref() == Ok("overwrite") {
        fs::write(&file, &screen).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap();
    assert_eq!(screen, expected, "{name}: the screen was\n{screen}");
}

#[test]
fn a_list_fits_a_terminal_of_80_columns() {
    compare(
        "list-80",
        80,
        24,
        "--root tests/trees/thunderbolt-laptop.txt",
    );
}

#[test]
fn a_tree_has_colours() {
    compare(
        "tree-100",
        100,
        40,
        "--root tests/trees/lab-nested.txt tree",
    );
}

#[test]
fn an_explanation_has_colours() {
    compare(
        "explain-100",
        100,
        24,
        "--root tests/trees/lab-shared.txt explain 01:00.0",
    );
}

#[test]
fn a_failure_is_one_line_and_what_to_do() {
    compare(
        "failure-80",
        80,
        10,
        "--root tests/trees/lab-shared.txt claim --now 01:00.0",
    );
}

#[test]
fn bash_completes_commands_and_devices() {
    let terminal = Terminal::new("bash", 100, 24, "PS1='$ ' bash --norc --noprofile");
    terminal.tmux(&[
        "send-keys",
        "source <(pcibackctl completion bash); clear",
        "Enter",
    ]);
    terminal.tmux(&["send-keys", "pcibackctl expl", "Tab"]);
    terminal.wait(&["$ pcibackctl explain"]);
    // Both functions of the card: what is the same first, then both.
    terminal.tmux(&["send-keys", "C-u", "clear", "Enter"]);
    let line = "pcibackctl --root tests/trees/lab-shared.txt explain 0000:01";
    terminal.tmux(&["send-keys", line, "Tab"]);
    terminal.wait(&["explain 0000:01:00."]);
    terminal.tmux(&["send-keys", "Tab", "Tab"]);
    terminal.wait(&["\n00.0  00.1"]);
    // One that is the only one.
    terminal.tmux(&["send-keys", "C-u", "clear", "Enter"]);
    let line = "pcibackctl --root tests/trees/lab-shared.txt explain 0000:03:01";
    terminal.tmux(&["send-keys", line, "Tab"]);
    terminal.wait(&["explain 0000:03:01.0"]);
}
