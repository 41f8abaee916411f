# SPDX-License-Identifier: GPL-2.0
"""A Debian system, as a user has it: prepared, booted, and booted again with what the last boot left."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import klog
from .machine import Dom0
from .paths import CACHE, IMAGE, REPO, RUN
from .topology import Topology
from .until import until

#: Where `make deb` leaves the packages.
DEBS = CACHE / "deb"


class Installed:
    """A system with initramfs-tools or dracut. What boots is what is in its /boot.

    Until it is booted it is a tree, in which commands run on this machine's processor (`run`): an emulated
    one takes minutes to make an initramfs. From then on it is a disk.
    """

    def __init__(self, generator: str, *below: Path) -> None:
        """`below`: the layers of another system that this one begins as."""
        self.generator = generator
        RUN.mkdir(parents=True, exist_ok=True)
        self._dir = tempfile.TemporaryDirectory(prefix=f"installed-{generator}-", dir=RUN)
        self._path = Path(self._dir.name)
        for name in ("upper", "work", "tree"):
            (self._path / name).mkdir()
        self._layers = [*below] or [IMAGE / f"package-{generator}" / "upper", CACHE / "package-root" / generator]
        self._tree: Path | None = self._path / "tree"
        options = f"lowerdir={':'.join(map(str, self._layers))},upperdir={self._path}/upper,workdir={self._path}/work"
        subprocess.run(["mount", "-t", "overlay", "-o", options, "none", self._tree], check=True)
        boot = self._tree / "boot"
        self.releases = sorted(
            (file.name.removeprefix("vmlinuz-") for file in boot.glob("vmlinuz-*")),
            key=lambda release: [int(number) for number in re.findall(r"\d+", release)],
        )
        self.select(self.releases[-1])

    @property
    def tree(self) -> Path:
        """Its files, until it is booted."""
        assert self._tree is not None, "it has been booted, and is a disk"
        return self._tree

    def run(self, command: str) -> str:
        """Run a shell command in the tree; returns what it printed."""
        enter = [REPO / "tools/lab-enter", self.tree, REPO, CACHE, "sh", "-c", command]
        namespaces = ["unshare", "--mount", "--propagation", "unchanged", "--pid", "--fork", "--kill-child"]
        done = subprocess.run([*namespaces, *enter], check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"status {done.returncode} of: {command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, content: str) -> None:
        """Write a file of the tree."""
        file = self.tree / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def select(self, release: str) -> None:
        """Boot that kernel from now on. Releases are in order, the newest last."""
        self.release = release
        self.kernel = self._path / f"vmlinuz-{release}"
        self.initramfs = self._path / f"initrd.img-{release}"

    def copy(self) -> Installed:
        """Another system that begins as this one, which isn't changed from now on."""
        return Installed(self.generator, self._path / "upper", *self._layers)

    def close(self) -> None:
        """Remove it."""
        if self._tree is not None:
            subprocess.run(["umount", self._tree], check=True)
            self._tree = None
        self._dir.cleanup()

    def _make_disk(self) -> None:
        """From then on it is one."""
        self.disk = self._path / "disk.ext4"
        for release in self.releases:
            for name in (f"vmlinuz-{release}", f"initrd.img-{release}"):
                shutil.copy(self.tree / "boot" / name, self._path)
        used = subprocess.run(["du", "-sm", self.tree], check=True, capture_output=True, text=True).stdout
        megabytes = int(used.split()[0]) * 5 // 4 + 512
        options = ["-q", "-t", "ext4", "-O", "^has_journal", "-d", self.tree]
        subprocess.run(["mke2fs", *options, self.disk, f"{megabytes}M"], check=True)
        subprocess.run(["umount", self.tree], check=True)
        self._tree = None

    @contextmanager
    def boot(self, devices: Topology | str, **options: Any) -> Iterator[Dom0]:
        """Boot it; in the end its disk is in order, and the next boot has the initramfs that is on it."""
        if self._tree is not None:
            self._make_disk()
        dom0 = Dom0(devices, system=self, name=f"installed-{self.generator}", **options)
        try:
            yield dom0
            # As a shutdown would leave it, without its wait. The journal must not write to what is read-only.
            journal = "systemd-journald.socket systemd-journald-dev-log.socket systemd-journald.service"
            dom0.check(f"systemctl stop {journal}", 120)
            # Nor may xenstored, which nothing ends.
            dom0.check("! pid=$(cat /run/xenstore.pid 2>/dev/null) || kill -STOP $pid")
            dom0.check("sync; echo s >/proc/sysrq-trigger; echo u >/proc/sysrq-trigger")
            # The kernel does that in the background.
            dom0.check(until("grep -q ' / .* ro[, ]' /proc/self/mounts", 60), 120)
            klog.check([*dom0.console.since(), *dom0.check("dmesg").splitlines()])
        finally:
            dom0.stop()
        for release in self.releases:
            target = self._path / f"initrd.img-{release}"
            # debugfs says of no failure that it is one: what it didn't write isn't there.
            target.unlink()
            command = f"dump /boot/initrd.img-{release} {target}"
            subprocess.run(["debugfs", "-R", command, self.disk], check=True, capture_output=True)
            assert target.stat().st_size > 0, f"no /boot/initrd.img-{release} on the disk"
