# SPDX-License-Identifier: GPL-2.0
"""Machines as lists of named devices.

A topology is built from small calls, each of which adds a device under a name
(its QEMU id); tests find the device in dom0 by that name (Dom0.bdf). Slots on the
root bus are given out in order from 4 on, so addresses change only when a
topology is edited before them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: The first block of the disk of the topology `guest`.
NVME_TEXT = b"what the test wrote".ljust(512, b".")


@dataclass
class Topology:
    """What is plugged in, as QEMU arguments."""

    name: str
    args: list[str] = field(default_factory=list)
    #: Names of the raw disks the devices want, with their sizes in bytes.
    disks: dict[str, int] = field(default_factory=dict)
    #: What is at the beginning of disks.
    contents: dict[str, bytes] = field(default_factory=dict)
    #: Names of what was added, bridges excluded.
    devices: list[str] = field(default_factory=list)
    #: What dom0's command line must say.
    kernel: str = ""
    #: Names of functions whose configuration space is the test's, see faulty_device.py.
    faulty_devices: list[str] = field(default_factory=list)
    #: By requester ID: domains in which devices have their backends, says the device tree (arm64.py).
    backends: dict[int, int] = field(default_factory=dict)
    _slot: int = 4
    _chassis: int = 0

    def _add(self, driver: str, name: str, bus: str, **props: Any) -> str:
        if bus == "pcie.0" and "addr" not in props:
            props["addr"] = hex(self._slot)
            self._slot += 1
        words = [driver, f"id={name}", f"bus={bus}"]
        words += [f"{key}={value}" for key, value in props.items()]
        self.args += ["-device", ",".join(words)]
        return name

    def device(self, driver: str, name: str, bus: str = "pcie.0", **props: Any) -> Topology:
        """Any device, with QEMU's own names of its properties."""
        self.devices.append(self._add(driver, name, bus, **props))
        return self

    def root_port(self, name: str, **props: Any) -> str:
        """A PCIe root port.

        At 5 GT/s: at its default of 16 GT/s QEMU never sets the link-active bit, and
        a secondary bus reset waits for it in vain.
        """
        self._chassis += 1
        props = {"chassis": self._chassis, "slot": self._chassis, "x-speed": 5} | props
        return self._add("pcie-root-port", name, "pcie.0", **props)

    def on_port(self, driver: str, name: str, hotplug: bool = True, **props: Any) -> Topology:
        """A device alone on a root port of its own, which is named rp-NAME."""
        port = self.root_port(f"rp-{name}", **({} if hotplug else {"hotplug": "off"}))
        return self.device(driver, name, port, **props)

    def nvme(self, name: str, bus: str, size: int = 16 << 20, **props: Any) -> Topology:
        """An NVMe controller with one namespace on a disk of its own.

        It has no shadow doorbells: with them QEMU misses now and then that a queue was emptied, and the pin stays
        on (nvme_post_cqes() of hw/nvme/ctrl.c writes the event index before it reads the head).
        """
        self.disks[f"disk-{name}"] = size
        return self.device("nvme", name, bus, serial=name, drive=f"disk-{name}", dbcs="off", **props)

    def nvme_on_port(self, name: str, hotplug: bool = True) -> Topology:
        """The same, alone on a root port."""
        return self.nvme(name, self.root_port(f"rp-{name}", **({} if hotplug else {"hotplug": "off"})))

    def nvme_vfs(self, name: str, vfs: int = 32) -> Topology:
        """An NVMe controller with virtual functions (which excludes a disk)."""
        port = self.root_port(f"rp-{name}")
        self.args += ["-device", f"nvme-subsys,id=subsys-{name}"]
        return self.device(
            "nvme",
            name,
            port,
            serial=name,
            subsys=f"subsys-{name}",
            sriov_max_vfs=vfs,
            sriov_vq_flexible=2 * vfs,
            sriov_vi_flexible=vfs,
            max_ioqpairs=2 * vfs + 2,
            msix_qsize=vfs + 2,
        )

    def offered(self, driver: str, name: str, domain: int, **props: Any) -> Topology:
        """A device directly below the host bridge whose backend is said to be in that domain."""
        self.backends[self._slot << 3] = domain
        return self.device(driver, name, **props)

    def faulty_device(self, name: str) -> Topology:
        """A function that breaks or lies as a test has it do (faulty_device.py), alone on a root port."""
        self.faulty_devices.append(name)
        # What QEMU is to know of its socket comes later, when there is one.
        return self.on_port("x-pci-proxy-dev", name, fd=f"@{name}")

    def functions(self, driver: str, name: str, count: int, hotplug: bool = True, **first: Any) -> Topology:
        """A multi-function device, NAME.0 ..., on a root port.

        QEMU's IOMMU knows a device by the number that its bus had before firmware gave
        out numbers, which is 0. So function 1 behind a port does its DMA as 00:00.1,
        which isn't there: only functions 0 can do DMA.
        """
        port = self.root_port(f"rp-{name}", **({} if hotplug else {"hotplug": "off"}))
        for function in reversed(range(count)):  # function 0 makes it visible
            multi = {"multifunction": "on"} | first if function == 0 else {}
            self.device(driver, f"{name}.{function}", port, addr=f"0x0.{function}", **multi)
        return self

    def user_network(self, name: str) -> dict[str, str]:
        """A network for a NIC of that name with nobody else on it but QEMU's DHCP server and gateway, 10.0.2.2."""
        self.args += ["-netdev", f"user,id=user-{name},ipv6=off"]
        return {"netdev": f"user-{name}"}

    def hub(self, name: str) -> dict[str, str]:
        """A place on the one network hub, for a NIC of that name."""
        self.args += ["-netdev", f"hubport,id=hub-{name},hubid=0"]
        return {"netdev": f"hub-{name}"}

    def conventional(self, name: str) -> str:
        """A conventional PCI bus below a root port; returns the bus."""
        return self._add("pcie-pci-bridge", name, self.root_port(f"rp-{name}"))

    def switch(self, name: str, ports: int, bus: str = "", **props: Any) -> list[str]:
        """A PCIe switch, below a root port of its own if no bus is given; returns its downstream ports."""
        up = self._add("x3130-upstream", name, bus or self.root_port(f"rp-{name}"), **props)
        downs = []
        for port in range(ports):
            self._chassis += 1
            where = {"chassis": self._chassis, "slot": port, "addr": hex(port)}
            downs.append(self._add("xio3130-downstream", f"{name}-dp{port}", up, **where))
        return downs


