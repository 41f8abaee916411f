// SPDX-License-Identifier: GPL-2.0

//! Carries a plan out: loads the driver, and binds devices to it.

use crate::{
    driver::pure::{
        bdf_grammar::Pattern,
        sbdf::Sbdf, //
    },
    log::{
        Log,
        REPORT, //
    },
    machine::{
        self,
        decide,
        DRIVER, //
    },
    rules::{
        options::words,
        refusal::Refusal,
        wanted::Decided, //
    },
};
use std::{
    fs,
    io::{
        self,
        Write, //
    },
    path::Path,
    process::{
        Command,
        ExitCode, //
    },
};

/// The module.
const MODULE: &str = "rust_pciback";

/// The module with the C driver.
const C_MODULE: &str = "xen-pciback";

/// The longest string that a parameter takes (`param_set_charp()` in kernel/params.c).
const LONGEST: usize = 1024;

/// Why nothing is claimed where the administrator asks for that.
const BLACKLISTED: &str = "rust_pciback is in module_blacklist= on the kernel command line";

/// Loads the driver and claims what is to be claimed, for the initramfs and the start of the
/// system. Does nothing where nothing is wanted, and without Xen.
pub(crate) fn claim(root: &Path) -> ExitCode {
    let xen = fs::read_to_string(root.join("sys/hypervisor/type"));
    if !xen.is_ok_and(|kind| kind.trim() == "xen") {
        return ExitCode::SUCCESS;
    }
    let mut log = Log::new(root);
    let report = root.join(REPORT);
    let done = match decide(root, "") {
        Ok(decided) if decided.is_empty() => return ExitCode::SUCCESS,
        Ok(_) if machine::is_blacklisted(root, MODULE) => {
            log.error(&format!("nothing is claimed: {BLACKLISTED}"));
            true
        }
        Ok(mut decided) => {
            machine::keep_record(root);
            // What the initramfs has claimed is out of use, so that other rules would hold now.
            let is_claimed = |refusal: &Refusal| {
                machine::driver(root, refusal.address).as_deref() == Some(DRIVER)
            };
            decided.plan.refusals.retain(|refusal| !is_claimed(refusal));
            log.decided(&decided, &fs::read_to_string(&report).unwrap_or_default());
            claim_all(root, &decided, &mut log)
        }
        Err(error) => {
            log.error(&format!("cannot read the devices of this machine: {error}"));
            false
        }
    };
    // Without it nothing is lost but the report.
    let _ = log.keep(&report);
    // What was refused is told. It is no failure: the system goes on without.
    match done {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(1),
    }
}

fn claim_all(root: &Path, decided: &Decided, log: &mut Log) -> bool {
    if !is_loaded(root) && !insert(root, decided, log) {
        return false;
    }
    let mut all = true;
    for claim in &decided.plan.claims {
        if let Err(error) = bind(root, claim.address) {
            log.error(&format!("{}: not claimed: {error}", claim.address));
            all = false;
        }
    }
    all
}

/// Loads the driver with all options; what modprobe calls instead of loading it.
pub(crate) fn load(root: &Path, options: &str) -> ExitCode {
    load_with(root, options, insert)
}

/// Loads the driver with all options, or the C driver where the kernel that runs has no module of
/// this one; what modprobe calls instead of loading the C driver.
pub(crate) fn load_xen_pciback(root: &Path, options: &str) -> ExitCode {
    // udev asks for it whenever a guest is given devices.
    if is_loaded(root) {
        return ExitCode::SUCCESS;
    }
    let Some(why) = obstacle(root) else {
        return load(root, options);
    };
    load_with(root, options, |_, decided, log| {
        log.error(&format!("{C_MODULE}, the C driver, is loaded: {why}"));
        let given = words(options);
        // Who keeps this driver out wants nothing claimed.
        let listed = match machine::is_blacklisted(root, MODULE) {
            true => &[],
            false => &decided.plan.listed[..],
        };
        modprobe(C_MODULE, &given, listed, log)
    })
}

