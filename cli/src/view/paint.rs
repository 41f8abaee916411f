// SPDX-License-Identifier: GPL-2.0

//! Colours, characters and width of the terminal.

use std::io::IsTerminal;

/// When colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a text stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// As it should be.
    Good,
    /// To be thought about.
    Warn,
    /// In the way, or broken.
    Bad,
    /// Less important than what is around it.
    Faint,
    /// What it is about.
    Strong,
}

/// How to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    colours: bool,
    /// The characters of Unicode for lines can be used.
    pub(crate) unicode: bool,
    /// Columns of the terminal; `None` where there is none.
    pub(crate) width: Option<u16>,
}

impl Paint {
    /// For standard output as it is.
    pub(crate) fn for_stdout(when: When, ascii: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = set("LC_ALL")
            .or_else(|| set("LC_CTYPE"))
            .or_else(|| set("LANG"));
        let utf8 = locale.is_some_and(|locale| {
            let locale = locale.to_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        let columns = set("COLUMNS").and_then(|columns| columns.parse().ok());
        let size = || terminal_size::terminal_size().map(|(width, _)| width.0);
        Self {
            colours: match when {
                When::Always => true,
                When::Never => false,
                When::Auto => {
                    terminal && set("NO_COLOR").is_none() && set("TERM").as_deref() != Some("dumb")
                }
            },
            unicode: utf8 && !ascii,
            width: columns.or_else(|| terminal.then(size).flatten()),
        }
    }

    /// Returns a text in a colour.
    pub(crate) fn ink(&self, ink: Ink, text: &str) -> String {
        if !self.colours || text.is_empty() {
            return text.to_string();
        }
        let code = match ink {
            Ink::Good => "32",
            Ink::Warn => "33",
            Ink::Bad => "31",
            Ink::Faint => "2",
            Ink::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Returns a text that is cut to so many columns.
    pub(crate) fn cut(&self, text: &str, columns: usize) -> String {
        if visible(text) <= columns {
            return text.to_string();
        }
        let end = if self.unicode { "…" } else { "~" };
        let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
        format!("{}{end}", kept.trim_end())
    }
}

/// The colour of a word of `pciback/state`.
pub(crate) fn of_state(state: &str) -> Ink {
    match state {
        "clean" => Ink::Good,
        "failed" => Ink::Bad,
        _ => Ink::Warn,
    }
}

/// Returns how many columns a text takes, without its colours.
pub(crate) fn visible(text: &str) -> usize {
    let mut columns = 0;
    let mut inside = false;
    for letter in text.chars() {
        match (inside, letter) {
            (false, '\x1b') => inside = true,
            (true, 'm') => inside = false,
            (false, _) => columns += 1,
            (true, _) => {}
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn colours_take_no_columns() {
        assert_eq!(visible("\x1b[32mab\x1b[0m c"), 4);
        assert_eq!(visible(""), 0);
    }
}