def _main() -> Topology:
    """One of each kind of endpoint, and an empty port to plug something into."""
    t = Topology("main")
    t.on_port("igb", "igb0").nvme_on_port("nvme0").on_port("e1000e", "e1000e0")
    t.device("edu", "edu0").device("pci-testdev", "testdev0").device("bochs-display", "display0")
    t.root_port("rp-spare")
    return t


def _demo() -> Topology:
    """What `make demo` shows."""
    t = Topology("demo")
    t.on_port("igb", "igb0").nvme_on_port("nvme0").on_port("e1000e", "e1000e0")
    return t.functions("e1000e", "pair", 2).device("edu", "edu0")


def _nopin() -> Topology:
    """Devices without an interrupt pin: they have no GSI."""
    t = Topology("nopin")
    t.device("pci-testdev", "testdev0").device("bochs-display", "display0")
    t.device("secondary-vga", "vga0").device("rocker", "rocker0")
    t.args += ["-object", "memory-backend-ram,id=shared0,size=1M,share=on"]
    return t.device("ivshmem-plain", "ivshmem0", memdev="shared0")


def _shared() -> Topology:
    """Devices that share a bus or a slot with others; pair.0 and conv0 are on one network."""
    t = Topology("shared")
    t.functions("e1000e", "pair", 2, **t.hub("pair.0"))
    bus = t.conventional("pci0")
    t.device("e1000", "conv0", bus, addr="0x1", **t.hub("conv0")).device("e1000", "conv1", bus, addr="0x2")
    return t.device("rtl8139", "rtl0")


def _busreset() -> Topology:
    """Alone on ports that cannot hot-plug: only a bus reset reaches them."""
    t = Topology("busreset")
    for driver, name in (("e1000e", "e1000e0"), ("qemu-xhci", "xhci0"), ("ahci", "ahci0"), ("vmxnet3", "vmxnet0")):
        t.on_port(driver, name, hotplug=False)
    return t.on_port("igb", "igb0", hotplug=False)


def _switch() -> Topology:
    """Endpoints below a switch."""
    t = Topology("switch")
    first, second = t.switch("sw0", 2)
    t.nvme("nvme0", first)
    return t.device("virtio-net-pci", "vnet0", second, **{"disable-legacy": "on", "iommu_platform": "on"})


def _nested() -> Topology:
    """A switch and an endpoint that are functions of one device: its bus holds nested ones."""
    t = Topology("nested")
    port = t.root_port("rp-card", hotplug="off")
    t.device("e1000e", "side0", port, addr="0x0.1")
    first, second = t.switch("sw0", 2, bus=port, addr="0x0.0", multifunction="on")
    return t.nvme("nvme0", first).device("e1000e", "deep0", second)


def _many() -> Topology:
    """Two devices of eight functions each, all with FLR, and one without.

    They stay without drivers: that of nvme waits a minute for the DMA of functions 1 to 7.
    """
    t = Topology("many", kernel="lab.drivers=n")
    for name in ("left", "right"):
        port = t.root_port(f"rp-{name}")
        for function in reversed(range(8)):
            t.nvme(f"{name}.{function}", port, size=1 << 20, addr=f"0x0.{function}", multifunction="on")
    return t.on_port("e1000e", "e1000e0")


def _vfs() -> Topology:
    """Virtual functions: up to 7 of igb0, 32 of nvme0."""
    return Topology("vfs").on_port("igb", "igb0").nvme_vfs("nvme0", 32)


