# SPDX-License-Identifier: GPL-2.0
"""A device that a guest had is as it was, by the emulator's own record; and Linux's selftests of vfio say the same.

tools/testing/selftests/vfio of Linux 7.3, which has a driver for the igb, with vfio of the stock kernel. They need
an IOMMU, which Xen leaves to no dom0. So they are run in a second boot, without Xen: its device gets all that the
emulator has of the first one, and stays where it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lab.device_state import device_state, migrated
from lab.endpoint import IGB
from lab.guest import Guest
from lab.machine import Dom0
from lab.paths import CACHE, DEBUG
from lab.pciback import DEVICES
from lab.stock_module import insert_stock_modules
from lab.stub import RUST, config_space

#: As tools/build vfio-selftests makes them.
PROGRAMS = CACHE / "build" / "vfio"
#: Debian's kernel has no iommufd.
WITHOUT_IOMMUFD = re.compile(r"vfio_cdev\.|\.iommufd")
#: Tests that pass: those of two IOMMU modes, and those of none.
LEAST = 37

#: Fields of the emulator's igb that no reset of it touches (hw/net/igb_core.c: igb_reset), by their place from the
#: end (hw/net/igb.c: igb_vmstate): rx_desc_len, eitr_guest_value, of each of 16 queues first_cmd_type_len and
#: first_olinfo_status, timadj.
TIMADJ = 8
QUEUES, QUEUE, FIRST = 16, 42, 32
EITR = TIMADJ + QUEUES * QUEUE + 25 * 4
RX_DESC_LEN = EITR + 25 * 9 + 6 + 0x8000 * 4 + 32 * 2 + 1024 * 2 + 1
NEVER_RESET = {
    *range(1, TIMADJ + 1),
    *(TIMADJ + QUEUES * QUEUE - n * QUEUE - FIRST - byte for n in range(QUEUES) for byte in range(8)),
    *range(EITR - 25 * 4 + 1, EITR + 1),
    RX_DESC_LEN,
}


class Bare(Dom0):
    """The same machine without Xen, with its IOMMU in use; or one that goes on where that was saved."""

    def __init__(self, like: Dom0, saved: Path | None = None) -> None:
        self._saved = saved
        name = "vfio-selftests" + ("-saved" if saved else "")
        super().__init__(like.topology, "bare", kernel="intel_iommu=on no_timer_check", name=name)

    def _command(self, fds: list[int]) -> list[str]:
        incoming = ["-incoming", f"file:{self._saved}"] if self._saved else []
        return [*super()._command(fds), "-device", "intel-iommu,intremap=on", *incoming]

    def _wait_ready(self) -> None:
        if not self._saved:
            super()._wait_ready()
            return
        # Agents have greeted already.
        for channel in range(self.CHANNELS):
            self.check("true", self.BOOT, channel)


def differences(one: bytes, other: bytes) -> set[int]:
    """Where they differ, in bytes from the end, besides what no reset touches."""
    length = len(one)
    found = {length - n for n, (a, b) in enumerate(zip(one, other, strict=True)) if a != b}
    return found - NEVER_RESET


def selftests(machine: Dom0, bdf: str) -> dict[str, str]:
    """Run the suite on a device; returns the result of each test."""
    folder = f"{DEVICES}/{bdf}"
    machine.check(f"echo vfio-pci >{folder}/driver_override; echo {bdf} >/sys/bus/pci/drivers/vfio-pci/bind")
    results: dict[str, str] = {}
    for program in sorted(PROGRAMS.glob("vfio_*_test")):
        machine.put(program, f"/root/{program.name}")
        said = machine.run(f"chmod +x /root/{program.name}; /root/{program.name} {bdf} 2>&1", 300).out
        for result, name, skipped in re.findall(r"^(ok|not ok) \d+ ([\w.]+)(.*# SKIP)?", said, re.MULTILINE):
            results[name] = "skipped" if skipped else "passed" if result == "ok" else "failed"
    machine.check(f"echo {bdf} >/sys/bus/pci/drivers/vfio-pci/unbind; echo >{folder}/driver_override")
    return results


@pytest.mark.tier("all")
@pytest.mark.skipif(bool(DEBUG), reason="the suite is of the stock kernel")
@pytest.mark.dom0("vfio", "pv", xl=True)
def test_as_never_touched(dom0: Dom0, figure: Callable[[str], None]) -> None:
    """Claimed, reset, used by a guest and released."""
    bdf = dom0.bdf(IGB.name)
    before = device_state(dom0, "igb")
    RUST.load(dom0)
    dom0.check(f"xl pci-assignable-add {bdf}; echo {bdf} >/sys/bus/pci/drivers/pciback/reset_device")
    guest = Guest(dom0, "vfio", [bdf]).create()
    assert IGB.use(guest, IGB.in_guest(guest)) > 0
    in_use = differences(before, device_state(dom0, "igb"))
    assert in_use, "the guest has used it"
    guest.destroy()
    RUST.wait_idle(dom0, bdf)
    RUST.check_clean(dom0, bdf)
    dom0.check(f"xl pci-assignable-remove {bdf}")
    RUST.unload(dom0)
    after = device_state(dom0, "igb")
    assert not differences(before, after)

    with Bare(dom0) as machine:
        assert machine.bdf(IGB.name) == bdf
        machine.check("echo 16 >/proc/sys/vm/nr_hugepages")
        insert_stock_modules(machine, "irqbypass", "vfio", "vfio_iommu_type1", "vfio-pci-core", "vfio-pci")
        untouched = selftests(machine, bdf)
        config = config_space(machine, bdf)
        file = migrated(machine, "igb", after)
    with Bare(dom0, file) as machine:
        file.unlink()
        assert device_state(machine, "igb") == after
        assert config_space(machine, bdf) == config
        given = selftests(machine, bdf)
    passed = [name for name, result in given.items() if result == "passed"]
    figure(f"{len(in_use)} bytes in use, 0 after; {len(passed)} tests passed, of {len(given)}")
    assert given == untouched
    assert len(passed) >= LEAST, given
    assert not [name for name, result in given.items() if result == "failed" and not WITHOUT_IOMMUFD.search(name)]
