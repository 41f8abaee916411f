# SPDX-License-Identifier: GPL-2.0
"""With Secure Boot, Debian's kernel takes the module if the machine's owner signed it; else it says why not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import klog
from lab.machine import Dom0
from lab.paths import CACHE, DEBUG, MODULE, REPO
from lab.pciback import DEVICES, claim, give_back, unload
from lab.stock_module import insert_stock_modules
from lab.uefi import Signer, UefiDom0

pytestmark = [
    pytest.mark.tier("all"),
    pytest.mark.xdist_group("secure-boot"),
    pytest.mark.skipif(DEBUG != "", reason="nobody that shim knows signed this kernel"),
]

#: As tools/build makes them (boot, cli), and where they are in dom0.
BOOT_PROGRAM = CACHE / "build" / "boot" / "x86_64-unknown-linux-gnu" / "release" / "pciback-boot"
CLI_PROGRAM = CACHE / "build" / "cli" / "pcibackctl"
BOOT = "/usr/libexec/rust-pciback/pciback-boot"
TOOL = "/root/pcibackctl"
#: What the program that modprobe calls says of a module that is refused.
REFUSED = (
    "rust-pciback: rust_pciback was not loaded: modprobe: ERROR: could not insert 'rust_pciback': {}: this kernel "
    "takes only modules that are signed with a key that it trusts, see SECURE BOOT in rust-pciback(8)"
)
ENFORCED, LOCKED_DOWN = "Key was rejected by service", "Operation not permitted"


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Signer]:
    """The machine's owner, whose key is enrolled, and somebody else."""
    folder = tmp_path_factory.mktemp("keys")
    return {name: Signer.make(folder, name) for name in ("owner", "stranger")}


@pytest.fixture(scope="module")
def alone(_pool: Any) -> None:
    """One machine at a time."""
    _pool.drop()


@pytest.fixture(scope="module", params=["pv"])
def dom0(request: pytest.FixtureRequest, alone: None, signers: dict[str, Signer]) -> Iterator[Dom0]:
    """A machine with Secure Boot on, with the programs of the package."""
    with UefiDom0(signers["owner"], "guest", request.param, name="secure-boot") as machine:
        prepare(machine)
        yield machine
        klog.check(machine.console.since())


def prepare(dom0: Dom0) -> None:
    """Put the programs of the package where they belong."""
    dom0.write(BOOT, BOOT_PROGRAM.read_bytes(), 0o755)
    dom0.write(TOOL, CLI_PROGRAM.read_bytes(), 0o755)
    dom0.check("mount -t securityfs securityfs /sys/kernel/security")


def install(dom0: Dom0, module: Path) -> None:
    """Put a module where modprobe finds it."""
    release = dom0.check("uname -r").strip()
    dom0.put(module, f"/lib/modules/{release}/updates/rust_pciback.ko")
    # Not the one of the shell itself, which writes no index for kmod.
    dom0.check("/bin/depmod; dmesg -c >/dev/null")


def is_refused(dom0: Dom0, errno: str) -> None:
    """The program that loads it says so in a line, to who asked and in the kernel's log; nothing is loaded."""
    loading = dom0.run(f"{BOOT} load")
    assert (loading.status, loading.out.splitlines()) == (1, [REFUSED.format(errno)])
    assert REFUSED.format(errno) in dom0.check("dmesg")
    assert not dom0.run("test -e /sys/module/rust_pciback").ok


def finding(dom0: Dom0) -> dict[str, str]:
    """What `pcibackctl doctor` has to say about signatures."""
    answer = json.loads(dom0.run(f"{TOOL} --json doctor 2>/dev/null").out)
    [found] = [found for found in answer["findings"] if found["check"] == "signature"]
    return found


@pytest.mark.usefixtures("alone")
def test_lockdown_without_secure_boot() -> None:
    """Then the kernel refuses with another errno, which is explained as well."""
    with Dom0("none", "pv", kernel="lockdown=integrity", name="lockdown") as dom0:
        prepare(dom0)
        install(dom0, MODULE)
        is_refused(dom0, LOCKED_DOWN)
        assert "is not signed" in finding(dom0)["text"]


def test_locked_down(dom0: Dom0) -> None:
    """Secure Boot is on, the kernel has locked itself down for that, and has the owner's key."""
    assert "[integrity]" in dom0.check("cat /sys/kernel/security/lockdown")
    assert dom0.check("cat /sys/module/module/parameters/sig_enforce").strip() == "Y"
    assert "owner: " in dom0.check("grep asymmetri /proc/keys")
    assert "stranger: " not in dom0.check("grep asymmetri /proc/keys")


@pytest.mark.parametrize(
    ("name", "reason", "says"),
    [
        ("", "unsigned module", "is not signed"),
        ("stranger", "module with unavailable key", "is signed by stranger"),
    ],
    ids=["unsigned", "stranger"],
)
def test_refused(dom0: Dom0, signers: dict[str, Signer], name: str, reason: str, says: str) -> None:
    """Nobody's, or somebody else's: the kernel, the program that loads it and the doctor each say it in a line."""
    install(dom0, signers[name].sign_module(MODULE) if name else MODULE)
    is_refused(dom0, ENFORCED)
    assert f"Loading of {reason} is rejected" in dom0.check("dmesg")
    found = finding(dom0)
    assert says in found["text"]
    assert "SECURE BOOT in rust-pciback(8)" in found["mend"]


def test_changed_after_signing(dom0: Dom0, signers: dict[str, Signer], tmp_path: Path) -> None:
    """The owner's signature below other text is worth nothing."""
    content = signers["owner"].sign_module(MODULE).read_bytes()
    changed = tmp_path / "rust_pciback.ko"
    changed.write_bytes(content.replace(b"\0description=", b"\0Description=", 1))
    assert changed.read_bytes() != content
    install(dom0, changed)
    is_refused(dom0, ENFORCED)


def test_signed_by_the_owner(dom0: Dom0, signers: dict[str, Signer]) -> None:
    """It loads, claims, resets and lets go in a kernel that is locked down."""
    install(dom0, signers["owner"].sign_module(MODULE))
    assert finding(dom0)["text"].endswith("is signed by owner.")
    dom0.check(f"{BOOT} load")
    assert "module verification failed" not in dom0.check("dmesg")
    for name in ("igb0", "nvme0"):
        bdf = dom0.bdf(name)
        claim(dom0, bdf)
        dom0.check(f"echo {bdf} >/sys/bus/pci/drivers/pciback/reset_device")
        assert dom0.check(f"cat {DEVICES}/{bdf}/pciback/state").strip() == "clean"
    unload(dom0)
    give_back(dom0, dom0.bdf("igb0"), dom0.bdf("nvme0"))


def test_sign_for_machine_says_what_is_missing(dom0: Dom0) -> None:
    """Where Secure Boot is on and the owner has no key, installing the package says so."""
    release = dom0.check("uname -r").strip()
    insert_stock_modules(dom0, "efivarfs")
    dom0.check("mount -t efivarfs efivarfs /sys/firmware/efi/efivars")
    program = "/usr/libexec/rust-pciback/sign-for-machine"
    dom0.put(REPO / "packaging" / "libexec" / "sign-for-machine", program)
    install(dom0, MODULE)
    dom0.check(f"cd /lib/modules/{release}; mkdir -p extra; mv updates/rust_pciback.ko extra")
    said = dom0.check(f"mkdir -p /usr/lib; ln -sfn /lib/modules /usr/lib/modules; {program} {release}")
    assert "Secure Boot is on and this machine has no key of its owner" in said
