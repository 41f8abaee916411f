# SPDX-License-Identifier: GPL-2.0
"""On a machine for arm64 that a device tree describes: a stub, as Xen 4.20 has no PCI passthrough there."""

import pytest
from lab import klog
from lab.machine import Dom0
from lab.pciback import (
    DEVICES,
    DRIVER,
    claim,
    give_back,
    is_tested,
    load,
    unload,
    warns_of_untested_kernel,
)

pytestmark = pytest.mark.arm64
#: By topology.py: those with a function-level reset, and the other.
FLR, PLAIN = ("igb0", "nvme0"), "e1000e0"


def shown(dom0: Dom0, name: str, *attributes: str) -> list[str]:
    """Attributes of a claimed device."""
    folder = f"{DEVICES}/{dom0.bdf(name)}/pciback"
    return dom0.check("cat " + " ".join(f"{folder}/{attribute}" for attribute in attributes)).split()


def config(dom0: Dom0, name: str) -> str:
    """The header of its configuration space."""
    return dom0.check(f"od -An -tx1 -N64 {DEVICES}/{dom0.bdf(name)}/config")


@pytest.mark.dom0("arm64")
def test_boot(dom0: Dom0) -> None:
    """It is the initial domain of Xen, of the kind that Linux calls PVH, and boots without a complaint."""
    assert "control_d" in dom0.check("cat /proc/xen/capabilities")
    assert dom0.check("uname -m").strip() == "aarch64"
    klog.check(dom0.boot_log)


@pytest.mark.dom0("arm64")
def test_claim_reset_release(dom0: Dom0) -> None:
    """Devices are claimed, reset by their own methods, and given back with what they had."""
    names = [*FLR, PLAIN]
    drivers = {name: dom0.check(f"readlink {DEVICES}/{dom0.bdf(name)}/driver").strip() for name in names}
    before = {name: config(dom0, name) for name in names}
    dom0.check("dmesg -c >/dev/null")
    load(dom0)
    for name in names:
        claim(dom0, dom0.bdf(name))
    for name in FLR:
        assert shown(dom0, name, "state", "last_reset_method", "last_reset_proof") == ["clean", "flr", "proven"]
    assert shown(dom0, PLAIN, "state") == ["not-reset"]
    for name in names:
        dom0.check(f"echo {dom0.bdf(name)} >{DRIVER}/reset_device", 120)
        assert shown(dom0, name, "state", "assignable") == ["clean", "yes"]
        assert shown(dom0, name, "last_reset_xen") == ["cannot-be-told"]
    assert shown(dom0, PLAIN, "last_reset_method") == ["slot"]
    give_back(dom0, *(dom0.bdf(name) for name in names))
    for name in names:
        assert dom0.check(f"readlink {DEVICES}/{dom0.bdf(name)}/driver").strip() == drivers[name]
        # Command and status are the driver's business.
        assert config(dom0, name).split()[8:] == before[name].split()[8:]
    unload(dom0)


@pytest.mark.dom0("arm64")
def test_what_xen_lacks_is_said_once(dom0: Dom0) -> None:
    """No operation on PCI devices exists in this Xen: one line for each that was tried, and no failure."""
    dom0.check("dmesg -c >/dev/null")
    load(dom0)
    for name in FLR:
        claim(dom0, dom0.bdf(name))
        dom0.check(f"echo {dom0.bdf(name)} >{DRIVER}/reset_device")
    lines = [line for line in dom0.check("dmesg").splitlines() if "this Xen doesn't support" in line]
    for operation in ("adding PCI devices", "state resets of PCI devices"):
        assert sum(operation in line for line in lines) == 1, lines
    unload(dom0)
    give_back(dom0, *(dom0.bdf(name) for name in FLR))


@pytest.mark.dom0("arm64")
def test_no_gsi(dom0: Dom0) -> None:
    """There is no GSI where nothing is numbered so: no file, before a claim and after it."""
    load(dom0)
    claim(dom0, dom0.bdf("igb0"))
    assert dom0.check(f"ls -d {DEVICES}/*/gsi 2>/dev/null || echo none").strip() == "none"
    unload(dom0)
    give_back(dom0, dom0.bdf("igb0"))


@pytest.mark.dom0("arm64")
def test_says_so_of_an_untested_kernel(dom0: Dom0) -> None:
    """Once at load, if Kbuild doesn't list it."""
    assert warns_of_untested_kernel(dom0) == (0 if is_tested(dom0) else 1)


@pytest.mark.dom0("backends")
@pytest.mark.klog_allow("probe with driver pciback failed")
def test_backends_in_other_domains(dom0: Dom0) -> None:
    """Below one host bridge: two devices that other domains offer, each said by name, and two of hardware."""
    dom0.check("dmesg -c >/dev/null")
    load(dom0)
    for name, domain in (("offered2", 2), ("offered5", 5)):
        bdf = dom0.bdf(name)
        dom0.check(f"d={DEVICES}/{bdf}; [ ! -e $d/driver ] || echo {bdf} >$d/driver/unbind")
        assert not dom0.run(f"echo {bdf} >{DRIVER}/new_slot; echo {bdf} >{DRIVER}/bind").ok
        assert not dom0.run(f"test -e {DEVICES}/{bdf}/pciback").ok
        lines = [line for line in dom0.check("dmesg").splitlines() if f"{bdf}: not claimed: backend: " in line]
        assert len(lines) == 1
        assert f"domain {domain}" in lines[0]
        dom0.check(f"echo {bdf} >{DRIVER}/remove_slot")
    for name in ("own0", "igb0"):
        claim(dom0, dom0.bdf(name))
        assert dom0.run(f"test -e {DEVICES}/{dom0.bdf(name)}/pciback").ok
    unload(dom0)
    give_back(dom0, *(dom0.bdf(name) for name in ("offered2", "offered5", "own0", "igb0")))