/// Decides, and loads a module for that.
fn load_with(
    root: &Path,
    options: &str,
    insert: impl FnOnce(&Path, &Decided, &mut Log) -> bool,
) -> ExitCode {
    let mut log = Log::new(root);
    let loaded = match decide(root, options) {
        Ok(decided) => {
            log.decided(&decided, "");
            insert(root, &decided, &mut log)
        }
        Err(error) => {
            log.error(&format!("cannot read the devices of this machine: {error}"));
            false
        }
    };
    match loaded {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(1),
    }
}

fn is_loaded(root: &Path) -> bool {
    root.join("sys/module").join(MODULE).exists()
}

/// Returns why the module can't be loaded, where modprobe only has riddles for it: "Unknown symbol
/// in module", "Operation not permitted".
fn obstacle(root: &Path) -> Option<String> {
    if machine::is_blacklisted(root, MODULE) {
        return Some(BLACKLISTED.to_string());
    }
    let release = machine::absent_module(root, MODULE)?;
    Some(format!(
        "there is no module {MODULE} for {release}: install the package \
         rust-pciback-modules-{release}"
    ))
}

/// Inserts the module.
fn insert(root: &Path, decided: &Decided, log: &mut Log) -> bool {
    if let Some(why) = obstacle(root) {
        log.error(&format!("the driver was not loaded: {why}"));
        return false;
    }
    let given: Vec<String> = decided
        .parameters
        .iter()
        .map(|given| match given.value.is_empty() {
            true => given.name.clone(),
            false => format!("{}={}", given.name, given.value),
        })
        .collect();
    modprobe(MODULE, &given, &decided.plan.listed, log)
}

/// Inserts a module with these parameters, and `hide=` of these devices.
fn modprobe(module: &str, given: &[String], listed: &[Pattern], log: &mut Log) -> bool {
    let mut hide = String::from("hide=");
    for pattern in listed {
        let one = format!("({pattern})");
        // Devices that don't fit are claimed one by one, by whoever does that.
        if hide.len() + one.len() <= LONGEST {
            hide += &one;
        }
    }
    let mut modprobe = Command::new("modprobe");
    // The shell that this was begun from may only know what users run.
    modprobe.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    modprobe.args(["--ignore-install", module]).args(given);
    // Behind all others, and so the one that counts.
    modprobe.arg(hide);
    let why = match modprobe.output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_string(),
        Err(error) => error.to_string(),
    };
    log.error(&format!("{module} was not loaded: {why}{}", hint(&why)));
    false
}

/// Returns what to do about a module that modprobe could not load.
fn hint(why: &str) -> &'static str {
    // module_sig_check() in kernel/module/signing.c: where signatures are enforced, as with Secure
    // Boot, and in lockdown without that.
    let refused = ["Key was rejected", "Operation not permitted"];
    if refused.iter().any(|errno| why.contains(errno)) {
        ": this kernel takes only modules that are signed with a key that it trusts, see SECURE BOOT in \
         rust-pciback(8)"
    } else if why.contains("Device or resource busy") {
        ": xen-pciback has taken the driver's name, see dmesg"
    } else {
        ""
    }
}

