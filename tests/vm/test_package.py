# SPDX-License-Identifier: GPL-2.0
"""The packages in a Debian dom0 with systemd: installed there, claimed at boot, updated, purged."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

import pytest
from lab.endpoint import IGB, NVME
from lab.guest import Guest
from lab.installed import DEBS, Installed
from lab.machine import Dom0
from lab.topology import NVME_TEXT, Topology
from lab.until import until

pytestmark = [pytest.mark.tier("all"), pytest.mark.timeout(7200)]

STORE = "/etc/rust-pciback/devices.d"
PROGRAM = "/usr/libexec/rust-pciback/pciback-boot"
UPDATE = "/usr/libexec/rust-pciback/update-initrd"
#: Making an initramfs in an emulated machine takes minutes.
SLOW = 1800
#: So may loading all drivers.
SETTLE = "udevadm settle --timeout=900"
NATIVE = {"igb0": "igb", "nvme0": "nvme", "e1000e0": "e1000e"}


def machine() -> Topology:
    """What guests get, a network card for dom0, and a display that is the only one."""
    t = Topology("package")
    t.on_port("igb", "igb0", romfile="").nvme_on_port("nvme0").on_port("e1000e", "e1000e0", romfile="")
    t.on_port("e1000e", "spare0", romfile="")
    t.contents["disk-nvme0"] = NVME_TEXT
    return t.device("bochs-display", "display0")


#: Each in a worker of its own.
GENERATORS = [
    pytest.param(name, marks=pytest.mark.xdist_group(f"package-{name}")) for name in ("initramfs-tools", "dracut")
]
#: The disk that holds root, where machine.py has it.
ROOT_DISK = "0000:00:03.0"


def boot(system: Installed, flavour: str = "pv", kernel: str = "") -> AbstractContextManager[Dom0]:
    """Boot it. Packages are the same in any dom0, and in emulation a PVH one takes several times as long."""
    return system.boot(machine(), flavour=flavour, kernel=kernel)


class Card(NamedTuple):
    """Where a device is, and what it is."""

    bdf: str
    ids: str


@pytest.fixture(scope="session")
def cards() -> dict[str, Card]:
    """The machine's devices, by their names."""
    with Dom0(machine(), name="package-cards") as dom0:

        def look(name: str) -> Card:
            path = f"/sys/bus/pci/devices/{dom0.bdf(name)}"
            ids = dom0.check(f"cat {path}/vendor {path}/device").replace("0x", "").split()
            return Card(dom0.bdf(name), ":".join(ids))

        return {name: look(name) for name in (*NATIVE, "spare0", "display0")}


@pytest.fixture(scope="module", params=GENERATORS)
def with_packages(request: pytest.FixtureRequest) -> Iterator[Installed]:
    """A system that the packages for its newest kernel were installed in."""
    system = Installed(request.param)
    install(system, "rust-pciback", f"rust-pciback-modules-{system.release}")
    yield system
    system.close()


@pytest.fixture
def installed(with_packages: Installed) -> Iterator[Installed]:
    """A copy of that, for one test."""
    system = with_packages.copy()
    yield system
    system.close()


@pytest.fixture(params=GENERATORS)
def older(request: pytest.FixtureRequest) -> Iterator[Installed]:
    """A system that runs its older kernel, with the packages for that."""
    system = Installed(request.param)
    system.select(system.releases[0])
    install(system, "rust-pciback", f"rust-pciback-modules-{system.release}")
    yield system
    system.close()


def driver(dom0: Dom0, name: str) -> str:
    """The driver of a device."""
    return dom0.run(f"basename $(readlink /sys/bus/pci/devices/{dom0.bdf(name)}/driver)").out.strip()


def drivers(dom0: Dom0) -> dict[str, str]:
    """Those of all devices that are told of."""
    dom0.check(SETTLE, SLOW)
    return {name: driver(dom0, name) for name in ("igb0", "nvme0", "e1000e0", "display0")}


def claim_at_boot(system: Installed, name: str, card: Card, extra: str = "") -> None:
    """Have a device claimed at boot, by all that is known of it."""
    system.write(f"{STORE}/{name}.conf", f"address={card.bdf}\nid={card.ids}\n{extra}")


def install(system: Installed, *names: str) -> None:
    """Install packages, by the beginnings of their files' names."""
    files = " ".join(f"/cache/deb/{name}_*.deb" for name in names)
    system.run(f"apt-get install -y --no-install-recommends {files}")


def claims_said(dom0: Dom0) -> str:
    """What was said in the initramfs."""
    return dom0.check("cat /run/rust-pciback/report")


