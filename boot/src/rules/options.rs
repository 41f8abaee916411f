// SPDX-License-Identifier: GPL-2.0

//! What the driver is told by options, under any of its names: on the kernel command line, in
//! modprobe.d, and when it is loaded.
//!
//! modprobe gives a module only the options of the name that it was called by, and of a parameter
//! that is given twice the kernel takes the last. So `hide` is gathered here.

/// Names that options of the driver may have; modprobe and the kernel take `-` for `_`.
const NAMES: [&str; 3] = ["rust_pciback", "xen_pciback", "pciback"];

/// A parameter that somebody gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// The parameter.
    pub(crate) name: String,
    /// Its value; empty where there is none.
    pub(crate) value: String,
}

impl Given {
    fn of(word: &str) -> Self {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        Self {
            name: name.replace('-', "_"),
            value: value.to_string(),
        }
    }
}

/// Returns the words of a command line as the kernel sees them (`next_arg()` in lib/cmdline.c):
/// blanks between double quotes part no words, and the quotes around a word or a value go.
pub(crate) fn words(text: &str) -> Vec<String> {
    let (mut all, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for c in text.chars() {
        match c {
            '"' => (quoted, begun) = (!quoted, true),
            c if c.is_whitespace() && !quoted => {
                if begun {
                    all.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        all.push(word);
    }
    all
}

/// Returns what a kernel command line has for the driver: `xen-pciback.hide=(0000:03:00.0)`.
/// What is behind `--` is for init.
pub(crate) fn of_command_line(text: &str) -> Vec<Given> {
    let for_kernel = words(text).into_iter().take_while(|word| word != "--");
    let ours = for_kernel.filter_map(|word| {
        let (module, option) = word.split_once('.')?;
        NAMES
            .contains(&module.replace('-', "_").as_str())
            .then(|| Given::of(option))
    });
    ours.collect()
}

/// Returns what a file of modprobe.d has for the driver: `options xen-pciback hide=(...)`.
pub(crate) fn of_modprobe_conf(text: &str) -> Vec<Given> {
    let lines = lines_of_modprobe_conf(text);
    let words = lines
        .iter()
        .flat_map(|line| words(line).into_iter().skip(2));
    words.map(|word| Given::of(&word)).collect()
}

/// Returns the lines of a file of modprobe.d that have options of the driver.
pub(crate) fn lines_of_modprobe_conf(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let is_ours = |line: &&str| {
        let mut words = words(line).into_iter();
        words.next().as_deref() == Some("options")
            && words
                .next()
                .is_some_and(|name| NAMES.contains(&name.replace('-', "_").as_str()))
    };
    let lines = joined.lines().map(str::trim).filter(is_ours);
    lines.map(str::to_string).collect()
}

/// Returns what modprobe was told: `hide=(0000:03:00.0) passthrough=1`.
pub(crate) fn of_arguments(text: &str) -> Vec<Given> {
    words(text).iter().map(|word| Given::of(word)).collect()
}

/// Returns `true` for a parameter of the C driver alone: here requests are told in the log as
/// debugging messages.
pub(crate) fn is_of_c_driver_only(name: &str) -> bool {
    name == "verbose_request"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(given: Vec<Given>) -> Vec<String> {
        given
            .into_iter()
            .map(|g| format!("{}={}", g.name, g.value))
            .collect()
    }

    #[test]
    fn every_name_counts_on_the_command_line() {
        let line = "root=/dev/vda xen-pciback.hide=(0000:03:00.0)(0000:04:00.0) rust_pciback.hide=(05:*.*) \
            pciback.passthrough=1 xen_pciback.permissive quiet pcibackctl.hide=(x) hide=(y) -- xen-pciback.hide=(z)\n";
        let expected = [
            "hide=(0000:03:00.0)(0000:04:00.0)",
            "hide=(05:*.*)",
            "passthrough=1",
            "permissive=",
        ];
        assert_eq!(flat(of_command_line(line)), expected);
    }

    #[test]
    fn quotes_hold_blanks_together() {
        assert_eq!(
            flat(of_command_line(
                "xen-pciback.hide=\"(03:00.0) (04:00.0)\" a"
            )),
            ["hide=(03:00.0) (04:00.0)"]
        );
        assert_eq!(
            flat(of_command_line("\"xen-pciback.hide=(03:00.0) (04:00.0)\"")),
            ["hide=(03:00.0) (04:00.0)"]
        );
        assert_eq!(words("a \"\"  b"), ["a", "", "b"]);
        assert_eq!(words("never \"closed and"), ["never", "closed and"]);
    }

    #[test]
    fn files_of_modprobe_are_read() {
        let text = "# options xen-pciback hide=(01:00.0)\noptions xen-pciback hide=(02:00.0) \\\n  passthrough=1\n\
            alias x y\n\toptions rust_pciback strict-reset=1\noptions igb hide=(03:00.0)\noptions\n";
        assert_eq!(
            flat(of_modprobe_conf(text)),
            ["hide=(02:00.0)", "passthrough=1", "strict_reset=1"]
        );
    }
}