/// Gives one device to the driver. What fails is taken back: its native driver may have it again,
/// and its slot is listed only if it was before.
fn bind(root: &Path, address: Sbdf) -> io::Result<()> {
    let native = match machine::driver(root, address) {
        Some(name) if name == DRIVER => return Ok(()),
        other => other,
    };
    let drivers = root.join("sys/bus/pci/drivers");
    let write = |driver: &str, file: &str| {
        fs::OpenOptions::new()
            .write(true)
            .open(drivers.join(driver).join(file))?
            .write_all(address.to_string().as_bytes())
    };
    let slots = fs::read_to_string(drivers.join(DRIVER).join("slots")).unwrap_or_default();
    let was_listed = slots.lines().any(|slot| slot == address.to_string());
    write(DRIVER, "new_slot")?;
    let unbound = native
        .as_deref()
        .map_or(Ok(()), |name| write(name, "unbind"));
    unbound
        .and_then(|()| write(DRIVER, "bind"))
        .inspect_err(|_| {
            if !was_listed {
                let _ = write(DRIVER, "remove_slot");
            }
            if let Some(name) = &native {
                // Refused where it still has the device.
                let _ = write(name, "bind");
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_use_tests::System;

    const ADDRESS: &str = "0000:01:00.0";

    /// A device with this driver, a driver whose `bind` fails (there is no such file), and `slots`.
    fn system(native: Option<&str>, slots: &str) -> System {
        let system = System::new();
        let path = system.device(1, "0x010802\n");
        for file in ["new_slot", "remove_slot"] {
            system.file(&format!("sys/bus/pci/drivers/pciback/{file}"), "");
        }
        system.file("sys/bus/pci/drivers/pciback/slots", slots);
        if let Some(native) = native {
            system.link(&format!("{path}/driver"), &format!("../drivers/{native}"));
            for file in ["unbind", "bind"] {
                system.file(&format!("sys/bus/pci/drivers/{native}/{file}"), "");
            }
        }
        system
    }

    fn written(system: &System, file: &str) -> String {
        fs::read_to_string(system.0.join("sys/bus/pci/drivers").join(file)).unwrap()
    }

    #[test]
    fn a_claim_that_fails_is_taken_back() {
        let address = Sbdf::new(0, 1, 0);
        for (native, slots, removed) in [
            (None, "", ADDRESS),
            (Some("nvme"), "0000:02:00.0\n", ADDRESS),
            // hide= listed it.
            (Some("nvme"), "0000:02:00.0\n0000:01:00.0\n", ""),
        ] {
            let system = system(native, slots);
            assert!(bind(&system.0, address).is_err());
            assert_eq!(written(&system, "pciback/new_slot"), ADDRESS);
            assert_eq!(written(&system, "pciback/remove_slot"), removed);
            if let Some(native) = native {
                assert_eq!(written(&system, &format!("{native}/bind")), ADDRESS);
            }
        }
    }

    #[test]
    fn what_the_initramfs_did_is_neither_told_nor_judged_again() {
        let system = system(None, "");
        system.file("sys/hypervisor/type", "xen\n");
        system.file("sys/module/rust_pciback/initstate", "live\n");
        let report = "claim 0000:01:00.0 /etc/rust-pciback/devices.d/disk.conf\n";
        system.file(REPORT, report);
        let store = "etc/rust-pciback/devices.d";
        system.file(&format!("{store}/disk.conf"), "address=01:00.0\n");
        system.file(&format!("{store}/none.conf"), "address=02:00.0\n");
        let path = "sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0";
        system.link(&format!("{path}/driver"), "../drivers/pciback");
        let refused = "refuse 0000:02:00.0 /etc/rust-pciback/devices.d/none.conf: there is no device at this address\n";
        for _ in 0..2 {
            // The record of what holds root is in the initramfs only.
            assert_eq!(claim(&system.0), ExitCode::SUCCESS);
            let now = fs::read_to_string(system.0.join(REPORT)).unwrap();
            assert_eq!(now, format!("{report}{refused}"));
        }
    }

    #[test]
    fn a_module_that_is_blacklisted_is_not_asked_for() {
        let system = system(None, "");
        system.file("sys/hypervisor/type", "xen\n");
        system.file("proc/cmdline", "module_blacklist=rust_pciback\n");
        system.file("etc/rust-pciback/devices.d/disk.conf", "address=01:00.0\n");
        assert_eq!(claim(&system.0), ExitCode::SUCCESS);
        let report = fs::read_to_string(system.0.join(REPORT)).unwrap();
        assert_eq!(report, format!("nothing is claimed: {BLACKLISTED}\n"));
        assert_eq!(load(&system.0, ""), ExitCode::from(1));
        assert_eq!(written(&system, "pciback/new_slot"), "");
    }

    #[test]
    fn a_driver_that_does_not_let_go_takes_no_slot() {
        let system = system(Some("nvme"), "");
        fs::remove_file(system.0.join("sys/bus/pci/drivers/nvme/unbind")).unwrap();
        system.file("sys/bus/pci/drivers/pciback/bind", "");
        assert!(bind(&system.0, Sbdf::new(0, 1, 0)).is_err());
        assert_eq!(written(&system, "pciback/bind"), "");
        assert_eq!(written(&system, "pciback/remove_slot"), ADDRESS);
    }
}