@contextmanager
def guest_with(dom0: Dom0, cards: dict[str, Card]) -> Iterator[None]:
    """A guest has both claimed devices meanwhile, and works with them before and afterwards."""
    dom0.check("systemctl start xen", 300)
    dom0.check("mkdir -p /guest && mount -o ro /dev/vdb /guest")
    dom0.put_tests()
    guest = Guest(dom0, devices=[cards[endpoint.name].bdf for endpoint in (IGB, NVME)]).create()
    for endpoint in (IGB, NVME):
        assert endpoint.use(guest, endpoint.in_guest(guest)) > 0
    yield
    for endpoint in (IGB, NVME):
        assert endpoint.use(guest, endpoint.in_guest(guest)) > 0
    guest.destroy()
    dom0.check("umount /guest")


def test_life(older: Installed, cards: dict[str, Card]) -> None:
    """Claimed at boot, and one more, by the tool; a guest has both while the next kernel is installed, which boots;
    purged: each boot has the drivers that it should."""
    newest = older.releases[-1]
    claim_at_boot(older, "igb0", cards["igb0"])
    older.run(UPDATE)
    with boot(older) as dom0:
        assert drivers(dom0) | NATIVE | {"igb0": "pciback"} == drivers(dom0)
        dom0.check(f"pcibackctl claim --boot {cards['nvme0'].bdf}", SLOW)
    with boot(older) as dom0:
        assert drivers(dom0) | {"igb0": "pciback", "nvme0": "pciback", "e1000e0": "e1000e"} == drivers(dom0)
        # Before the native drivers: those never had the devices.
        assert not dom0.run(f"dmesg | grep -E '(igb|nvme) .*({cards['igb0'].bdf}|{cards['nvme0'].bdf})'").ok
        assert "refuse" not in claims_said(dom0)
        assert not dom0.run("grep -w xen_pciback /proc/modules").ok
        for deb in DEBS.glob("rust-pciback*.deb"):
            dom0.put(deb, f"/root/{deb.name}")
        files = f"/root/rust-pciback-modules-{newest}_*.deb /root/rust-pciback-modules-amd64_*.deb"
        # Also what is there already, as an update of it would. The module that runs stays loaded, with its devices.
        files += f" /root/rust-pciback-modules-{older.release}_*.deb /root/rust-pciback_*.deb"
        has_toolstack = dom0.run("command -v xl").ok
        assert has_toolstack == (older.generator == "initramfs-tools")
        with guest_with(dom0, cards) if has_toolstack else nullcontext():
            dom0.check(f"apt-get install -y --reinstall --no-install-recommends {files}", SLOW)
            assert driver(dom0, "igb0") == driver(dom0, "nvme0") == "pciback"
    older.select(newest)
    with boot(older) as dom0:
        assert dom0.check("uname -r").strip() == newest
        assert driver(dom0, "igb0") == driver(dom0, "nvme0") == "pciback"
        dom0.check("apt-get purge -y 'rust-pciback*'", SLOW)
        assert not dom0.run(f"ls -d {STORE}").ok
    with boot(older) as dom0:
        assert drivers(dom0) | NATIVE == drivers(dom0)
        assert not dom0.run("modinfo rust_pciback").ok


def test_refusals(installed: Installed, cards: dict[str, Card]) -> None:
    """The disk with root, the only display and a device that isn't what was written are left alone; it boots on."""
    installed.write(f"{STORE}/root.conf", f"address={ROOT_DISK}\n")
    for name in ("display0", "e1000e0"):
        claim_at_boot(installed, name, cards[name])
    claim_at_boot(installed, "igb0", cards["igb0"]._replace(ids="8086:ffff"))
    installed.run(UPDATE)
    with boot(installed) as dom0:
        assert dom0.bdf("lab-disk") == ROOT_DISK
        said = claims_said(dom0)
        assert f"refuse {ROOT_DISK} {STORE}/root.conf: it holds the root file system" in said
        assert f"refuse {cards['display0'].bdf} {STORE}/display0.conf: it has the console" in said
        wrong = f"the device there is {cards['igb0'].ids}, not 8086:ffff"
        assert f"refuse {cards['igb0'].bdf} {STORE}/igb0.conf: {wrong}" in said
        assert driver(dom0, "e1000e0") == "pciback"
        assert driver(dom0, "igb0") == "igb"
        assert driver(dom0, "lab-disk") == "virtio-pci"
        assert driver(dom0, "display0") != "pciback"
        # Loud: in the kernel's log, at a level that a quiet console shows.
        assert dom0.run("dmesg --level=err | grep -F 'it holds the root file system'").ok
        assert dom0.run(f"{PROGRAM} plan").status == 1


