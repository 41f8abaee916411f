# SPDX-License-Identifier: GPL-2.0
"""What a toolstack writes to xenstore for a guest's PCI devices, and what a guest can write.

For what no real guest does, or not on demand. tests/vm/test_guest*.py have real ones.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from .machine import Dom0
from .pciback import MODULE, load
from .until import until

# enum xenbus_state of Xen's public/io/xenbus.h
INITIALISING, INIT_WAIT, INITIALISED, CONNECTED, CLOSING, CLOSED, RECONFIGURING, RECONFIGURED = range(1, 9)


class PciBackend:
    """The directories of one guest's PCI devices."""

    def __init__(self, dom0: Dom0, domain: int) -> None:
        self.dom0, self.domain = dom0, domain
        self.back = f"/local/domain/0/backend/pci/{domain}/0"
        self.front = f"/local/domain/{domain}/device/pci/0"
        self._count = 0

    def create(self, *bdfs: str) -> None:
        """Make both, with these devices, in one go; what another domain of that number left is gone."""
        self.dom0.run(f"xenstore-rm error/backend/pci/{self.domain}")
        self._write(self.front, {"backend": self.back, "backend-id": 0, "state": INITIALISING})
        nodes: dict[str, object] = {"frontend": self.front, "frontend-id": self.domain, "online": 1}
        nodes |= {"state": INITIALISING}
        for bdf in bdfs:
            nodes |= self._device(bdf)
        self._write(self.back, nodes | {"num_devs": self._count})

    def add(self, bdf: str) -> None:
        """Add a device to what is there, as libxl does for a running guest."""
        nodes = self._device(bdf)
        self._write(self.back, nodes | {"num_devs": self._count, "state": RECONFIGURING})

    def detach(self, index: int) -> None:
        """Ask for a device back."""
        self._write(self.back, {f"state-{index}": CLOSING, "state": RECONFIGURING})

    def set(self, **nodes: object) -> None:
        """Write nodes of the backend."""
        self._write(self.back, nodes)

    def guest_writes(self, **nodes: object) -> None:
        """Write nodes of the frontend."""
        self._write(self.front, {name.replace("_", "-"): value for name, value in nodes.items()})

    def read(self, node: str) -> str | None:
        """A node of the backend."""
        result = self.dom0.run(f"xenstore-read {self.back}/{node}")
        return result.out.strip() if result.ok else None

    def error(self) -> str:
        """What the driver complained of."""
        result = self.dom0.run(f"xenstore-read error/backend/pci/{self.domain}/0/error")
        return result.out.strip() if result.ok else ""

    def wait(self, node: str, value: object, seconds: int = 20) -> None:
        """Wait until a node of the backend has a value."""
        wait_until(self.dom0, f'[ "$(xenstore-read {self.back}/{node} 2>/dev/null)" = {value} ]', seconds)

    def remove(self) -> None:
        """Remove both."""
        self.dom0.check(f"xenstore-rm {self.back}; xenstore-rm {self.front}")
        wait_until(self.dom0, f"[ ! -e /sys/bus/xen-backend/devices/pci-{self.domain}-0 ]")

    def _device(self, bdf: str) -> dict[str, object]:
        index = self._count
        self._count += 1
        return {f"dev-{index}": bdf, f"key-{index}": bdf, f"state-{index}": INITIALISING}

    def _write(self, directory: str, nodes: dict[str, object]) -> None:
        pairs = [f"{directory}/{name} {shlex.quote(str(value))}" for name, value in nodes.items()]
        self.dom0.check("xenstore-write " + " ".join(pairs))


@contextmanager
def assignable(dom0: Dom0, names: tuple[str, ...], options: str = "", module: str = MODULE) -> Iterator[list[str]]:
    """The module with these devices, by xl; afterwards they are given back and it is unloaded."""
    load(dom0, options, module)
    bdfs = [dom0.bdf(name) for name in names]
    for bdf in bdfs:
        dom0.check(f"xl pci-assignable-add {bdf}")
    yield bdfs
    # A test that failed may have left guests. While there are some the module can't be unloaded.
    # (xenbus doesn't see that a device has gone when the directory above it is removed.)
    back = "/local/domain/0/backend/pci"
    dom0.run(f"for d in $(xenstore-list {back} 2>/dev/null); do xenstore-rm {back}/$d/0; done")
    wait_until(dom0, '[ -z "$(ls -d /sys/bus/xen-backend/devices/pci-* 2>/dev/null)" ]')
    for bdf in bdfs:
        dom0.run(f"xl pci-assignable-remove -r {bdf}")
    wait_until(dom0, "rmmod rust_pciback 2>/dev/null")


def shown(dom0: Dom0, bdf: str, *names: str) -> list[str]:
    """Words of the attributes of a claimed device."""
    files = " ".join(f"/sys/bus/pci/devices/{bdf}/pciback/{name}" for name in names)
    return dom0.check(f"cat {files}").split()


def wait_shown(dom0: Dom0, bdf: str, name: str, value: str) -> None:
    """Wait until an attribute of a claimed device has a value."""
    wait_until(dom0, f"grep -qx {value} /sys/bus/pci/devices/{bdf}/pciback/{name}")


def wait_idle(dom0: Dom0, bdf: str) -> None:
    """Wait until no guest has a device any more."""
    wait_shown(dom0, bdf, "used_by", "none")


def wait_until(dom0: Dom0, condition: str, seconds: int = 20) -> None:
    """Wait until a shell command in dom0 succeeds."""
    dom0.check(until(condition, seconds), seconds + 60)