def _errors() -> Topology:
    """A card of two functions that reports errors (AER), an igb elsewhere, and a switch that reports errors,
    with an nvme and an e1000e below it."""
    t = Topology("errors")
    modern = {"disable-legacy": "on", "iommu_platform": "on", "aer": "on"}
    port = t.root_port("rp-card")
    t.device("virtio-net-pci", "card.1", port, addr="0x0.1", **modern)
    t.device("virtio-net-pci", "card.0", port, addr="0x0.0", multifunction="on", **modern)
    t.on_port("igb", "igb0")
    first, second = t.switch("sw0", 2)
    return t.nvme("nvme0", first).device("e1000e", "beside0", second, romfile="")


def _guest() -> Topology:
    """What guests get: no boot ROMs, which would be run in each of them."""
    t = Topology("guest")
    t.on_port("igb", "igb0", romfile="").nvme_on_port("nvme0").on_port("e1000e", "e1000e0", romfile="")
    t.contents["disk-nvme0"] = NVME_TEXT
    # Firmware gives slots whose numbers are the same modulo 4 the same interrupt lines: nvme0's.
    t.root_port("rp-line", addr="0x9")
    return t


def _vfio() -> Topology:
    """One card, without a driver in dom0."""
    return Topology("vfio", kernel="lab.drivers=n").on_port("igb", "igb0", romfile="")


def _two_guests() -> Topology:
    """A disk and a network card for each of two guests."""
    t = Topology("two-guests")
    for number in range(2):
        t.nvme_on_port(f"nvme{number}").on_port("igb", f"igb{number}", romfile="")
        t.contents[f"disk-nvme{number}"] = NVME_TEXT
    return t


def _network() -> Topology:
    """What guests get: a card that has somebody to talk to, and one that only a bus reset reaches."""
    t = Topology("network")
    t.on_port("igb", "igb0", romfile="", **t.user_network("igb0"))
    return t.on_port("e1000e", "e1000e0", hotplug=False, romfile="")


def _vectors() -> Topology:
    """What guests get: controllers whose driver uses every vector that there is, two and one; a card with
    FLR, and one that only a bus reset reaches."""
    t = Topology("vectors")
    for vectors, name in ((2, "nvme2"), (1, "nvme1")):
        t.nvme(name, t.root_port(f"rp-{name}"), msix_qsize=vectors, max_ioqpairs=1)
        t.contents[f"disk-{name}"] = NVME_TEXT
    return t.on_port("igb", "igb0", romfile="").on_port("e1000e", "e1000e0", hotplug=False, romfile="")


def _faulty_devices() -> Topology:
    """Functions that break or lie."""
    t = Topology("faulty_devices")
    for name in ("faulty0", "faulty1", "faulty2"):
        t.faulty_device(name)
    return t


def _slow() -> Topology:
    """A function that takes as long for its reset as a test wants, and a good one."""
    return Topology("slow").faulty_device("faulty0").on_port("igb", "igb0")


def _storm() -> Topology:
    """Eight endpoints to do anything to, as couples: two with FLR, two alone in their slots (`hot0` is to
    come and go), two that share one, and two on a card that reports errors."""
    t = Topology("storm")
    t.on_port("igb", "igb0").nvme_on_port("nvme0")
    t.on_port("e1000e", "e1000e0").on_port("e1000", "hot0").functions("e1000e", "pair", 2)
    modern = {"disable-legacy": "on", "iommu_platform": "on", "aer": "on"}
    port = t.root_port("rp-card")
    t.device("virtio-net-pci", "card.1", port, addr="0x0.1", **modern)
    return t.device("virtio-net-pci", "card.0", port, addr="0x0.0", multifunction="on", **modern)


def _arm64() -> Topology:
    """What dom0 has on a machine for arm64: with FLR, and one that only a slot reset reaches."""
    t = Topology("arm64").on_port("igb", "igb0", romfile="").nvme_on_port("nvme0")
    return t.on_port("e1000e", "e1000e0", romfile="")


def _backends() -> Topology:
    """Virtio devices below one host bridge, of which two have their backends elsewhere, in two domains.

    The kernel of Debian lacks the driver of what their device tree calls an IOMMU, and waits for it.
    """
    t = Topology("backends", kernel="deferred_probe_timeout=1")
    modern = {"disable-legacy": "on", "romfile": ""}
    t.offered("virtio-net-pci", "offered2", 2, **modern).device("virtio-net-pci", "own0", **modern)
    return t.offered("virtio-net-pci", "offered5", 5, **modern).on_port("igb", "igb0", romfile="")


def _none() -> Topology:
    """Nothing but what the chipset has."""
    return Topology("none")


TOPOLOGIES = {
    build().name: build
    for build in (
        _none,
        _demo,
        _guest,
        _two_guests,
        _vfio,
        _network,
        _vectors,
        _main,
        _nopin,
        _shared,
        _busreset,
        _switch,
        _nested,
        _many,
        _vfs,
        _errors,
        _faulty_devices,
        _slow,
        _storm,
        _arm64,
        _backends,
    )
}


#: Those of machines for arm64.
FOR_ARM64 = {"arm64", "backends"}


def topology(name: str) -> Topology:
    """A fresh topology by its name."""
    return TOPOLOGIES[name]()
