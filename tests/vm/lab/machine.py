# SPDX-License-Identifier: GPL-2.0
"""Xen and a dom0 in QEMU: start, talk to, change, and end."""

from __future__ import annotations

import itertools
import os
import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Protocol

from . import counted
from .agent import Agent, AgentError, Result
from .console import Console
from .faulty_device import FaultyDevice
from .paths import (
    CMDLINE,
    DEBUG,
    DOM0_HELPERS,
    DOM0_TESTS,
    FAULTS_MODULE,
    IMAGE,
    KERNEL,
    LOGS,
    MODULE,
    NOKVM,
    RUN,
    SLOWER,
    shown,
)
from .qmp import ExecuteError, Monitor
from .topology import Topology, topology
from .until import until

_serial = itertools.count(1)


class System(Protocol):
    """An installed system: its disk, and what of it the boot loader would take."""

    disk: Path
    kernel: Path
    initramfs: Path


class MachineError(Exception):
    """The machine did not do what it must: boot, answer, obey."""


class CommandError(AssertionError):
    """A command in dom0 failed that must not."""


class Dom0:
    """A running dom0.

    `flavour` is pvh or pv, or bare: the same machine and kernel without Xen. `xl`
    boots the root with the Xen toolstack, which the small initramfs lacks; `system`
    boots an installed one, with its own kernel and initramfs. `kernel` and `xen` are
    added to their command lines.
    """

    #: Alone on an idle machine it takes 7 (pv) to 13 (pvh) seconds.
    BOOT = 240.0 * SLOWER
    #: Two agents, so that one can act while the other's command is under way.
    CHANNELS = 2

    def __init__(
        self,
        devices: Topology | str = "none",
        flavour: str = "pvh",
        *,
        xl: bool = False,
        system: System | None = None,
        kernel: str = "",
        xen: str = "",
        cpus: int = 1,
        name: str = "",
    ) -> None:
        self.topology = topology(devices) if isinstance(devices, str) else devices
        self.flavour, self.xl, self.system = flavour, xl, system
        self._kernel, self._xen, self._cpus = kernel, xen, cpus
        parts = [name or self.topology.name, flavour, "xl" if xl else "", str(os.getpid()), str(next(_serial))]
        self.name = "-".join(filter(None, parts))
        self._bdfs: dict[str, str] = {}
        #: Shell text before each command.
        self.prelude = ""
        #: A test failed here, and may not have left it as it was.
        self.spoilt = False
        self.boot_seconds = 0.0
        self.start()

    # Life

    def start(self) -> None:
        """Power on and wait until dom0 takes commands."""
        LOGS.mkdir(parents=True, exist_ok=True)
        RUN.mkdir(parents=True, exist_ok=True)
        self.log = LOGS / f"{self.name}.log"
        self._dir = tempfile.TemporaryDirectory(prefix=f"{self.name}-", dir=RUN)
        pairs = [socket.socketpair() for _ in range(1 + self.CHANNELS + len(self.topology.faulty_devices))]
        theirs = [pair[1] for pair in pairs]
        #: By name, the functions whose behaviour is the test's.
        self.faulty_devices: dict[str, FaultyDevice] = {}
        for name, pair in zip(self.topology.faulty_devices, pairs[1 + self.CHANNELS :], strict=True):
            self.faulty_devices[name] = FaultyDevice()
            self.faulty_devices[name].serve(pair[0])
        began = time.monotonic()
        self._qemu = subprocess.Popen(
            self._command([sock.fileno() for sock in theirs]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.emulator_log.open("w"),
            pass_fds=[sock.fileno() for sock in theirs],
            env=os.environ | ({"LD_PRELOAD": str(NOKVM)} if self.faulty_devices else {}),
        )
        for sock in theirs:
            sock.close()
        self._agents = [Agent(pair[0]) for pair in pairs[1 : 1 + self.CHANNELS]]
        assert self._qemu.stdout is not None
        self.console = Console(self._qemu.stdout, self.log, self._died)
        try:
            self.qmp = Monitor(pairs[0][0])
            self._wait_ready()
            self.boot_seconds = time.monotonic() - began
            # The console shows errors only while booting, which is faster; what
            # it did not show is in the kernel's buffer.
            self.boot_log = self.console.since() + self.check("dmesg; dmesg -n 7").splitlines()
            counted.begin(self)
        except Exception as error:
            why = self._qemu_says() or str(error)
            self.stop()
            raise MachineError(f"{self.name} did not boot: {why}; console: {shown(self.log)}") from error

    def _wait_ready(self) -> None:
        """Wait until dom0 takes commands."""
        for agent in self._agents:
            agent.wait_ready(self.BOOT * (2 if self.system else 1))

    def _died(self, why: str) -> None:
        for agent in self._agents:
            agent.close(f"the host has died: {why} (console: {shown(self.log)})")

    @property
    def emulator_log(self) -> Path:
        """What QEMU says, and traces."""
        return LOGS / f"{self.name}.qemu"

    def _qemu_says(self) -> str:
        if self._qemu.poll() is None:
            return ""
        return self.emulator_log.read_text().strip()

    @property
    def alive(self) -> bool:
        """Whether Xen and dom0 still run."""
        return self.console.death is None and self._qemu.poll() is None

    def stop(self) -> None:
        """Power off, hard: nothing in there is worth a shutdown."""
        try:
            if self.boot_seconds and self.alive:
                counted.end(self)
        finally:
            if hasattr(self, "qmp"):
                self.qmp.close()
            self._qemu.kill()
            self._qemu.wait()
            self.console.join(10)
            self._dir.cleanup()

    def __enter__(self) -> Dom0:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _command(self, fds: list[int]) -> list[str]:
        memory = 1536 if self.xl or self.system else 1024
        if DEBUG:
            memory += 1024  # what the checks keep beside each object
        console = "ttyS0" if self.flavour == "bare" else "hvc0"
        # No search for an AGP bridge, which takes 0.6 s; no watchdog that finds the
        # emulated clock slow, five times a second.
        kernel = (
            f"console={console} panic=1 quiet iommu=noaperture tsc=nowatchdog lab.slower={SLOWER}"
            f"{' lab.watched' if DEBUG else ''}"
            f" {self.topology.kernel} {self._kernel} {CMDLINE}"
        )
        # By default Xen takes this processor's page tables for ones that Intel's IOMMU could share.
        xen = (
            f"console=com1 com1=115200,8n1 noreboot iommu=no-sharept dom0={self.flavour}"
            f" dom0_mem={memory}M,max:{memory}M {self._xen}"
        )
        if self.xl:
            kernel += " lab.root=vda"
            # A guest's firmware lets a passed-through NVMe controller assert its INTx pin and never
            # acknowledges it. By default Xen leaves such an interrupt in service, which keeps those
            # of lower priority, the disk's for one, from the only processor there is.
            xen += " ioapic_ack=old"
        vmlinuz, initramfs = KERNEL / "vmlinuz", KERNEL / "initrd"
        if self.system:
            kernel += f" root=/dev/vda rw systemd.default_timeout_start_sec={90 * SLOWER}"
            vmlinuz, initramfs = self.system.kernel, self.system.initramfs
        # Two processors take turns: each in a thread of its own, the machine freezes now and then,
        # without this module as well.
        accel = "tcg,thread=single" if self._cpus > 1 else "tcg"
        args = ["qemu-system-x86_64", "-accel", accel, "-machine", "q35", "-cpu", "qemu64,+svm,+npt"]
        size = memory + (1024 if self.xl or self.system else 512)
        args += ["-smp", str(self._cpus), "-m", f"{size}M", "-nodefaults", "-no-reboot"]
        args += ["-display", "none", "-name", f"guest={self.name}"]
        # Native hot-plug, so that ports have slot reset, and AER.
        args += ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"]
        if self.flavour == "bare":
            args += ["-kernel", f"{vmlinuz}", "-initrd", f"{initramfs}", "-append", kernel]
        else:
            args += self._xen_loaded(xen, vmlinuz, kernel, initramfs)
            # Intel's, beside an AMD processor, which Xen takes: the emulated AMD IOMMU knows a device
            # by the number that its bus had before firmware gave out numbers, so the DMA of a guest's
            # device below a root port would go to dom0's memory; and since QEMU 11 a PVH dom0 hangs
            # with it.
            args += ["-device", "intel-iommu,intremap=on"]
        # dom0's devices work behind the IOMMU, or not at all.
        modern = "disable-legacy=on" + ("" if self.flavour == "bare" else ",iommu_platform=on")
        args += self._connections(fds, modern)
        if self.xl or self.system:
            # What dom0's root is on, and the kernel of guests.
            root = f"file={self.system.disk},cache=unsafe" if self.system else f"file={IMAGE}/xlroot.ext4,snapshot=on"
            disks = {"lab-disk": root, "lab-guest": f"file={IMAGE}/guest.ext4,readonly=on"}
            for function, (name, drive) in enumerate(disks.items()):
                args += ["-drive", f"{drive},format=raw,if=none,id={name}-drive"]
                where = f"bus=pcie.0,addr=0x3.{function},multifunction=on"
                args += ["-device", f"virtio-blk-pci,id={name},{where},drive={name}-drive,{modern}"]
        if self.topology.faulty_devices:
            # Such a device's other end may share dom0's memory, which therefore must be a file.
            args += ["-object", f"memory-backend-memfd,id=lab-memory,size={size}M,share=on"]
            args[args.index("q35")] += ",memory-backend=lab-memory"
        return args + self._plugged(fds)

    def _xen_loaded(self, xen: str, vmlinuz: Path, kernel: str, initramfs: Path) -> list[str]:
        """Xen, and dom0's kernel, with these command lines."""
        modules = f"{vmlinuz} {kernel.replace(',', ',,')},{initramfs}"
        return ["-kernel", f"{IMAGE}/xen", "-initrd", modules, "-append", xen]

    def _connections(self, fds: list[int], modern: str) -> list[str]:
        """The console, the monitor, and the agents' ports on a virtio device with these properties."""
        args = ["-chardev", "stdio,id=com1,signal=off", "-serial", "chardev:com1"]
        args += ["-chardev", f"socket,id=qmp,fd={fds[0]}", "-mon", "chardev=qmp,mode=control"]
        args += ["-device", f"virtio-serial-pci,id=lab-serial,bus=pcie.0,addr=0x2,{modern}"]
        for n, fd in enumerate(fds[1 : 1 + self.CHANNELS]):
            args += ["-chardev", f"socket,id=agent{n},fd={fd}"]
            args += ["-device", f"virtserialport,bus=lab-serial.0,chardev=agent{n},name=agent{n}"]
        return args

    def _plugged(self, fds: list[int]) -> list[str]:
        """The devices of the topology, and their disks."""
        args = []
        for disk, length in self.topology.disks.items():
            path = Path(self._dir.name) / f"{disk}.raw"
            with path.open("wb") as backing:
                backing.write(self.topology.contents.get(disk, b""))
                backing.truncate(length)
            args += ["-drive", f"file={path},format=raw,if=none,id={disk}"]
        sockets = dict(zip(self.topology.faulty_devices, fds[1 + self.CHANNELS :], strict=True))
        named = re.compile(r"fd=@(\w+)$")
        return args + [named.sub(lambda name: f"fd={sockets[name[1]]}", arg) for arg in self.topology.args]

    # Commands and files

    def run(self, command: str, seconds: float = 60, channel: int = 0) -> Result:
        """Run a shell command in dom0."""
        return self._agents[channel].run(counted.PRELUDE + self.prelude + command, seconds)

    def check(self, command: str, seconds: float = 60, channel: int = 0) -> str:
        """Run a command that must succeed; returns its output."""
        result = self.run(command, seconds, channel)
        if not result.ok:
            raise CommandError(f"status {result.status} of: {command}\n{result.out}")
        return result.out

    def put(self, source: Path, path: str) -> None:
        """Copy a file into dom0."""
        self._agents[0].put_file(source, path)

    def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file in dom0."""
        self._agents[0].put(content, path, mode)

    def put_module(self, faults: bool = False, path: str = "/root/rust_pciback.ko") -> str:
        """Copy the module (or its build with fault knobs) into dom0."""
        self.put(FAULTS_MODULE if faults else MODULE, path)
        return path

    def put_tests(self) -> None:
        """Copy the scripts of tests/dom0, and its helpers as built, to /tests in dom0."""
        for file in sorted(DOM0_TESTS.rglob("*.sh")):
            self.put(file, f"/tests/{file.relative_to(DOM0_TESTS)}")
        for file in sorted(DOM0_HELPERS.glob("*")):
            self.put(file, f"/tests/{file.name}")
        counted.begin_tests(self)

    def sync_console(self, text: str, seconds: float = 60) -> int:
        """Put a line into the kernel log and wait until the console shows it.

        All that was said before is then in the log; returns the position after. (Xen may put a
        message of its own in the middle of the line: then another one is tried.)
        """
        deadline = time.monotonic() + seconds * SLOWER
        while time.monotonic() < deadline:
            token = f"lab: {text} #{next(_serial)}"
            mark = self.console.mark()
            self.check(f"echo '<4>{token}' >/dev/kmsg")
            if self.console.wait_for(re.escape(token) + "$", 15, mark) is not None:
                return self.console.mark()
        raise AgentError(f"the console does not show {token!r}; console: {shown(self.log)}")

    def wait_path(self, path: str, there: bool = True, seconds: int = 30) -> None:
        """Wait until a path in dom0 is there, or is not."""
        test = f"[ -e {path} ]" if there else f"[ ! -e {path} ]"
        self.check(until(test, seconds), seconds + 30)

    # Devices

    def bdf(self, name: str) -> str:
        """The address (dddd:bb:ss.f) of a named device, as firmware numbered it."""
        if name not in self._bdfs:
            self._bdfs = dict(self._walk())
        try:
            return self._bdfs[name]
        except KeyError:
            raise MachineError(f"no device {name!r}; there are {sorted(self._bdfs)}") from None

    def _walk(self) -> Any:
        def devices(children: list[dict[str, Any]]) -> Any:
            for child in children:
                if child["qdev_id"]:
                    yield child["qdev_id"], "0000:{bus:02x}:{slot:02x}.{function:x}".format(**child)
                yield from devices(child.get("pci_bridge", {}).get("devices", []))

        for host in self.qmp.command("query-pci"):
            yield from devices(host["devices"])

    def names(self) -> dict[str, str]:
        """All named devices and their addresses, as they are now."""
        self._bdfs = dict(self._walk())
        return dict(self._bdfs)

    def plug(self, driver: str, name: str, bus: str, **props: Any) -> None:
        """Hot-plug a device; dom0 finds it a little later."""
        self._bdfs.clear()
        self.qmp.command("device_add", driver=driver, id=name, bus=bus, **props)

    def slot_power(self, port: str, on: bool) -> None:
        """Turn the power of a root port's slot on or off: without, the device in it doesn't answer."""
        # Slot Control of QEMU's root port: capability at 0x54, register at 0x18, high byte. Its bits 10
        # (power controller: off) and 9-8 (power indicator: off 3, on 1).
        register, value = 0x6D, "\\\\001" if on else "\\\\007"
        config = f"/sys/bus/pci/devices/{self.bdf(port)}/config"
        self.check(f"printf {value} | dd of={config} bs=1 seek={register} conv=notrunc")

    def unplug(self, name: str, seconds: float = 60) -> None:
        """Ask dom0 to give up a device, and wait until it is gone."""
        mark = self.qmp.mark()
        deadline = time.monotonic() + seconds * SLOWER
        while True:
            try:
                self.qmp.command("device_del", id=name)
                break
            except ExecuteError as error:
                # Refused while dom0 still works on the last event of that port;
                # QEMU has no event for the end of that.
                if "busy" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        self.qmp.wait_event("DEVICE_DELETED", lambda data: data.get("device") == name, seconds, mark)
        self._bdfs.clear()
