#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make trees of machines, in the format of `pcibackctl report`.

    make.py lab FOLDER                      one for each topology of the lab that has no faulty device
    make.py lspci FILE PCI-IDS SOURCE       one of what `lspci -vvv` said of a machine, as root; SOURCE says whose
    make.py tree FILE SOURCE                one of what `lspci -tvnn` said: of that the way to each device is known,
                                            its class by its name alone, and none of its capabilities

What the kernel would list in reset_method is made of the capabilities, as drivers/pci/pci.c makes
it; device-specific methods and those of ACPI are not known from them. A port with a hot-plug
capable slot is taken to be pciehp's.
"""

from __future__ import annotations

import itertools
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Function:
    """One function."""

    bdf: str
    ids: tuple[int, int, int] = (0, 0, 0)
    names: tuple[str, str, str] = ("", "", "")
    #: The secondary bus, of a bridge.
    secondary: int | None = None
    driver: str = ""
    methods: list[str] = field(default_factory=list)
    #: Of a port: its slot can be reset.
    hotplug: bool = False
    vfs: int = 0
    #: How many virtual functions there are, and how far each is from its physical function.
    vfs_now: int = 0
    vf_offset: int = 0
    vf_stride: int = 0
    #: Its IOMMU group, where that is known.
    group: str = ""

    @property
    def bus(self) -> int:
        """The bus that it is on."""
        return int(self.bdf.split(":")[1], 16)

    @property
    def domain(self) -> str:
        """Its domain."""
        return self.bdf.split(":")[0]

    @property
    def routing(self) -> int:
        """The number by which requests are routed to it (PCIe 6.0, 2.2.4.2)."""
        slot, function = self.bdf.split(":")[2].split(".")
        return self.bus << 8 | int(slot, 16) << 3 | int(function)


class Tree:
    """All functions of a machine."""

    def __init__(self, functions: list[Function]) -> None:
        self.functions = sorted(functions, key=lambda function: function.bdf)
        # By domain and bus.
        self.above = {(f.domain, f.secondary): f for f in functions if f.secondary is not None}
        routing = {(f.domain, f.routing): f for f in functions}
        self.physical = {
            id(routing[key]): physical
            for physical in functions
            for number in range(physical.vfs_now)
            if (key := (physical.domain, physical.routing + physical.vf_offset + number * physical.vf_stride))
            in routing
        }

    def path(self, function: Function) -> str:
        """The folder of a function."""
        bridge = self.above.get((function.domain, function.bus))
        # Each root bus has a host bridge of its own.
        root = f"/sys/devices/pci{function.domain}:{function.bus:02x}"
        return f"{self.path(bridge) if bridge else root}/{function.bdf}"

    def methods(self, function: Function) -> list[str]:
        """What reset_method lists: `bus` for the first on a bus below a bridge."""
        place = (function.domain, function.bus)
        first = next(other for other in self.functions if (other.domain, other.bus) == place)
        below = place in self.above and function.secondary is None
        return [*function.methods, *(["bus"] if below and first is function else [])]

    def write(self, comments: list[str]) -> str:
        """The text."""
        lines = [
            "pcibackctl-report 1",
            *(f"# {comment}" for comment in ["SPDX-License-Identifier: GPL-2.0", *comments]),
        ]
        for function in self.functions:
            path = self.path(function)
            lines.append(f"in {path}")
            vendor, device, kind = function.ids
            lines.append("  uevent:")
            lines += [f"    DRIVER={function.driver}"] if function.driver else []
            lines += [f"    PCI_CLASS={kind:X}", f"    PCI_ID={vendor:04X}:{device:04X}"]
            if methods := self.methods(function):
                lines.append(f"  reset_method: {' '.join(methods)}")
            if function.secondary is not None:
                lines.append(f"  secondary_bus_number: {function.secondary}")
            if function.vfs:
                lines += [f"  sriov_totalvfs: {function.vfs}", f"  sriov_numvfs: {function.vfs_now}"]
            if function.group:
                up = "../" * (path.count("/") - 1)
                lines.append(f"  iommu_group -> {up}kernel/iommu_groups/{function.group}")
            if physical := self.physical.get(id(function)):
                lines.append(f"  physfn -> ../{physical.bdf}")
        lines.append("in /sys/bus/pci/devices")
        lines += [f"  {f.bdf} -> ../../../{self.path(f).removeprefix('/sys/')}" for f in self.functions]
        ports = [f for f in self.functions if f.hotplug and f.driver == "pcieport"]
        for number, port in enumerate(ports, 1):
            lines += [f"in /sys/bus/pci/slots/{number}", f"  address: {port.domain}:{port.secondary:02x}:00"]
        if ports:
            lines.append("in /sys/bus/pci_express/drivers/pciehp")
            lines += [f"  {port.bdf}:pcie004 -> ../../../../devices/{port.bdf}" for port in ports]
        lines += ["in /usr/share/misc", "  pci.ids:", *(f"    {line}" for line in self.pci_ids())]
        return "\n".join(lines) + "\n"

    def pci_ids(self) -> list[str]:
        """The names, as pci.ids has them."""
        vendors: dict[int, tuple[str, dict[int, str]]] = {}
        kinds: dict[int, dict[int, str]] = {}
        for function in self.functions:
            (vendor, device, kind), (maker, name, what) = function.ids, function.names
            if maker:
                vendors.setdefault(vendor, (maker, {}))[1][device] = name
            kinds.setdefault(kind >> 16, {})[kind >> 8 & 0xFF] = what
        lines = []
        for vendor, (maker, devices) in sorted(vendors.items()):
            lines.append(f"{vendor:04x}  {maker}")
            lines += [f"\t{device:04x}  {name}" for device, name in sorted(devices.items()) if name]
        for base, subs in sorted(kinds.items()):
            lines.append(f"C {base:02x}  ")
            lines += [f"\t{sub:02x}  {name}" for sub, name in sorted(subs.items()) if name]
        return lines


class Book:
    """pci.ids, from names to numbers."""

    def __init__(self, text: str) -> None:
        self.vendors: dict[str, int] = {}
        self.devices: dict[tuple[int, str], int] = {}
        self.kinds: dict[str, int] = {}
        vendor = base = None
        for line in text.splitlines():
            if line.startswith(("#", "\t\t")) or not line:
                continue
            digits, _, name = line.strip().removeprefix("C ").partition("  ")
            if line.startswith("C "):
                base, vendor = int(digits, 16), None
                self.kinds[name] = base << 16
            elif not line.startswith("\t"):
                if not re.fullmatch("[0-9a-f]{4}", digits):
                    break
                vendor = int(digits, 16)
                self.vendors[name] = vendor
            elif vendor is not None:
                self.devices.setdefault((vendor, name), int(digits, 16))
            elif base is not None:
                self.kinds.setdefault(name, base << 16 | int(digits, 16) << 8)
        self.by_length = sorted(self.vendors, key=len, reverse=True)

    def identify(self, title: str) -> tuple[int, int, str, str]:
        """Numbers and names of what lspci calls a device."""
        numbers = re.fullmatch(r"(.*) \[([0-9a-f]{4}):([0-9a-f]{4})\]", title)
        if numbers:
            title, vendor, number = numbers[1], int(numbers[2], 16), int(numbers[3], 16)
            name = next((name for name in self.by_length if title.startswith(name + " ")), "")
            device = title.removeprefix(name).strip()
            return vendor, number, name, "" if device.startswith("Device") else device
        for name in self.by_length:
            if title.startswith(name + " "):
                vendor, device = self.vendors[name], title[len(name) + 1 :]
                unknown = re.fullmatch(r"Device ([0-9a-f]{4})", device)
                number = int(unknown[1], 16) if unknown else self.devices.get((vendor, device), 0)
                return vendor, number, name, "" if unknown else device
        return 0, 0, "", ""


#: Devices whose FLR Linux doesn't use (quirk_no_flr of drivers/pci/quirks.c, 7.2).
NO_FLR = {
    *((0x1022, device) for device in (0x1487, 0x148C, 0x149C, 0x7901, 0x1502, 0x17F0)),
    *((0x8086, device) for device in (0x1502, 0x1503)),
    *((0x14C3, device) for device in (0x0616, 0x7925)),
}


def from_lspci(text: str, book: Book) -> Tree:
    """What lspci -vvv said."""
    functions = []
    for block in re.split(r"\n\s*\n", text.strip()):
        head, _, rest = block.partition("\n")
        match = re.match(r"(?:([0-9a-f]{4,}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) ([^:]+): (.*)", head)
        if not match:
            continue
        domain, address, kind, title = match.groups()
        interface = re.search(r"\(prog-if ([0-9a-f]{2})", title)
        title = re.sub(r" \((rev|prog-if) .*", "", title)
        digits = re.search(r" \[([0-9a-f]{4})\]$", kind)
        kind = re.sub(r" \[[0-9a-f]{4}\]$", "", kind)
        number = int(digits[1], 16) << 8 if digits else book.kinds.get(kind, 0xFF0000)
        vendor, device, maker, name = book.identify(title)
        secondary = re.search(r"secondary=([0-9a-f]+)", rest)
        driver = re.search(r"Kernel driver in use: (\S+)", rest)
        vfs = re.search(r"Total VFs: (\d+), Number of VFs: (\d+)", rest)
        group = re.search(r"IOMMU group: (\d+)", rest)
        step = re.search(r"VF offset: (\d+), stride: (\d+)", rest)
        methods = ["flr"] if "FLReset+" in rest else []
        methods += ["af_flr"] if re.search(r"AFCap: TP\+ FLR\+", rest) else []
        methods = [] if (vendor, device) in NO_FLR else methods
        methods += ["pm"] if "NoSoftRst-" in rest and not secondary else []
        functions.append(
            Function(
                f"{domain or '0000'}:{address}",
                (vendor, device, number | (int(interface[1], 16) if interface else 0)),
                (maker, name, kind),
                int(secondary[1], 16) if secondary else None,
                driver[1] if driver else "",
                methods,
                "HotPlug+" in rest,
                int(vfs[1]) if vfs else 0,
                int(vfs[2]) if vfs else 0,
                int(step[1]) if step else 0,
                int(step[2]) if step else 0,
                group[1] if group else "",
            )
        )
    return Tree(functions)


#: Classes by words of names, the first that fits, and drivers.
BY_NAME = (
    ("Host Bridge|Device \\[8086:3e20\\]", 0x060000, "Host bridge", "skl_uncore"),
    ("Graphics", 0x030000, "VGA compatible controller", "i915"),
    ("GeForce", 0x030200, "3D controller", "nouveau"),
    ("Gaussian|NHI", 0x088000, "System peripheral", ""),
    ("Thermal", 0x118000, "Signal processing controller", ""),
    ("USB", 0x0C0330, "USB controller", "xhci_hcd"),
    ("Wi-Fi", 0x028000, "Network controller", "iwlwifi"),
    ("NVMe", 0x010802, "Non-Volatile memory controller", "nvme"),
    ("SATA", 0x010601, "SATA controller", "ahci"),
    ("LPC", 0x060100, "ISA bridge", ""),
    ("cAVS", 0x040380, "Audio device", "snd_hda_intel"),
    ("SMBus", 0x0C0500, "SMBus", "i801_smbus"),
    ("SPI|I2C", 0x0C8000, "Serial bus controller", ""),
    ("HECI", 0x078000, "Communication controller", "mei_me"),
    ("SRAM", 0x050000, "RAM memory", ""),
    ("Card Reader", 0xFF0000, "Unassigned class", "rtsx_pci"),
)


def from_tree(text: str) -> Tree:
    """What `lspci -tvnn` says. A line that doesn't begin with a branch goes on with the one before."""
    lines: list[str] = []
    for line in text.splitlines():
        if re.match(r"^[ |]*(-\[|[+\\]-)", line):
            lines.append(line)
        else:
            lines[-1] += " " + line.strip(" |")
    functions: list[Function] = []
    #: The bus of what begins in a column.
    buses: dict[int, int] = {}
    for line in lines:
        bus = 0
        for part in re.finditer(
            r"-\[0000:(?P<root>\w+)\]|-\[(?P<below>\w+)(?:-\w+)?\]|(?P<at>\w\w\.\d)(?=-|  )(?P<name>  .*)?", line
        ):
            if part["at"]:
                bus = next(number for column, number in sorted(buses.items(), reverse=True) if column <= part.start())
                functions.append(by_name(f"0000:{bus:02x}:{part['at']}", part["name"]))
            else:
                bus = int(part["root"] or part["below"], 16)
                buses = {column: number for column, number in buses.items() if column < part.start()}
                buses[part.start()] = bus
                if part["below"]:
                    functions[-1].secondary = bus
                    functions[-1].ids = (0, 0, 0x060400)
                    functions[-1].names = ("", "", "PCI bridge")
                    functions[-1].driver = "pcieport"
    return Tree(functions)


