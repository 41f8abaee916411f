# SPDX-License-Identifier: GPL-2.0
"""Specifications of machines: what a test asks for, and what may be shared."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .arm64 import ArmDom0
from .machine import Dom0
from .paths import ARM64, DEBUG, FAULTS_MODULE, MODULE
from .pciback import FAULTS
from .until import until

#: rmmod, for a kernel that releases kobjects some seconds late: as long as a driver's directory is there
#: another of its name can't be registered. (A function, since busybox has its own rmmod and looks for no
#: other. Scripts have module_unload of tests/dom0/lib/pciback.sh.)
GONE = " && ".join(f"[ ! -e /sys/bus/{bus}/drivers/pciback ]" for bus in ("pci", "xen-backend"))
UNLOAD_TO_THE_END = f'rmmod() {{ command rmmod "$@" && ({until(GONE, 10)}); }}; '


@dataclass(frozen=True)
class MachineSpec:
    """What a test asks for; tests with equal specs share a machine."""

    topology: str
    flavour: str = "pvh"
    xl: bool = False
    kernel: str = ""
    xen: str = ""
    cpus: int = 1

    def __str__(self) -> str:
        extra = re.sub(r"[^\w.=]+", "_", f"{self.kernel} {self.xen}".strip())
        cpus = f"{self.cpus}cpus" if self.cpus > 1 else ""
        return "-".join(filter(None, [self.topology, self.flavour, cpus, "xl" if self.xl else "", extra]))

    @property
    def exists(self) -> bool:
        """Whether the kernel can be booted in that way: one with KASAN is up too late for a PV dom0."""
        return DEBUG != "kasan" or self.flavour == "pvh"

    def boot(self) -> Dom0:
        """Start such a machine, with the module and the in-dom0 tests in it."""
        options = {"xl": self.xl, "kernel": self.kernel, "xen": self.xen, "cpus": self.cpus}
        dom0 = (ArmDom0 if ARM64 else Dom0)(self.topology, self.flavour, name=str(self), **options)
        if MODULE.exists():
            dom0.put_module()
        if FAULTS_MODULE.exists():
            dom0.put_module(faults=True, path=FAULTS)
        dom0.put_tests()
        if DEBUG == "kasan":
            dom0.prelude = UNLOAD_TO_THE_END
        return dom0
