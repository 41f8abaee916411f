// SPDX-License-Identifier: GPL-2.0

//! Plans that are carried out in a folder.

use super::*;

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
