# SPDX-License-Identifier: GPL-2.0
"""A dom0 on an emulated machine for arm64, described by device tree.

QEMU's `virt` with a GICv3 and the virtualisation extensions; Xen finds dom0's kernel and initramfs by
the nodes that `guest-loader` adds below /chosen. There is no IOMMU: dom0's memory is where it seems to be.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from .machine import Dom0
from .paths import CMDLINE, KERNEL, SLOWER

#: Where the loader puts dom0's kernel (which has 80 MB then) and initramfs.
KERNEL_AT, INITRD_AT = 0x49000000, 0x4E000000
#: Where `virt` has its host bridge, in the device tree.
HOST_BRIDGE = "/pcie@10000000"
#: The node that stands for backends in other domains, and a number that no node of `virt` has.
GRANTS, GRANTS_PHANDLE = "/lab-grants", 0x7001


def iommu_map(backends: dict[int, int]) -> list[int]:
    """The cells of an iommu-map: for each requester ID the domain of its backend."""
    return [cell for requester, domain in sorted(backends.items()) for cell in (requester, GRANTS_PHANDLE, domain, 1)]


class ArmDom0(Dom0):
    """A running dom0 for arm64."""

    #: Alone on an idle machine it takes 17 seconds.
    BOOT = 480.0 * SLOWER

    def _machine(self) -> list[str]:
        machine = "virt,virtualization=true,gic-version=3,acpi=off"
        args = ["qemu-system-aarch64", "-accel", "tcg", "-machine", machine, "-cpu", "cortex-a57"]
        return [*args, "-smp", "1", "-m", "2G", "-nodefaults", "-no-reboot", "-display", "none"]

    def _tree(self, loaders: list[str]) -> list[str]:
        """The machine's own device tree, with what the loaders add to it, and with the backends of the
        topology, if it has any."""
        if not self.topology.backends:
            return []
        tree = Path(self._dir.name) / "machine.dtb"
        dump = [*self._machine(), *loaders]
        dump[dump.index("-machine") + 1] += f",dumpdtb={tree}"
        subprocess.run(dump, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def put(node: str, name: str, kind: str, *values: str) -> None:
            subprocess.run(["fdtput", "-t", kind, str(tree), node, name, *values], check=True)

        subprocess.run(["fdtput", "-c", str(tree), GRANTS], check=True)
        put(GRANTS, "compatible", "s", "xen,grant-dma")
        put(GRANTS, "#iommu-cells", "x", "1")
        put(GRANTS, "phandle", "x", f"{GRANTS_PHANDLE:x}")
        put(HOST_BRIDGE, "iommu-map", "x", *(f"{cell:x}" for cell in iommu_map(self.topology.backends)))
        return ["-dtb", str(tree)]

    def _command(self, fds: list[int]) -> list[str]:
        kernel = (
            f"console=hvc0 panic=1 quiet lab.slower={SLOWER} {self.topology.kernel} {self._kernel} {CMDLINE}"
        ).strip()
        xen = f"console=dtuart dtuart=/pl011@9000000 noreboot dom0_mem=1024M {self._xen}".strip()
        bootargs = kernel.replace(",", ",,")
        loaders = ["-kernel", f"{KERNEL}/xen", "-append", xen]
        loaders += ["-device", f"guest-loader,addr={KERNEL_AT:#x},kernel={KERNEL}/vmlinuz,bootargs={bootargs}"]
        loaders += ["-device", f"guest-loader,addr={INITRD_AT:#x},initrd={KERNEL}/initrd"]
        args = [*self._machine(), *self._tree(loaders), *loaders, "-name", f"guest={self.name}"]
        return args + self._connections(fds, "disable-legacy=on") + self._plugged(fds)
