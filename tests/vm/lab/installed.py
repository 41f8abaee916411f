# SPDX-License-Identifier: GPL-2.0
"""A Debian system on a disk, as a user has it: installed in, rebooted, updated."""

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
from .paths import CACHE, IMAGE, RUN
from .topology import Topology
from .until import until

#: Where `make deb` leaves the packages.
DEBS = CACHE / "deb"


class Installed:
    """A copy of the disk with initramfs-tools or dracut. What boots is what is in its /boot."""

    def __init__(self, generator: str, source: Path | None = None) -> None:
        source = source or IMAGE / f"package-{generator}"
        RUN.mkdir(parents=True, exist_ok=True)
        self._dir = tempfile.TemporaryDirectory(prefix=f"installed-{generator}-", dir=RUN)
        self._path = Path(self._dir.name)
        self.generator = generator
        self.disk = self._path / "disk.ext4"
        subprocess.run(["cp", "--reflink=auto", "--sparse=always", source / "disk.ext4", self.disk], check=True)
        for file in source.glob("*[0-9]-amd64"):
            shutil.copy(file, self._path)
        self.select(self.releases[-1])

    @property
    def releases(self) -> list[str]:
        """The kernels that there are, the newest last."""
        found = [file.name.removeprefix("vmlinuz-") for file in self._path.glob("vmlinuz-*")]
        return sorted(found, key=lambda release: [int(number) for number in re.findall(r"\d+", release)])

    def select(self, release: str) -> None:
        """Boot that kernel from now on."""
        self.release = release
        self.kernel = self._path / f"vmlinuz-{release}"
        self.initramfs = self._path / f"initrd.img-{release}"

    def copy(self) -> Installed:
        """Another such system, as this one is now."""
        return Installed(self.generator, self._path)

    def close(self) -> None:
        """Remove the copy."""
        self._dir.cleanup()

    @contextmanager
    def boot(self, devices: Topology | str, **options: Any) -> Iterator[Dom0]:
        """Boot it; in the end its disk is in order, and the next boot has the initramfs that is on it."""
        dom0 = Dom0(devices, system=self, name=f"installed-{self.generator}", **options)
        try:
            yield dom0
            # As a shutdown would leave it, without its wait.
            dom0.check("sync; echo s >/proc/sysrq-trigger; echo u >/proc/sysrq-trigger")
            # The kernel does that in the background.
            dom0.check(until("grep -q ' / .* ro[, ]' /proc/self/mounts", 60), 120)
            lines = [*dom0.console.since(), *dom0.check("dmesg").splitlines()]
            if bad := klog.unexpected(lines):
                raise AssertionError("\n  ".join(["unexpected in the log:", *map(str, bad)]))
        finally:
            dom0.stop()
        for release in self.releases:
            target = self._path / f"initrd.img-{release}"
            # debugfs says of no failure that it is one: what it didn't write isn't there.
            target.unlink()
            command = f"dump /boot/initrd.img-{release} {target}"
            subprocess.run(["debugfs", "-R", command, self.disk], check=True, capture_output=True)
            assert target.stat().st_size > 0, f"no /boot/initrd.img-{release} on the disk"
