// SPDX-License-Identifier: GPL-2.0

//! The files of a machine, wherever they are: below a folder, or in a report.

/// Files, symbolic links and folders. Paths are absolute, as they are on the machine itself.
pub(crate) trait Tree {
    /// Returns what is in a file, or `None` if it can't be read.
    fn read(&self, path: &str) -> Option<String>;

    /// Returns where a symbolic link points, or `None` if it isn't one.
    fn link(&self, path: &str) -> Option<String>;

    /// Returns the names in a folder, sorted; none if it can't be read.
    fn list(&self, path: &str) -> Vec<String>;
}

/// Returns the path that a symbolic link leads to, or `None` if it isn't one. No folder on the way
/// may be a link.
pub(crate) fn follow<T: Tree + ?Sized>(tree: &T, path: &str) -> Option<String> {
    let target = tree.link(path)?;
    let (folder, _) = path.rsplit_once('/')?;
    let whole = match target.starts_with('/') {
        true => target,
        false => format!("{folder}/{target}"),
    };
    let mut parts = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each path is a link to this.
    struct Link(&'static str);

    impl Tree for Link {
        fn read(&self, _: &str) -> Option<String> {
            None
        }

        fn link(&self, _: &str) -> Option<String> {
            Some(self.0.to_string())
        }

        fn list(&self, _: &str) -> Vec<String> {
            Vec::new()
        }
    }

    #[test]
    fn a_link_is_followed_from_its_folder() {
        let leads = |target| follow(&Link(target), "/sys/dev/block/8:0").unwrap();
        assert_eq!(leads("../../devices/a/b"), "/sys/devices/a/b");
        assert_eq!(leads("./c"), "/sys/dev/block/c");
        assert_eq!(leads("/etc/d"), "/etc/d");
        assert_eq!(leads("../../../../../../e"), "/e");
    }
}