def by_name(bdf: str, text: str | None) -> Function:
    """A function, of a name with its IDs; a bridge has none."""
    found = re.fullmatch(r"  (\w+ Corporation|\S+ .*?Co Ltd|Realtek .*?Ltd\.) (.*) \[(\w{4}):(\w{4})\]", text or "")
    if not found:
        return Function(bdf)
    maker, name, vendor, device = found.groups()
    kind, what, driver = next(
        (kind, what, driver) for words, kind, what, driver in BY_NAME if re.search(words, f"{name} [{vendor}:{device}]")
    )
    name = "" if name == "Device" else name
    return Function(bdf, (int(vendor, 16), int(device, 16), kind), (maker, name, what), None, driver)


#: Models of QEMU: IDs, class, name, driver of Linux, and methods but `bus`.
MODELS: dict[str, tuple[int, int, int, str, str, list[str]]] = {
    "igb": (0x8086, 0x10C9, 0x020000, "82576 Gigabit Network Connection", "igb", ["flr", "pm"]),
    "nvme": (0x1B36, 0x0010, 0x010802, "QEMU NVM Express Controller", "nvme", ["flr"]),
    "e1000e": (0x8086, 0x10D3, 0x020000, "82574L Gigabit Network Connection", "e1000e", ["pm"]),
    "e1000": (0x8086, 0x100E, 0x020000, "82540EM Gigabit Ethernet Controller", "e1000", []),
    "rtl8139": (0x10EC, 0x8139, 0x020000, "RTL-8100/8101L/8139 PCI Fast Ethernet Adapter", "8139cp", []),
    "edu": (0x1234, 0x11E8, 0x00FF00, "", "", []),
    "pci-testdev": (0x1B36, 0x0005, 0x00FF00, "QEMU PCI Test Device", "", []),
    "bochs-display": (0x1234, 0x1111, 0x038000, "", "bochs-drm", []),
    "qemu-xhci": (0x1B36, 0x000D, 0x0C0330, "QEMU XHCI Host Controller", "xhci_hcd", []),
    "ahci": (0x8086, 0x2922, 0x010601, "82801IR/IO/IH (ICH9R/DO/DH) 6 port SATA Controller [AHCI mode]", "ahci", []),
    "vmxnet3": (0x15AD, 0x07B0, 0x020000, "VMXNET3 Ethernet Controller", "vmxnet3", []),
    "virtio-net-pci": (0x1AF4, 0x1041, 0x020000, "Virtio 1.0 network device", "virtio-pci", ["flr"]),
    "pcie-root-port": (0x1B36, 0x000C, 0x060400, "QEMU PCIe Root port", "pcieport", []),
    "pcie-pci-bridge": (0x1B36, 0x000E, 0x060400, "QEMU PCIe-PCI bridge", "", []),
    "x3130-upstream": (0x104C, 0x8232, 0x060400, "XIO3130 PCI Express Switch (Upstream)", "pcieport", []),
    "xio3130-downstream": (0x104C, 0x8233, 0x060400, "XIO3130 PCI Express Switch (Downstream)", "pcieport", []),
}
MAKERS = {
    0x8086: "Intel Corporation",
    0x1B36: "Red Hat, Inc.",
    0x10EC: "Realtek Semiconductor Co., Ltd.",
    0x15AD: "VMware",
    0x1AF4: "Red Hat, Inc.",
    0x104C: "Texas Instruments",
}
KINDS = {
    0x0200: "Ethernet controller",
    0x0108: "Non-Volatile memory controller",
    0x0106: "SATA controller",
    0x0380: "Display controller",
    0x0C03: "USB controller",
    0x0604: "PCI bridge",
    0x0600: "Host bridge",
    0x0601: "ISA bridge",
    0x0C05: "SMBus",
    0x00FF: "Unclassified device",
}
#: Bridges whose slot is pciehp's unless they are told otherwise.
PORTS = ("pcie-root-port", "xio3130-downstream")


