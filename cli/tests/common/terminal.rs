// SPDX-License-Identifier: GPL-2.0

//! A real terminal (tmux).

use std::{
    path::Path,
    process::Command,
    time::{
        Duration,
        Instant, //
    },
};

/// A terminal of its own, which ends with the value.
pub struct Terminal(String);

impl Terminal {
    /// Starts a command in one, in a folder.
    pub fn new(name: &str, (columns, rows): (u32, u32), folder: &Path, command: &str) -> Self {
        let terminal = Self(format!("pcibackctl-{name}-{}", std::process::id()));
        let size = [columns.to_string(), rows.to_string()];
        let folder = folder.to_str().unwrap();
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &size[0],
            "-y",
            &size[1],
            "-c",
            folder,
            command,
        ]);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let bin = Path::new(super::PROGRAM).parent().unwrap().display();
        let output = Command::new("tmux")
            .args(["-u", "-L", &self.0])
            .args(arguments)
            .env_clear()
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .env("PATH", format!("{bin}:/usr/bin:/bin"))
            .output()
            .expect("tmux: tools/setup cli installs it");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Presses keys, each a text or a name that tmux knows (`Tab`).
    pub fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// What is on the screen, with its colours.
    pub fn screen(&self) -> String {
        let screen = self.tmux(&["capture-pane", "-p", "-e"]);
        screen.trim_end().to_string() + "\n"
    }

    /// The lines on the screen, without colours and without what is empty at their ends.
    pub fn lines(&self) -> Vec<String> {
        let screen = self.tmux(&["capture-pane", "-p"]);
        let lines = screen.trim_end().lines();
        lines.map(|line| line.trim_end().to_string()).collect()
    }

    /// Waits until what is on the screen is as it should be. (tmux has no event for that.)
    pub fn wait(&self, what: &str, is_there: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_there() {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{what}: {}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the screen has a text.
    pub fn wait_for(&self, text: &str) {
        self.wait(text, || self.screen().contains(text));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
