# SPDX-License-Identifier: GPL-2.0
"""HVM and PV guests of a dom0 with the toolstack, made and driven by stock xl.

The guest is the lab's stock kernel with a small initramfs (tests/vm/image/guest-init). It
loads a native driver for each PCI device that it finds. Its agent listens on the PV console,
which is much faster than an emulated serial port; dom0 talks to it through
tests/dom0/src/guestrun.c.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from .agent import AgentError, Result
from .machine import CommandError, Dom0
from .paths import SLOWER
from .until import until

#: What makes it boot in time: no scan of all buses by port I/O (25 s), no trial of emulated
#: timers (3 s), no probing of serial ports and keyboards. And a panic is told to Xen as a crash,
#: where the kernel would else wait and then reboot.
CMDLINE = (
    "console=hvc0 quiet xen_legacy_crash pci=noearly no_timer_check tsc=unstable mitigations=off"
    " 8250.nr_uarts=0 i8042.nokbd i8042.noaux cryptomgr.notests"
)
#: A PV guest has nothing emulated.
PV_CMDLINE = "console=hvc0 quiet xen_legacy_crash mitigations=off cryptomgr.notests"

#: How xl says that its emulator didn't answer in ten seconds (ERROR_TIMEDOUT, libxl.h), for which
#: an emulated machine may be too slow once.
TIMEDOUT = "(rc -9)"

#: How often a PV guest is made that loses its frontend, which one of five does, or three of four in a PVH dom0.
FRONTEND_TRIES = 5


class GuestError(AssertionError):
    """The guest did not do what it must."""


class Guest:
    """One guest, by its name; made by `create`, also after a reboot the same object.

    `devices` are addresses in dom0, `cmdline` is added to the kernel's, `config` to what xl
    is told. A PV guest gets its devices through the kernel's stock frontend (xen-pcifront); if
    not `cold`, after its boot.
    """

    #: From `xl create` to a guest that takes commands: 45 to 60 s alone on an idle machine.
    BOOT = 240.0

    def __init__(
        self,
        dom0: Dom0,
        name: str = "guest",
        devices: Iterable[str] = (),
        *,
        cmdline: str = "",
        on_crash: str = "destroy",
        config: str = "",
        kind: str = "hvm",
        ramdisk: str = "/guest/initrd",
        cold: bool = True,
    ) -> None:
        self.dom0, self.name = dom0, name
        self._devices = list(devices)
        self._cmdline, self._on_crash, self._config = cmdline, on_crash, config
        self._kind, self._ramdisk, self._cold = kind, ramdisk, cold
        #: Seconds that the last boot took.
        self.boot_seconds = 0.0
        self._domid: int | None = None
        self._tty = ""

    # Life

    def create(self) -> Guest:
        """Make it and wait until it takes commands, and has its devices if it is a PV guest."""
        began = time.monotonic()
        for _ in range(FRONTEND_TRIES):
            self._forget_log()
            self._make()
            self._wait_ready(began)
            for device in [] if self._cold else self._devices:
                self.attach(device)
            if not self._lost_frontend():
                return self
            self.destroy()
        raise GuestError(f"{self.name} has lost its frontend {FRONTEND_TRIES} times")

    def _lost_frontend(self) -> bool:
        """Wait for its devices, or until its own kernel has taken the frontend for one that vanished.

        It compares the state that it has read from xenstore before the frontend wrote it with the one after
        that, and drops the device (xenbus_dev_changed() since commit e2dcf9065536); no backend could help. Not
        so where the frontend's module was there before the device.
        """
        if self._kind != "pv" or not self._devices:
            return False
        there = "grep -q . /proc/bus/pci/devices"
        self.wait(f"{there} || dmesg | grep -q 'pci-0: xenbus: state reset occurred'", 90)
        return not self.run(there).ok

    def _make(self) -> None:
        """Have the toolstack make and start the domain."""
        dom0 = self.dom0
        pci = ", ".join(f'"{device}"' for device in self._devices if self._cold)
        # Without an emulator there is nothing of it to be said.
        model = 'vga = "none"\nnographic = 1\nvnc = 0\nusb = 0' if self._kind == "hvm" else ""
        cmdline = CMDLINE if self._kind == "hvm" else PV_CMDLINE
        # What xl sets for one that has devices from the start.
        later = "" if self._cold else 'passthrough = "enabled"\ne820_host = 1'
        config = f"""
            type = "{self._kind}"
            name = "{self.name}"
            memory = 256
            vcpus = 1
            kernel = "/guest/vmlinuz"
            ramdisk = "{self._ramdisk}"
            cmdline = "{cmdline} {self._cmdline}"
            {model}
            {later}
            pci = [ {pci} ]
            on_crash = "{self._on_crash}"
            on_reboot = "restart"
            {self._config}
        """
        dom0.write(f"/root/{self.name}.cfg", re.sub(r"(?m)^ +", "", config).encode())
        create = f"xl create /root/{self.name}.cfg"
        result = dom0.run(create, 120)
        if not result.ok and TIMEDOUT in result.out:
            result = dom0.run(create, 120)
        if not result.ok:
            raise CommandError(f"xl create: status {result.status}\n{result.out}\n{self.emulator_log()}")

    def _forget_log(self) -> None:
        self.dom0.check(f": >{self._console}")

    def _wait_ready(self, began: float) -> None:
        """Wait for the guest's word, or for its end."""
        up = f"grep -q '^guest: ready' {self._console}"
        asked = f"xl domid {self.name} >/dev/null 2>&1"
        # Once is not enough: xl has failed once for a guest that went on to be ready.
        lives = f"{{ {asked} || {asked}; }}"
        script = until(f"{{ {up} || {{ {lives} || exit 1; false; }}; }}", self.BOOT, 0.5)
        try:
            if not self.dom0.run(script, self.BOOT).ok:
                said = f"{self.log()[-2000:]}\n{self.toolstack_log()}\n{self.emulator_log()}"
                raise GuestError(f"{self.name} did not come up:\n{said}")
            self._find()
        finally:
            self.keep_log()
        self.boot_seconds = time.monotonic() - began

    def _find(self) -> None:
        """Ask for the domain's number, and for the terminal of its agent."""
        self._domid = int(self.dom0.check(f"xl domid {self.name}"))
        self._tty = self.dom0.check(f"xenstore-read /local/domain/{self._domid}/console/tty").strip()

    @property
    def domid(self) -> int:
        """Its number."""
        if self._domid is None:
            raise GuestError(f"{self.name} does not run")
        return self._domid

    @property
    def running(self) -> bool:
        """Whether a domain of its name exists."""
        return self.dom0.run(f"xl domid {self.name}").ok

    def destroy(self) -> None:
        """End it, as when the plug is pulled, and wait until nothing of it is left."""
        self.dom0.check(f"xl destroy {self.name}", 120)
        self.wait_gone()

    def wait_gone(self, seconds: float = 120) -> None:
        """Wait until the domain has gone, the zombie of it included."""
        domid = self.domid
        script = until(f"! xl list {domid} >/dev/null 2>&1", seconds, 0.5)
        if not self.dom0.run(script, seconds + 30).ok:
            raise GuestError(f"domain {domid} does not go away:\n{self.dom0.run('xl list').out}")
        self.keep_log()
        self._domid = None

    def reboot(self) -> None:
        """Reboot from the inside; afterwards it is a domain with another number."""
        for _ in range(FRONTEND_TRIES):
            self._start("reboot -f")
            self._wait_other()
            if not self._lost_frontend():
                return
        raise GuestError(f"{self.name} has lost its frontend {FRONTEND_TRIES} times")

    def crash(self) -> None:
        """Panic. What comes of it is up to on_crash."""
        self._start("echo c >/proc/sysrq-trigger")
        if self._on_crash == "restart":
            self._wait_other()
        else:
            self.wait_gone()
            if self.running:
                raise GuestError(f"{self.name} has come again though on_crash is {self._on_crash}")

    def _start(self, command: str) -> None:
        """Have a command run that gives no answer any more."""
        self.run(f"(sleep 1; {command}) >/dev/null 2>&1 &")

    def _wait_other(self) -> None:
        """Wait until a domain with the name but another number has come up."""
        began, old = time.monotonic(), self.domid
        script = until(f"d=$(xl domid {self.name} 2>/dev/null) && [ $d != {old} ]", 120, 0.5)
        if not self.dom0.run(script, 150).ok:
            raise GuestError(f"{self.name} did not restart:\n{self.dom0.run('xl list').out}")
        # The log goes on in the same file; what the old domain said is kept.
        self.keep_log()
        self._forget_log()
        self._wait_ready(began)

    # Commands in the guest

    def run(self, command: str, seconds: float = 60) -> Result:
        """Run a shell command in the guest."""
        quoted = command.replace("'", "'\\''")
        result = self.dom0.run(f"/tests/guestrun {self._tty} {seconds * SLOWER:.0f} '{quoted}'", seconds + 40)
        if result.status == 125:
            raise AgentError(f"{self.name}: {command}: {result.out}")
        return Result(command, result.status, result.raw)

    def check(self, command: str, seconds: float = 60) -> str:
        """Run a command in the guest that must succeed; returns its output."""
        result = self.run(command, seconds)
        if not result.ok:
            raise CommandError(f"status {result.status} in {self.name} of: {command}\n{result.out}")
        return result.out

    def wait(self, condition: str, seconds: int = 60) -> None:
        """Wait, in the guest, until a shell condition holds."""
        script = until(condition, seconds, 0.2)
        if not self.run(script, seconds + 30).ok:
            raise GuestError(f"{self.name}: in vain waited for: {condition}\n{self.run('dmesg | tail -30').out}")

    # Devices

    def slot(self, vendor: str, device: str) -> str:
        """The address in the guest of the device with these IDs, which must be one only."""
        script = (
            "cd /sys/bus/pci/devices; for d in *; do"
            f' [ -e $d ] && [ "$(cat $d/vendor) $(cat $d/device)" = "0x{vendor} 0x{device}" ] && echo $d; done; true'
        )
        found = self.check(script).split()
        if len(found) != 1:
            raise GuestError(f"{self.name} has {len(found)} devices {vendor}:{device}, not one")
        return found[0]

    def wait_driver(self, slot: str, driver: str, seconds: int = 90) -> None:
        """Wait until a device has that driver."""
        link = f"/sys/bus/pci/devices/{slot}/driver"
        self.wait(f'[ "$(basename "$(readlink {link})")" = {driver} ]', seconds)

    def config_space(self, slot: str) -> bytes:
        """The configuration space of a device, as the guest sees it."""
        text = self.check(f"xxd -p /sys/bus/pci/devices/{slot}/config")
        return bytes.fromhex("".join(text.split()))

    def attach(self, device: str) -> None:
        """Give it a device of dom0 while it runs."""
        self.dom0.check(f"xl pci-attach {self.name} {device}", 120)

    def detach(self, device: str) -> None:
        """Take a device from it while it runs."""
        self.dom0.check(f"xl pci-detach {self.name} {device}", 120)

    def unload_frontend(self) -> None:
        """Have a PV guest's stock frontend leave. xenbus holds its module while it has the device."""
        self.check("echo pci-0 >/sys/bus/xen/drivers/pcifront/unbind && rmmod xen-pcifront")

    # Logs

    @property
    def _console(self) -> str:
        return f"/var/log/xen/console/guest-{self.name}.log"

    def log(self) -> str:
        """What it said on its console."""
        return self.dom0.run(f"cat {self._console}").out

    def toolstack_log(self) -> str:
        """What the xl said that restarts it."""
        return self.dom0.run(f"cat /var/log/xen/xl-{self.name}.log").out

    def emulator_log(self) -> str:
        """What its device model said."""
        return self.dom0.run(f"cat /var/log/xen/qemu-dm-{self.name}.log").out

    def keep_log(self) -> None:
        """Save both beside the log of the machine."""
        if self.dom0.alive:
            path = Path(f"{self.dom0.log}.{self.name}")
            path.write_text(f"{self.log()}\n--- device model\n{self.emulator_log()}")