def from_topology(arguments: list[str]) -> Tree:
    """What QEMU and firmware make of a topology: buses are numbered depth first."""
    devices = [
        dict(part.partition("=")[::2] for part in f"driver={text}".split(","))
        for flag, text in itertools.pairwise(arguments)
        if flag == "-device" and ",bus=" in text
    ]
    functions: list[Function] = []
    last = 0

    def place(device: dict[str, str]) -> tuple[int, int]:
        slot, _, function = device.get("addr", "0x0").removeprefix("0x").partition(".")
        return int(slot, 16), int(function or "0")

    def walk(bus: str, number: int) -> None:
        nonlocal last
        for device in sorted((device for device in devices if device["bus"] == bus), key=place):
            vendor, model, kind, name, driver, methods = MODELS[device["driver"]]
            slot, function = place(device)
            bridge = kind >> 8 == 0x0604
            made = Function(
                f"0000:{number:02x}:{slot:02x}.{function}",
                (vendor, model, kind),
                (MAKERS.get(vendor, ""), name, KINDS.get(kind >> 8, "")),
                None,
                driver,
                methods,
                device["driver"] in PORTS and device.get("hotplug") != "off",
                int(device.get("sriov_max_vfs", "7" if device["driver"] == "igb" else "0")),
            )
            functions.append(made)
            if bridge:
                last += 1
                made.secondary = last
                walk(device["id"], last)

    walk("pcie.0", 0)
    for address, model, kind, name, driver in (
        ("00.0", 0x29C0, 0x060000, "82G33/G31/P35/P31 Express DRAM Controller", ""),
        ("1f.0", 0x2918, 0x060100, "82801IB (ICH9) LPC Interface Controller", "lpc_ich"),
        ("1f.2", 0x2922, 0x010601, "82801IR/IO/IH (ICH9R/DO/DH) 6 port SATA Controller [AHCI mode]", "ahci"),
        ("1f.3", 0x2930, 0x0C0500, "82801I (ICH9 Family) SMBus Controller", "i801_smbus"),
    ):
        names = (MAKERS[0x8086], name, KINDS[kind >> 8])
        functions.append(Function(f"0000:00:{address}", (0x8086, model, kind), names, None, driver))
    return Tree(functions)


def main(arguments: list[str]) -> None:
    """See above."""
    match arguments:
        case ["lab", folder]:
            sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "vm"))
            from lab.topology import FOR_ARM64, TOPOLOGIES

            for name, build in TOPOLOGIES.items():
                topology = build()
                if not topology.faulty_devices and name not in FOR_ARM64 | {"nopin", "none"}:
                    comments = [f"The topology `{name}` of tests/vm/lab/topology.py, made by make.py of it."]
                    Path(folder, f"lab-{name}.txt").write_text(from_topology(topology.args).write(comments))
        case ["lspci", file, pci_ids, *source]:
            book = Book(Path(pci_ids).read_text())
            text = Path(file).read_text()
            known = "no capabilities" if "<access denied>" in text else "what can be reset how"
            comments = [*source, f"Made of it by make.py: addresses, identities, drivers, {known}."]
            print(from_lspci(text, book).write(comments), end="")
        case ["tree", file, *source]:
            comments = [*source, "Made of it by make.py: addresses, identities, and classes by names; no capabilities."]
            print(from_tree(Path(file).read_text()).write(comments), end="")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
