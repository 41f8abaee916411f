# SPDX-License-Identifier: GPL-2.0
"""Where the module loads, and what it says of itself."""

import pytest
from lab.machine import Dom0
from lab.paths import RENUMBERED_MODULE
from lab.pciback import DRIVER, is_tested, warns_of_untested_kernel


@pytest.mark.dom0("none", "bare")
def test_refuses_outside_an_initial_domain(dom0: Dom0) -> None:
    """On bare metal: ENODEV, one line, and nothing of it is left."""
    before = dom0.check("ls /sys/bus/pci/drivers; ls /sys/bus/pci/devices/*/")
    result = dom0.run("insmod /root/rust_pciback.ko")
    assert not result.ok
    assert "No such device" in result.out
    lines = {line.split("] ", 1)[1] for line in dom0.check("dmesg").splitlines() if "rust_pciback: not" in line}
    assert lines == {"rust_pciback: not the initial domain of Xen: nothing to do here"}
    assert dom0.check("ls /sys/bus/pci/drivers; ls /sys/bus/pci/devices/*/") == before
    assert "rust_pciback" not in dom0.check("cat /proc/modules")


@pytest.mark.smoke
@pytest.mark.dom0("main")
def test_says_so_of_an_untested_kernel(dom0: Dom0) -> None:
    """Once at load, if Kbuild doesn't list it."""
    assert warns_of_untested_kernel(dom0) == (0 if is_tested(dom0) else 1)


@pytest.mark.tier("all")
@pytest.mark.dom0("main")
def test_refuses_other_numbers_of_reset_methods(dom0: Dom0) -> None:
    """Where the kernel numbers reset methods in another order: one line, and nothing of it is left. That build
    calls no kernel tested, and says so."""
    dom0.put(RENUMBERED_MODULE, "/root/renumbered.ko")
    dom0.check("dmesg -c >/dev/null")
    assert not dom0.run("insmod /root/renumbered.ko").ok
    # Once for each try: busybox has two.
    lines = [line for line in dom0.check("dmesg").splitlines() if "rust_pciback: " in line and "taint" not in line]
    untested = [line for line in lines if "untested on Linux" in line]
    refused = [line for line in lines if "this kernel numbers reset methods differently" in line]
    assert len(untested) == len(refused) > 0
    assert len(untested) + len(refused) == len(lines)
    assert not dom0.run(f"test -e {DRIVER}").ok
    assert "rust_pciback" not in dom0.check("cat /proc/modules")


@pytest.mark.smoke
@pytest.mark.dom0("main")
def test_aliases(dom0: Dom0) -> None:
    """Xenbus may load it, and who knows the driver's name only; no PCI device ever does."""
    info = dom0.check("modinfo /root/rust_pciback.ko")
    aliases = [line.split()[1] for line in info.splitlines() if line.startswith("alias:")]
    assert sorted(aliases) == ["pciback", "xen-backend:pci"]
    assert "hide:" in info