def test_forced(installed: Installed, cards: dict[str, Card]) -> None:
    """Even the only display, for who insists; but not all network cards, whoever asks at boot, in the initramfs or
    later."""
    claim_at_boot(installed, "display0", cards["display0"], "force=gpu\n")
    network = {"igb0": "igb", "e1000e0": "e1000e", "spare0": "e1000e"}
    for name in network:
        claim_at_boot(installed, name, cards[name])
    installed.write("/etc/modules-load.d/xen-pciback.conf", "xen-pciback\n")
    installed.run(UPDATE)
    with boot(installed) as dom0:
        assert driver(dom0, "display0") == "pciback"
        dom0.check(SETTLE, SLOW)
        assert {name: driver(dom0, name) for name in network} == network
        for name in network:
            refused = f"refuse {cards[name].bdf} {STORE}/{name}.conf: no network card in use would be left"
            assert refused in claims_said(dom0)


def test_names_of_the_c_driver(installed: Installed, cards: dict[str, Card]) -> None:
    """What its users have on the command line and in /etc goes on working, and is merged."""
    igb, nvme, card = (cards[name].bdf for name in NATIVE)
    installed.write("/etc/modprobe.d/xen-pciback.conf", f"options xen-pciback hide=({nvme})\n")
    installed.write("/etc/modules-load.d/xen-pciback.conf", "xen-pciback\n")
    claim_at_boot(installed, "e1000e0", cards["e1000e0"])
    installed.run(UPDATE)
    with boot(installed, kernel=f"xen-pciback.hide=({igb})") as dom0:
        assert [driver(dom0, name) for name in NATIVE] == ["pciback"] * 3
        assert dom0.check("cat /sys/bus/pci/drivers/pciback/slots").split() == sorted([igb, nvme, card])
        assert not dom0.run("grep -w xen_pciback /proc/modules").ok
        # As its own, by its name: unloaded and loaded.
        dom0.check("modprobe -r xen-pciback")
        assert not dom0.run("grep -w rust_pciback /proc/modules").ok
        dom0.check("modprobe xen-pciback; grep -w rust_pciback /proc/modules")
        assert not dom0.run("grep -w xen_pciback /proc/modules").ok


#: What a dracut module of Qubes OS does: 90qubes-pciback/module-setup.sh and qubes-pciback.sh
#: (QubesOS/qubes-core-admin-linux, a571230c757a). It isn't run as it is: it is in no package of Debian's, and
#: wants usbguard. Left out are that, `rd.qubes.hide_pci` and `rd.qubes.dom0_usb`.
QUBES_MODULE = """
install() {
	inst_hook cmdline 02 "$moddir/claim.sh"
	inst lspci
	inst awk
}
installkernel() {
	for name in pciback xen-pciback; do
		! modinfo -k "$kernel" "$name" >/dev/null 2>&1 || hostonly='' instmods "$name"
	done
}
"""
QUBES_CLAIM = """
network=$(lspci -mm -n | awk '$2 ~ /^"02/ { print $1 }')
modprobe xen-pciback 2>/dev/null || :
for bdf in $network; do
	bdf=0000:$bdf
	if [ -e "/sys/bus/pci/devices/$bdf/driver" ]; then
		echo -n "$bdf" >"/sys/bus/pci/devices/$bdf/driver/unbind"
	fi
	echo -n "$bdf" >/sys/bus/pci/drivers/pciback/new_slot
	echo -n "$bdf" >/sys/bus/pci/drivers/pciback/bind
done
"""


@pytest.mark.parametrize("with_packages", GENERATORS[1:], indirect=True, scope="module")
def test_qubes_initramfs(installed: Installed, cards: dict[str, Card]) -> None:
    """The claims of Qubes OS's initramfs, by the name of the C driver, which is in the initramfs too."""
    bdfs = [cards[name].bdf for name in ("igb0", "e1000e0", "spare0")]
    module = "/usr/lib/dracut/modules.d/90lab-qubes-pciback"
    installed.write(f"{module}/module-setup.sh", QUBES_MODULE)
    installed.write(f"{module}/claim.sh", QUBES_CLAIM)
    installed.run(UPDATE)
    assert "xen-pciback.ko" in installed.run(f"lsinitrd /boot/initrd.img-{installed.release}")
    with boot(installed) as dom0:
        dom0.check(SETTLE, SLOW)
        assert dom0.check("cat /sys/bus/pci/drivers/pciback/slots").split() == sorted(bdfs)
        assert [driver(dom0, name) for name in ("igb0", "e1000e0", "spare0")] == ["pciback"] * 3
        assert driver(dom0, "nvme0") == "nvme"
        assert dom0.run("grep -w rust_pciback /proc/modules").ok
        assert not dom0.run("grep -w xen_pciback /proc/modules").ok


