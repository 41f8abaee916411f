# SPDX-License-Identifier: GPL-2.0
"""The drivers that guest tests are run with: this one, and the C one as control."""

from __future__ import annotations

from dataclasses import dataclass

from .machine import Dom0
from .until import until


@dataclass(frozen=True)
class Stub:
    """A driver named pciback."""

    name: str
    load_command: str
    module: str

    def load(self, dom0: Dom0) -> None:
        """Load it."""
        dom0.check(self.load_command)

    def unload(self, dom0: Dom0) -> None:
        """Unload it: nothing holds it."""
        dom0.check(f"rmmod {self.module}")

    def wait_idle(self, dom0: Dom0, bdf: str) -> None:
        """Wait until no domain has the device: neither in xenstore nor in the driver's book."""
        # (xl leaves the list of a domain behind whose frontend didn't answer.)
        listed = (
            "for d in $(xenstore-list /local/domain/0/backend/pci); do xenstore-exists /local/domain/$d &&"
            f" xenstore-ls /local/domain/0/backend/pci/$d; done 2>/dev/null | grep -q 'dev-.*{bdf}'"
        )
        used = f"grep -qv none /sys/bus/pci/devices/{bdf}/pciback/used_by"
        idle = f"! {{ {listed}; }}" + ("" if self.name == "C" else f" && ! {{ {used}; }}")
        dom0.check(until(idle, 60, 0.5), 90)

    def check_clean(self, dom0: Dom0, bdf: str) -> None:
        """After a guest: reset, disabled, and assignable again."""
        assert not masters(dom0, bdf), "bus mastering is off"
        assert bdf in dom0.check("xl pci-assignable-list")
        if self.name == "rust":
            state = dom0.check(f"cat /sys/bus/pci/devices/{bdf}/pciback/state").strip()
            assert state == "clean"


RUST = Stub("rust", "insmod /root/rust_pciback.ko", "rust_pciback")
C = Stub("C", "modprobe xen-pciback", "xen_pciback")


def masters(dom0: Dom0, bdf: str) -> bool:
    """Whether the device may access memory."""
    return int(dom0.check(f"setpci -s {bdf} COMMAND"), 16) & 0x4 != 0


def config_space(dom0: Dom0, bdf: str) -> str:
    """What is to be the same before and after a guest."""
    return dom0.check(f"od -An -v -tx1 -w16 /sys/bus/pci/devices/{bdf}/config")


def driver(dom0: Dom0, bdf: str) -> str:
    """The driver that a device has now."""
    return dom0.run(f"basename $(readlink /sys/bus/pci/devices/{bdf}/driver)").out.strip()