def ramdisk_with(dom0: Dom0, path: str) -> str:
    """Make a ramdisk of guests that has, at its root, a file of dom0 as well; returns its path in dom0."""
    folder, _, name = path.rpartition("/")
    return _ramdisk(dom0, name, f"cd {folder} && echo {name}")


def ramdisk_with_programs(dom0: Dom0, name: str, programs: Iterable[str], files: dict[str, str]) -> str:
    """Make a ramdisk of guests that has programs of dom0 as well, with their libraries, and these executable
    files, by their paths; returns its path in dom0."""
    root = f"/root/{name}"
    for program in programs:
        libraries = f"$(ldd $(command -v {program}) | grep -o '/[^ ]*')"
        dom0.check(f"mkdir -p {root} && cp -L --parents $(command -v {program}) {libraries} {root}")
    for path, text in files.items():
        dom0.write(f"{root}{path}", text.encode(), 0o755)
    return _ramdisk(dom0, name, f"cd {root} && find .")


def _ramdisk(dom0: Dom0, name: str, listed: str) -> str:
    """That of guests, with what a command lists as well. The kernel takes several archives, each at a multiple
    of 4 bytes."""
    made = f"/root/{name}.initrd"
    dom0.check(
        f"cat /guest/initrd >{made} && truncate -s %4 {made} && ({listed} | busybox cpio -o -H newc | gzip) >>{made}"
    )
    return made


def msix_enabled(config: bytes) -> bool:
    """Whether MSI-X is on, which lspci calls `MSI-X: Enable+`."""
    return _walk(config, 0x11, lambda at: bool(config[at + 3] & 0x80))


def msi_enabled(config: bytes) -> bool:
    """Whether MSI is on."""
    return _walk(config, 0x05, lambda at: bool(config[at + 2] & 0x01))


def _walk[T](config: bytes, wanted: int, value: Callable[[int], T]) -> T:
    """Find a capability."""
    at = config[0x34] & 0xFC
    for _ in range(48):
        if not at:
            break
        if config[at] == wanted:
            return value(at)
        at = config[at + 1] & 0xFC
    raise GuestError(f"no capability {wanted:#x}")