def test_a_kernel_without_the_module(installed: Installed, cards: dict[str, Card]) -> None:
    """A kernel that this driver was not installed for keeps the C driver, by its name and with its options."""
    card = cards["e1000e0"].bdf
    installed.write("/etc/modprobe.d/xen-pciback.conf", f"options xen-pciback hide=({card})\n")
    installed.select(installed.releases[0])
    with boot(installed) as dom0:
        assert drivers(dom0) | NATIVE == drivers(dom0)
        dom0.check(f"echo {card} >/sys/bus/pci/devices/{card}/driver/unbind")
        dom0.check("modprobe xen-pciback; grep -w xen_pciback /proc/modules")
        assert driver(dom0, "e1000e0") == "pciback"
        wanted = f"install the package rust-pciback-modules-{installed.release}"
        assert dom0.run(f"dmesg --level=err | grep -F '{wanted}'").ok
        dom0.check("modprobe -r xen-pciback")
        assert not dom0.run("grep -w xen_pciback /proc/modules").ok


@pytest.mark.parametrize("with_packages", GENERATORS[:1], indirect=True, scope="module")
def test_driverctl(installed: Installed, cards: dict[str, Card]) -> None:
    """By its name driverctl finds the driver; what it was told lasts over a reboot and a rescan."""
    card = cards["e1000e0"].bdf

    def is_claimed(dom0: Dom0) -> bool:
        path = f"/sys/bus/pci/devices/{card}/driver"
        # After a rule of udev's a service does it.
        return dom0.run(until(f"readlink {path} | grep -q /pciback$", 300), 360).ok

    with boot(installed) as dom0:
        dom0.check(f"driverctl set-override {card} pciback", 120)
        assert driver(dom0, "e1000e0") == "pciback"
        assert dom0.check("driverctl list-overrides").split() == [card, "pciback"]
        explained = json.loads(dom0.check(f"pcibackctl --json explain {card}", SLOW))
        assert explained["devices"][0]["device"]["at_boot"]["by"] == "driverctl"
    with boot(installed) as dom0:
        assert is_claimed(dom0)
        dom0.check(SETTLE, SLOW)
        dom0.check(f"echo 1 >/sys/bus/pci/devices/{card}/remove && echo 1 >/sys/bus/pci/rescan", 120)
        # Its service has run in this boot, and systemd starts it once: whoever rescans has it load the override.
        dom0.check(f"driverctl load-override {card}", 120)
        assert is_claimed(dom0)
        dom0.check(f"driverctl unset-override {card}", 120)
        assert drivers(dom0)["e1000e0"] == "e1000e"


TESTS = "/usr/libexec/rust-pciback/tests/run"


