# SPDX-License-Identifier: GPL-2.0
"""What xenopsd does about a PCI device of a domain, call for call; for a dom0 with Xen's own Python bindings.

    xenopsd.py plug DOMID hvm|pv BDF        the domain runs and has no device yet
    xenopsd.py unplug DOMID BDF             of a pv domain
    xenopsd.py destroy DOMID
    xenopsd.py dequarantine BDF

xapi-project/xen-api, ocaml/xenopsd/xc: device.ml, xenops_server_xen.ml, domain.ml, commit e2ee48d6883e. Each step
names its function there. What differs: a device is assigned without XEN_DOMCTL_DEV_RDM_RELAXED, which the bindings
don't know, the domain is libxl's, and of Domain.destroy the hard shutdown of frontends is left out: of a PCI device
that is `xl pci-detach` of a domain that is gone.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from xen.lowlevel import xc, xs

DOMID_IO = 0x7FF1
DEVICES = Path("/sys/bus/pci/devices")
DRIVERS = Path("/sys/bus/pci/drivers")
PCIBACK = DRIVERS / "pciback"
BAR_IO, ROM = 1, 6

xen, store = xc.xc(), xs.xs()


def do_flr(bdf: str) -> None:
    """PCI.do_flr: the kernel's reset where there is one; its failure is nobody's concern."""
    reset = DEVICES / bdf / "reset"
    try:
        if reset.exists():
            reset.write_text("1")
        else:
            (PCIBACK / "do_flr").write_text(bdf)
    except OSError as error:
        print(f"do_flr: {error}")


def bind(bdf: str) -> None:
    """PCI.bind to pciback."""
    link = DEVICES / bdf / "driver"
    driver = link.readlink().name if link.is_symlink() else None
    if driver != "pciback":
        if driver is not None:
            (DRIVERS / driver / "unbind").write_text(bdf)
        (PCIBACK / "new_slot").write_text(bdf)
        (PCIBACK / "bind").write_text(bdf)
    do_flr(bdf)


def assign(domid: int, bdf: str) -> None:
    """Xenctrlext.assign_device."""
    numbers = ",".join(f"0x{number}" for number in re.split("[:.]", bdf))
    assert xen.assign_device(domid, numbers) == 0, f"assigning {bdf} to {domid}"


def deassign(domid: int, bdf: str) -> None:
    """Xenctrlext.deassign_device."""
    numbers = ",".join(f"0x{number}" for number in re.split("[:.]", bdf))
    assert xen.deassign_device(domid, numbers) == 0, f"taking {bdf} from {domid}"


def enable_rom(bdf: str, start: int) -> None:
    """PCI._pci_add: have the kernel write the address of the ROM."""
    with (DEVICES / bdf / "config").open("rb") as config:
        config.seek(0x30)
        now = int.from_bytes(config.read(4), "little") & 0xFFFFF800
    if now != start:
        rom = DEVICES / bdf / "rom"
        rom.write_text("1\n")
        with suppress(OSError), rom.open("rb", buffering=0) as file:
            file.read(4)


def permit(domid: int, bdf: str, resources: list[str]) -> None:
    """PCI._pci_add, apply_io_permission: the BARs and the ROM."""
    for index, line in enumerate(resources[: ROM + 1]):
        start, end, flags = (int(word, 16) for word in line.split())
        size = end - start + 1
        if not start:
            continue
        if flags & BAR_IO:
            xen.domain_ioport_permission(domid, start, size, True)
            continue
        if index == ROM:
            enable_rom(bdf, start >> 12)  # (It compares an address with a page number.)
        xen.domain_iomem_permission(domid, start >> 12, (size + 4095) >> 12, True)


def qmp(domid: int, command: str, **arguments: object) -> None:
    """Say something to the device model, and have it agree."""
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(f"/run/xen/qmp-libxl-{domid}")
        answers = monitor.makefile("r")
        answers.readline()
        for words in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
            monitor.sendall(json.dumps(words).encode() + b"\n")
            while "return" not in (answer := json.loads(answers.readline())):
                assert "error" not in answer, answer


def add(domid: int, bdf: str) -> None:
    """PCI._pci_add, for an HVM domain."""
    irq = int((DEVICES / bdf / "irq").read_text())
    resources = (DEVICES / bdf / "resource").read_text().splitlines()
    assign(DOMID_IO, bdf)
    assign(domid, bdf)
    permit(domid, bdf, resources)
    if irq > 0:
        xen.domain_irq_permission(domid, xen.physdev_map_pirq(domid, irq, irq), True)
    name = "pci-pt-" + bdf.split(":", 1)[1].replace(":", "_")
    qmp(domid, "device_add", driver="xen-pci-passthrough", id=name, hostaddr=bdf, permissive=False)


def backend(domid: int) -> str:
    """PCI.device_model_pci_device_path."""
    return f"/local/domain/0/backend/pci/{domid}/0"


def plugged(domid: int) -> dict[int, str]:
    """PCI.read_pcidir."""
    nodes = [node for node in store.ls("", backend(domid)) or [] if node.startswith("dev-")]
    return {int(node[4:]): store.read("", f"{backend(domid)}/{node}").decode() for node in nodes}


def plug(domid: int, kind: str, bdf: str) -> None:
    """PCI.plug of xenops_server_xen.ml, then PCI.add."""
    store.write("", f"{backend(domid)}/msitranslate", "1")
    store.write("", f"{backend(domid)}/power_mgmt", "0")
    assert PCIBACK.exists()
    bind(bdf)
    index = 1 + max(plugged(domid), default=-1)
    if kind == "hvm":
        add(domid, bdf)
    else:
        assign(DOMID_IO, bdf)
        subprocess.run(["/usr/sbin/xl", "pci-attach", str(domid), bdf], check=True)
    store.write("", f"{backend(domid)}/dev-{index}", bdf)


def unplug(domid: int, bdf: str) -> None:
    """PCI.clean_shutdown."""
    count = int(store.read("", f"{backend(domid)}/num_devs"))
    listed = [store.read("", f"{backend(domid)}/dev-{index}").decode() for index in range(count)]
    assert listed == [bdf], listed
    subprocess.run(["/usr/sbin/xl", "pci-detach", str(domid), bdf], check=True)


def destroy(domid: int) -> None:
    """Domain.destroy."""
    bdfs = plugged(domid).values()
    for bdf in bdfs:
        do_flr(bdf)
    time.sleep(0.1)  # Thread.delay there, for the FLR.
    for bdf in bdfs:
        deassign(domid, bdf)
    model = store.read("", f"/local/domain/{domid}/image/device-model-pid")
    xen.domain_destroy(domid)
    if model:
        os.kill(int(model), signal.SIGTERM)
    for path in (f"/local/domain/{domid}", f"/libxl/{domid}"):
        store.rm("", path)
    for kind in store.ls("", "/local/domain/0/backend"):
        store.rm("", f"/local/domain/0/backend/{kind}/{domid}")


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    numbers = [int(word) if word.isdigit() else word for word in rest]
    {
        "plug": plug,
        "unplug": unplug,
        "destroy": destroy,
        "dequarantine": lambda bdf: deassign(DOMID_IO, bdf),
    }[what](*numbers)
