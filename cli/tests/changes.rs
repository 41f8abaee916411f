// SPDX-License-Identifier: GPL-2.0

//! Changes as a person makes them, in folders that are made for the test.

mod common;

use common::{
    json,
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
    io::{
        BufRead,
        BufReader,
        Read, //
    },
    os::unix::fs::{
        OpenOptionsExt,
        PermissionsExt, //
    },
    path::PathBuf,
    process::{
        Child,
        Command,
        Stdio, //
    },
};

/// `O_NONBLOCK` of x86 (include/uapi/asm-generic/fcntl.h).
const O_NONBLOCK: i32 = 0o4000;

#[test]
fn a_claim_writes_what_it_said_it_would() {
    let root = folder(true);
    let plan = json(root.path(), &["claim", "eth0", "--dry-run"]);
    assert_eq!(plan["devices"].as_array().unwrap().len(), 0);
    assert_eq!(read(&root, "drivers/igb/unbind"), "");
    assert!(!root.path().join("etc").exists());
    let output = run(root.path(), &["claim", "eth0"]);
    assert!(output.status.success(), "{output:?}");
    for file in [
        "drivers/pciback/new_slot",
        "drivers/igb/unbind",
        "drivers/pciback/probe",
    ] {
        assert_eq!(read(&root, file), "0000:02:00.0", "{file}");
    }
    let kept = root
        .path()
        .join("etc/rust-pciback/devices.d/0000:02:00.0.conf");
    let kept = fs::read_to_string(kept).unwrap();
    assert!(
        kept.contains("address=0000:02:00.0\nid=8086:10c9\nplace=pci0000:00/02.0/00.0\n"),
        "{kept}"
    );
    let list = json(root.path(), &["list"]);
    assert_eq!(list["devices"][1]["at_boot"]["by"], "pcibackctl");
}

