// SPDX-License-Identifier: GPL-2.0

//! What is promised to whoever runs the program: an ordinary user sees all, exit codes are those
//! of the manual, and a report has nothing private.

mod common;

use common::{
    document,
    machine::{
        folder,
        read,
        write, //
    },
    run,
    text,
    PROGRAM, //
};

use std::{
    fs,
    os::unix::fs::{
        MetadataExt,
        PermissionsExt, //
    },
    path::Path,
    process::{
        Command,
        Output, //
    },
};

/// Runs the program as a user who may nothing.
fn run_as_nobody(root: &Path, arguments: &[&str]) -> Output {
    let mut command = match fs::metadata("/proc/self").unwrap().uid() {
        0 => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", PROGRAM]);
            command
        }
        _ => Command::new(PROGRAM),
    };
    command.arg("--root").arg(root).args(arguments);
    command.env("LANG", "C.UTF-8").output().unwrap()
}

#[test]
fn an_ordinary_user_sees_all_and_changes_nothing() {
    let root = folder(true);
    // Of this test alone it is private, where on a machine it isn't.
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for command in [
        &["list", "-a"][..],
        &["tree"],
        &["explain", "02:00.0"],
        &["doctor"],
        &["graph"],
        &["report"],
        &["claim", "--dry-run", "02:00.0"],
        &["release", "--dry-run", "02:00.1"],
        &["reset", "--dry-run", "02:00.1"],
    ] {
        let (theirs, ours) = (
            run_as_nobody(root.path(), command),
            run(root.path(), command),
        );
        assert_eq!(theirs, ours, "{command:?}");
        assert!(!text(&ours).is_empty());
    }
    for command in ["claim", "release", "reset"] {
        let device = if command == "claim" {
            "02:00.0"
        } else {
            "02:00.1"
        };
        let output = run_as_nobody(root.path(), &[command, device, "--json"]);
        assert_eq!(output.status.code(), Some(5), "{output:?}");
        let error = &document(&output)["error"];
        assert_eq!(
            (&error["exit_code"], &error["mend"]),
            (&5.into(), &"Try as root.".into())
        );
    }
    for file in [
        "drivers/pciback/new_slot",
        "drivers/pciback/reset_device",
        "drivers/igb/unbind",
    ] {
        assert_eq!(read(&root, file), "", "{file}");
    }
}

/// Those of the manual (`pcibackctl --help`); of signals, see changes.rs, of doctor, doctor/.
#[test]
fn exit_codes_are_those_of_the_manual() {
    let root = folder(true);
    let help = text(&run(root.path(), &["--help"]));
    for (code, words, arguments) in [
        (0, "done", &["list"][..]),
        (1, "tried and failed", &["reset", "02:00.1"]),
        (2, "command line is wrong", &["list", "--sort", "colour"]),
        (2, "command line is wrong", &["claim"]),
        (2, "command line is wrong", &["completion", "tcsh"]),
        (3, "no such device", &["explain", "09:00.0"]),
        (4, "refused: nothing was done", &["claim", "nvme0n1"]),
        (6, "doctor found a problem", &["doctor"]),
    ] {
        let line = help
            .lines()
            .find(|line| line.trim().starts_with(&format!("{code} ")));
        assert!(
            line.is_some_and(|line| line.contains(words)),
            "{code}: {help}"
        );
        if code == 1 {
            let file = root.path().join("sys/bus/pci/drivers/pciback/reset_device");
            fs::remove_file(&file).unwrap();
            std::os::unix::fs::symlink("/dev/full", &file).unwrap();
        }
        let output = run(root.path(), arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {output:?}"
        );
    }
}

#[test]
fn a_report_has_nothing_private() {
    let root = folder(true);
    for (path, text) in [
        (
            "proc/cmdline",
            "root=UUID=5ecre7 ro rd.luks.key=5ecre7 pci=noaer pciback.hide=(02:00.1)\n",
        ),
        (
            "proc/self/mountinfo",
            "24 22 259:0 / /media/5ecre7 rw - ext4 /dev/mapper/5ecre7 rw\n",
        ),
        (
            "proc/swaps",
            "Filename\n/dev/mapper/5ecre7 partition 1 0 -2\n",
        ),
        (
            "proc/net/route",
            "Iface Destination Gateway\neth0 00000000 5ecre7\n",
        ),
        (
            "etc/modprobe.d/x.conf",
            "# 5ecre7\noptions wifi key=5ecre7\noptions xen-pciback hide=(02:00.1)\n",
        ),
        (
            "etc/rust-pciback/devices.d/x.conf",
            "# 5ecre7\naddress=0000:02:00.1\n",
        ),
        ("etc/hostname", "5ecre7\n"),
        ("sys/class/dmi/id/product_serial", "5ecre7\n"),
        (
            "sys/devices/pci0000:00/0000:00:02.0/0000:02:00.0/net/eth0/address",
            "52:54:00:5e:c2:e7\n",
        ),
        (
            "sys/devices/pci0000:00/0000:00:02.0/0000:02:00.0/vpd",
            "5ecre7",
        ),
        (
            "sys/devices/pci0000:00/0000:00:02.0/0000:02:00.0/config",
            "5ecre7",
        ),
    ] {
        write(&root, path, text);
    }
    let interface = "../../devices/pci0000:00/0000:00:02.0/0000:02:00.0/net/enx5254005ec2e7";
    std::os::unix::fs::symlink(interface, root.path().join("sys/class/net/enx5254005ec2e7"))
        .unwrap();
    let report = text(&run(root.path(), &["report"]));
    for secret in ["5ecre7", "5254005ec2e7", "52:54:00:5e:c2:e7"] {
        assert!(!report.contains(secret), "{secret}: {report}");
    }
    // What it is for is in it.
    for part in [
        "pci=noaer",
        "hide=(02:00.1)",
        "address=0000:02:00.1",
        "DRIVER=igb",
        "eth0 00000000",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    // And is all that the others ask for.
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &report).unwrap();
    let at_boot =
        |root: &Path| common::json(root, &["list"])["devices"][2]["at_boot"]["file"].clone();
    assert_eq!(at_boot(file.path()), at_boot(root.path()));
}