@pytest.mark.parametrize("with_packages", GENERATORS[:1], indirect=True, scope="module")
def test_as_on_hardware(installed: Installed, cards: dict[str, Card], figure: Callable[[str], None]) -> None:
    """The checks for real hardware, from the package: what they refuse, that they ask, and their report."""
    bdfs = [cards[name].bdf for name in NATIVE]
    with boot(installed, "pvh") as dom0:
        drivers_before = drivers(dom0)
        refused = {
            "ffff:00:00.0": "there is no device",
            ROOT_DISK: "this machine needs it",
            cards["display0"].bdf: "is the last display",
            "--nonsense": "usage: ",
        }
        for argument, why in refused.items():
            result = dom0.run(f"cd /root; {TESTS} --yes {argument}", 120)
            assert result.status == 2
            assert why in result.out
        result = dom0.run(f"cd /root; echo n | {TESTS} {bdfs[0]}", 120)
        assert result.status == 2
        assert "nothing was done" in result.out
        dom0.check(f"modprobe rust_pciback && pcibackctl claim --now {bdfs[0]}", 120)
        result = dom0.run(f"cd /root; {TESTS} --yes {' '.join(bdfs)}", 120)
        assert result.status == 2
        assert f"release {bdfs[0]} first" in result.out
        dom0.check(f"pcibackctl release --now {bdfs[0]}", 120)
        assert not dom0.run("ls /root/rust-pciback-report.txt").ok
        mac = dom0.check(f"cat /sys/bus/pci/devices/{bdfs[0]}/net/*/address").strip()
        output = dom0.run(f"cd /root; {TESTS} --yes {' '.join(bdfs)}", SLOW).out
        report = dom0.check("cat /root/rust-pciback-report.txt")
        # It was loaded, and is again; all have their drivers.
        dom0.check("grep -w rust_pciback /proc/modules")
        assert drivers(dom0) == drivers_before
    said = re.search(r"^(\d+) passed, 0 failed, (\d+) skipped", output, re.MULTILINE)
    assert said, report
    assert int(said[1]) > 300
    figure(f"as on hardware: {said[0]}")
    for bdf in bdfs:
        proven = rf"^{bdf} reset: errno 0, by (flr|slot|bus), proven, \d+ us, Xen told$"
        assert len(re.findall(proven, report, re.MULTILINE)) == 3
    assert re.search(r"^\| QEMU .* \| 4\.\S+, PVH dom0 \| ", report, re.MULTILINE)
    # Nothing that is private, neither as it is nor as lspci writes it.
    assert mac not in report
    assert mac.replace(":", "-")[:8] not in report
    with boot(installed) as dom0:
        drivers_before = drivers(dom0)
        dom0.check("rm /root/rust-pciback-report.txt")
        # Ended in the middle, it gives back what it has.
        begun = f"(cd /root; exec {TESTS} --yes {bdfs[0]}) >/root/said 2>&1 </dev/null & run=$!"
        held = until(f"readlink /sys/bus/pci/devices/{bdfs[0]}/driver | grep -q /pciback$", 600)
        result = dom0.run(f"{begun}; ({held}) && kill $run; wait $run", SLOW)
        assert result.status == 130, dom0.check("cat /root/said")
        assert drivers(dom0) == drivers_before
        dom0.check("! grep -w rust_pciback /proc/modules")
        assert not dom0.run("ls /root/rust-pciback-report.txt").ok
        output = dom0.run(f"cd /root; {TESTS} --yes {bdfs[0]}", SLOW).out
        report = dom0.check("cat /root/rust-pciback-report.txt")
        assert drivers(dom0) == drivers_before
    assert re.search(r"^\d+ passed, 0 failed, \d+ skipped", output, re.MULTILINE), report
    assert re.search(rf"^{bdfs[0]} reset: errno 0, by flr, proven, \d+ us, Xen not-needed$", report, re.MULTILINE)
    assert re.search(r"^\| QEMU .* \| 4\.\S+, PV dom0 \| ", report, re.MULTILINE)


#: Times of the same work, in nanoseconds: the shell is the same in dom0 and here.
WORK = (
    "for n in 1 2 3; do begun=$(date +%s%N); i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done; "
    "echo $(($(date +%s%N) - begun)); done"
)


def slowness(dom0: Dom0) -> float:
    """How many times as long as this machine dom0 takes for the same work: its processor may be emulated."""
    here = subprocess.run(["dash", "-c", WORK], check=True, capture_output=True, text=True).stdout
    there = dom0.check(f"dash -c '{WORK}'", 300)
    best_here, best_there = (min(map(int, out.split())) for out in (here, there))
    return max(1.0, best_there / best_here)


def test_time(installed: Installed, cards: dict[str, Card], figure: Callable[[str], None]) -> None:
    """Claiming costs the boot less than 200 ms, and the wait of each FLR (100 ms, PCIe 6.0 6.6.2)."""
    # Only the first has FLR. (It isn't known to an initramfs that is made in a tree which disk holds root.)
    claimed, waits = ("igb0", "e1000e0"), 1
    for name in claimed:
        claim_at_boot(installed, name, cards[name])
    installed.run(UPDATE)
    # One claim at boot is seen in a PVH dom0, too.
    with boot(installed, "pvh" if installed.generator == "dracut" else "pv") as dom0:
        first, last = (
            float(line.split("]")[0].strip("[ "))
            for line in (
                dom0.check("dmesg | grep 'rust-pciback: claim ' | head -n 1"),
                dom0.check("dmesg | grep -E 'pciback.*claimed' | tail -n 1"),
            )
        )
        assert [driver(dom0, name) for name in claimed] == ["pciback", "pciback"]
        slower = slowness(dom0)
    # Only the processor is emulated: the wait takes its time anywhere.
    took, target = last - first, 0.2 * slower + 0.1 * waits
    figure(
        f"claimed {len(claimed)} devices at boot in {took * 1000:.0f} ms; at most {target * 1000:.0f} ms, "
        f"for dom0 takes {slower:.1f} times as long as this machine"
    )
    assert 0 < took < target
