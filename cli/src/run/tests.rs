// SPDX-License-Identifier: GPL-2.0

//! Plans that are carried out in a folder.

use super::*;
use std::cell::Cell;

fn write(path: &str, text: &str, undo: &[(&str, &str)]) -> Step {
    let undo = undo.iter();
    Step {
        device: "0000:01:00.0".to_string(),
        path: path.to_string(),
        act: Act::Write(text.to_string()),
        undo: undo
            .map(|(path, text)| (path.to_string(), Act::Write(text.to_string())))
            .collect(),
    }
}

fn folder(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        fs::write(root.path().join(file), "").unwrap();
    }
    root
}

fn read(root: &tempfile::TempDir, file: &str) -> String {
    fs::read_to_string(root.path().join(file)).unwrap()
}

#[test]
fn a_signal_between_two_steps_takes_back_those_before() {
    let root = folder(&["one", "two", "three", "one-back", "two-back", "three-back"]);
    let steps = [
        write("/one", "1", &[("/one-back", "1")]),
        write("/two", "2", &[("/two-back", "2")]),
        write("/three", "3", &[("/three-back", "3")]),
    ];
    for (before, done) in [(0, 0), (1, 1), (2, 2)] {
        let begun = Cell::new(0);
        let signal = || (begun.get() == before).then_some(15);
        let host = Host::new(root.path());
        let failed = carry_out(&host, &steps, signal, |_| begun.set(begun.get() + 1)).unwrap_err();
        assert_eq!((failed.step, failed.signal), (done, Some(15)));
        assert!(!failed.was_begun() && failed.left.is_empty());
        for (number, name) in ["one", "two", "three"].into_iter().enumerate() {
            let expected = (number + 1).to_string();
            let expected = if number < done { expected.as_str() } else { "" };
            assert_eq!(read(&root, name), expected, "{name} of {done}");
            assert_eq!(read(&root, &format!("{name}-back")), expected);
        }
    }
    // One that comes with the last step finds all done.
    let begun = Cell::new(0);
    let signal = || (begun.get() == 3).then_some(15);
    let host = Host::new(root.path());
    assert!(carry_out(&host, &steps, signal, |_| begun.set(begun.get() + 1)).is_ok());
}

#[test]
fn a_step_that_fails_when_a_signal_came_says_both() {
    let root = folder(&["one", "back"]);
    let steps = [
        write("/one", "1", &[("/back", "1")]),
        write("/missing", "2", &[]),
    ];
    let begun = Cell::new(0);
    let signal = || (begun.get() == 2).then_some(2);
    let host = Host::new(root.path());
    let failed = carry_out(&host, &steps, signal, |_| begun.set(begun.get() + 1)).unwrap_err();
    assert_eq!(failed.error.kind(), io::ErrorKind::NotFound);
    assert_eq!((failed.signal, failed.was_begun()), (Some(2), true));
    assert_eq!(read(&root, "back"), "1");
}

#[test]
fn a_program_that_failed_runs_again_when_its_files_are_as_before() {
    let root = folder(&[]);
    let kept = "/etc/devices.d/0000:01:00.0.conf";
    let mut keep = write(kept, "", &[]);
    keep.act = Act::Keep("address=0000:01:00.0\n".to_string());
    keep.undo = vec![(kept.to_string(), Act::Remove)];
    let mut run = write("/update-initrd", "", &[]);
    run.act = Act::Run;
    let failed = carry_out(&Host::new(root.path()), &[keep, run], || None, |_| ()).unwrap_err();
    assert!(!root.path().join(&kept[1..]).exists());
    // It can't be run in another root, so it has failed both times.
    let left: Vec<&str> = failed.left.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!((failed.step, left), (1, vec!["/update-initrd"]));
}

#[test]
fn what_is_kept_is_for_all_to_read_and_leaves_nothing_when_it_fails() {
    let root = folder(&[]);
    let place = root.path().join("etc/devices.d/0000:01:00.0.conf");
    keep(&place, "address=0000:01:00.0\n").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place), 0o644);
    assert_eq!(mode(&root.path().join("etc")), 0o755);
    assert_eq!(mode(place.parent().unwrap()), 0o755);
    // In its place is what it can't replace.
    let taken = root.path().join("etc/devices.d/0000:02:00.0.conf");
    fs::create_dir_all(taken.join("x")).unwrap();
    assert!(keep(&taken, "").is_err());
    assert_eq!(fs::read_dir(place.parent().unwrap()).unwrap().count(), 2);
}