#[test]
fn a_claim_that_fails_is_taken_back() {
    let root = folder(false);
    let output = run(root.path(), &["claim", "0000:02:00.0"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("pcibackctl: 0000:02:00.0: /sys/bus/pci/drivers/igb/unbind: "),
        "{said}"
    );
    assert_eq!(read(&root, "drivers/pciback/remove_slot"), "0000:02:00.0");
    assert_eq!(read(&root, "drivers/pciback/probe"), "");
    assert!(!root.path().join("etc").exists());
}

#[test]
fn the_disk_with_the_root_is_refused() {
    let root = folder(true);
    let output = run(root.path(), &["claim", "nvme0n1"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert_eq!(read(&root, "drivers/pciback/new_slot"), "");
    let error = json(root.path(), &["claim", "nvme0n1"]);
    assert_eq!(
        (
            error["command"].as_str(),
            error["error"]["exit_code"].as_u64()
        ),
        (Some("error"), Some(4))
    );
}

#[test]
fn what_is_hidden_is_seen_and_left_to_who_wrote_it() {
    let root = folder(true);
    let at_boot = || json(root.path(), &["list"])["devices"][2]["at_boot"].clone();
    assert!(at_boot().is_null());
    write(&root, "proc/cmdline", "ro xen-pciback.hide=(02:00.1)\n");
    assert_eq!(at_boot()["by"], "hide");
    assert_eq!(at_boot()["file"], "command line");
    let file = "/etc/modprobe.d/xen-pciback.conf";
    write(
        &root,
        file.trim_start_matches('/'),
        "options xen-pciback hide=(02:00.*)\n",
    );
    assert_eq!(at_boot()["file"], file);
    let said = text(&run(root.path(), &["explain", "02:00.1"]));
    assert!(
        said.contains(&format!("Claimed at boot, by hide= ({file})")),
        "{said}"
    );
    let output = run(root.path(), &["release", "02:00.1"]);
    // Nobody does in a folder what is written: so it stays claimed.
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let again = String::from_utf8_lossy(&output.stderr);
    assert!(
        again.contains("0000:02:00.1: somebody claimed it again"),
        "{again}"
    );
    let expected = format!("it is claimed again at the next boot: hide= ({file})");
    assert!(text(&output).contains(&expected), "{output:?}");
    assert_eq!(read(&root, "drivers/pciback/unbind"), "0000:02:00.1");
    // The root disk is refused there, too.
    write(
        &root,
        file.trim_start_matches('/'),
        "options xen-pciback hide=(01:00.0)\n",
    );
    let list = json(root.path(), &["list"]);
    let refused = list["devices"][0]["at_boot"]["refused"].as_str().unwrap();
    assert!(refused.contains("root file system"), "{refused}");
}

#[test]
fn what_would_be_refused_at_boot_is_refused_and_its_words_are_written() {
    let root = folder(true);
    let net = root
        .path()
        .join("sys/devices/pci0000:00/0000:00:02.0/0000:02:00.0/net/eth0");
    fs::create_dir_all(&net).unwrap();
    fs::write(net.join("carrier"), "1\n").unwrap();
    let kept = |bdf: &str| {
        let path = format!("etc/rust-pciback/devices.d/{bdf}.conf");
        fs::read_to_string(root.path().join(path)).unwrap()
    };
    for (bdf, word) in [("0000:02:00.0", "network"), ("0000:01:00.0", "root")] {
        for when in [&["--boot"][..], &["--now"], &[]] {
            let output = run(root.path(), &[&["claim", bdf], when].concat());
            assert_eq!(output.status.code(), Some(4), "{output:?}");
        }
        let output = run(root.path(), &["claim", "--boot", "--force", bdf]);
        assert!(output.status.success(), "{output:?}");
        let text = kept(bdf);
        assert!(text.ends_with(&format!("\nforce={word}\n")), "{text}");
        // Written once, it is asked for no more.
        let output = run(root.path(), &["claim", "--boot", bdf]);
        assert!(word == "root" || output.status.success(), "{output:?}");
    }
}

/// A FIFO in the place of a file: what is written to it waits for who reads.
fn fifo(root: &tempfile::TempDir, path: &str) -> PathBuf {
    let path = root.path().join("sys/bus/pci").join(path);
    fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo")
        .arg(&path)
        .status()
        .unwrap()
        .success());
    path
}

fn kill(child: &Child, signal: &str) {
    let id = child.id().to_string();
    let kill = "kill -s \"$0\" \"$1\"";
    let killed = Command::new("sh").args(["-c", kill, signal, &id]).status();
    assert!(killed.unwrap().success());
}

#[test]
fn a_signal_in_the_middle_of_a_claim_takes_it_back() {
    for (signal, code) in [("HUP", 129), ("INT", 130), ("TERM", 143)] {
        let root = folder(true);
        let (first, second) = (
            fifo(&root, "drivers/pciback/new_slot"),
            fifo(&root, "drivers/igb/unbind"),
        );
        // What runs the tests in the background has them ignore SIGINT.
        let child = Command::new("env")
            .args(["--default-signal", PROGRAM, "--root"])
            .arg(root.path())
            .args(["claim", "0000:02:00.0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It has written when this has been read to the end. Then either it sees the signal before
        // the next write, or it waits in that for a reader, and sees it after.
        assert_eq!(fs::read_to_string(first).unwrap(), "0000:02:00.0");
        kill(&child, signal);
        let mut second = fs::File::options()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open(second)
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        let expected = format!("interrupted by SIG{signal}; what was done before was taken back\n");
        assert!(said.ends_with(&expected), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        let mut unbound = String::new();
        second.read_to_string(&mut unbound).unwrap();
        assert_eq!(read(&root, "drivers/igb/bind"), unbound);
        assert_eq!(read(&root, "drivers/pciback/remove_slot"), "0000:02:00.0");
        assert_eq!(read(&root, "drivers/pciback/probe"), "");
        assert!(!root.path().join("etc").exists());
    }
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let root = folder(true);
    let first = fifo(&root, "drivers/pciback/new_slot");
    let child = Command::new("sh")
        .args([
            "-c",
            "trap '' HUP; exec \"$0\" --root \"$1\" claim --now 02:00.0",
        ])
        .arg(PROGRAM)
        .arg(root.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Both ends are open: it is in the middle.
    let mut first = fs::File::open(first).unwrap();
    kill(&child, "HUP");
    let mut written = String::new();
    first.read_to_string(&mut written).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(read(&root, "drivers/pciback/probe"), "0000:02:00.0");
}

#[test]
fn one_change_waits_for_another() {
    let root = folder(true);
    let lock = root.path().join("run/rust-pciback.lock");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let lock = fs::File::create(lock).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut child = Command::new(PROGRAM)
        .arg("--root")
        .arg(root.path())
        .args(["claim", "0000:02:00.0"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut said).unwrap();
    assert!(said.contains("waiting for another pcibackctl"), "{said}");
    // What only looks doesn't wait.
    let plan = run(root.path(), &["claim", "02:00.0", "--dry-run"]);
    assert!(plan.status.success(), "{plan:?}");
    assert_eq!(read(&root, "drivers/igb/unbind"), "");
    drop(lock);
    assert!(child.wait().unwrap().success());
    assert_eq!(read(&root, "drivers/igb/unbind"), "0000:02:00.0");
}

#[test]
fn what_is_kept_is_for_all_to_read_whatever_the_mask_is() {
    let root = folder(true);
    let output = Command::new("sh")
        .args([
            "-c",
            "umask 077; exec \"$0\" --root \"$1\" claim --boot 02:00.0",
        ])
        .arg(PROGRAM)
        .arg(root.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    for (path, mode) in [
        ("etc", 0o755),
        ("etc/rust-pciback/devices.d", 0o755),
        ("etc/rust-pciback/devices.d/0000:02:00.0.conf", 0o644),
    ] {
        let found = fs::metadata(root.path().join(path)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, mode, "{path}");
    }
}

#[test]
fn a_reset_that_fails_tells_the_results() {
    let root = folder(true);
    let device = root
        .path()
        .join("sys/devices/pci0000:00/0000:00:02.0/0000:02:00.1/pciback");
    for (file, text) in [
        ("last_reset_method", "flr\n"),
        ("last_reset_proof", "proven\n"),
        ("last_reset_error", "-110\n"),
        ("last_reset_time_us", "60001234\n"),
    ] {
        fs::write(device.join(file), text).unwrap();
    }
    let answer = json(root.path(), &["reset", "02:00.1"]);
    assert!(answer["error"].is_null(), "{answer}");
    // A write to it fails.
    let file = root.path().join("sys/bus/pci/drivers/pciback/reset_device");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    let output = run(root.path(), &["reset", "02:00.1"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = text(&output);
    assert!(
        told.contains("by flr, failed (-110), proven, 60001 ms"),
        "{told}"
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("pcibackctl: 0000:02:00.1: "), "{said}");
    let answer = json(root.path(), &["reset", "02:00.1"]);
    assert_eq!(answer["command"], "reset");
    assert_eq!(answer["error"]["exit_code"], 1);
    assert_eq!(answer["devices"][0]["error"], -110);
    assert_eq!(answer["devices"][0]["time_us"], 60001234);
}

#[test]
fn a_release_without_a_driver_to_come_says_so() {
    let root = folder(true);
    // In these files nothing changes by what is written, so the device is as if it had none.
    let uevent = root
        .path()
        .join("sys/devices/pci0000:00/0000:00:02.0/0000:02:00.1/uevent");
    fs::write(uevent, "PCI_CLASS=20000\nPCI_ID=8086:10C9\n").unwrap();
    let output = run(root.path(), &["release", "02:00.1", "--now"]);
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output).contains("it has no driver now"), "{output:?}");
    assert_eq!(read(&root, "drivers_probe"), "0000:02:00.1");
}
