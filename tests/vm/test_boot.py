# SPDX-License-Identifier: GPL-2.0
"""The lab itself: the machines are what their names say, and hold what they should."""

import pytest
from lab import klog
from lab.machine import CommandError, Dom0

BOTH = pytest.mark.dom0("main", "pvh", "pv")


def param(request: pytest.FixtureRequest) -> str:
    """The flavour that the test runs in."""
    return request.node.callspec.params["dom0"].flavour


@BOTH
def test_flavour(dom0: Dom0, request: pytest.FixtureRequest) -> None:
    """A PVH dom0 is PVH, a PV dom0 is PV, by the kernel's own account."""
    flavour = param(request)
    assert dom0.check("cat /sys/hypervisor/guest_type").strip() == flavour.upper()
    said = "Booting kernel on Xen PVH" if flavour == "pvh" else "Booting kernel on Xen"
    assert any(said in line for line in dom0.boot_log)
    assert "control_d" in dom0.check("cat /proc/xen/capabilities")


@BOTH
def test_boot_is_clean(dom0: Dom0) -> None:
    """Xen and the stock kernel boot without a complaint of their own."""
    klog.check(dom0.boot_log)


@BOTH
def test_devices_by_name(dom0: Dom0) -> None:
    """Every named device is in dom0 at the address QEMU tells, with its ids."""
    expected = {
        "igb0": "0x8086:0x10c9",
        "nvme0": "0x1b36:0x0010",
        "e1000e0": "0x8086:0x10d3",
        "edu0": "0x1234:0x11e8",
        "testdev0": "0x1b36:0x0005",
        "display0": "0x1234:0x1111",
    }
    for name, ids in expected.items():
        path = f"/sys/bus/pci/devices/{dom0.bdf(name)}"
        assert dom0.check(f"echo $(cat {path}/vendor {path}/device)").strip().replace(" ", ":") == ids


@BOTH
def test_native_drivers(dom0: Dom0) -> None:
    """The devices that have a driver got it."""
    for name, driver in (("igb0", "igb"), ("nvme0", "nvme"), ("e1000e0", "e1000e")):
        assert dom0.check(f"readlink /sys/bus/pci/devices/{dom0.bdf(name)}/driver").strip().endswith(f"/{driver}")


@BOTH
def test_agent_is_exact(dom0: Dom0) -> None:
    """Any bytes go in and come out; the status is told; time is limited."""
    everything = bytes(range(256)) * 400
    dom0.write("/tmp/bytes", everything)  # noqa: S108
    assert dom0.run("cat /tmp/bytes").raw == everything
    assert dom0.run("exit 42").status == 42
    assert dom0.run("echo out; echo err >&2").out == "out\nerr\n"
    assert dom0.run("sleep 1000", seconds=1).status in (137, 143)
    assert dom0.run("cat").out == ""
    with pytest.raises(CommandError, match="status 1"):
        dom0.check("false")


@BOTH
def test_second_channel(dom0: Dom0) -> None:
    """One channel answers while the other waits for it."""
    dom0.run("mkfifo /tmp/fifo; (cat /tmp/fifo >/tmp/heard) &")
    dom0.run("echo hello >/tmp/fifo", channel=1)
    assert dom0.check("until grep hello /tmp/heard; do :; done", seconds=10) == "hello\n"


@pytest.mark.klog_allow("sysrq: lab test")
@pytest.mark.dom0("main")
def test_console_order(dom0: Dom0) -> None:
    """What the kernel said before a sync is on the console after it."""
    mark = dom0.console.mark()
    dom0.check('for i in $(seq 200); do echo "<4>line $i" >/dev/kmsg; done')
    dom0.sync_console("here")
    assert sum(" line " in line for line in dom0.console.since(mark)) == 200


@BOTH
def test_control_driver(dom0: Dom0) -> None:
    """The C driver of the same kernel loads, claims what it can, and goes."""
    bdf = dom0.bdf("e1000e0")
    dom0.check("modprobe xen-pciback")
    try:
        assert bdf not in dom0.check("ls /sys/bus/pci/drivers/pciback")
    finally:
        dom0.check("rmmod xen-pciback")
    assert dom0.run("ls /sys/bus/pci/drivers/pciback").status != 0


@BOTH
def test_hotplug(dom0: Dom0) -> None:
    """A device comes, gets its driver, and goes, by native hot-plug."""
    dom0.check("modprobe e1000")  # there is no udev to load it
    dom0.plug("e1000", "guest0", "rp-spare")
    path = f"/sys/bus/pci/devices/{dom0.bdf('guest0')}"
    dom0.wait_path(f"{path}/driver")
    dom0.unplug("guest0")
    assert not dom0.run(f"test -e {path}").ok


@pytest.mark.klog_allow("existing mapping", "Setup of vPCI failed: -17")
@pytest.mark.dom0("main")
def test_hotplug_msix(dom0: Dom0) -> None:
    """Xen 4.20 refuses a hot-plugged device with MSI-X in a PVH dom0.

    Its BARs are still 0 when Linux tells Xen of it, so the MSI-X table seems to lie
    in RAM. In a PV dom0 Xen does not care.
    """
    dom0.plug("e1000e", "guest0", "rp-spare")
    path = f"/sys/bus/pci/devices/{dom0.bdf('guest0')}"
    dom0.wait_path(path)
    dom0.unplug("guest0")
    assert "Setup of vPCI failed" in "\n".join(dom0.console.since())


@pytest.mark.smoke
@BOTH
def test_rust_module(dom0: Dom0) -> None:
    """The module, built against the tree of the cache, loads in the stock kernel."""
    dom0.check("insmod /root/rust_pciback.ko && rmmod rust_pciback")
