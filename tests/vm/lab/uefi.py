# SPDX-License-Identifier: GPL-2.0
"""A dom0 that UEFI firmware boots, with Secure Boot on.

As on a Debian machine: the firmware trusts Microsoft, who signed shim, and shim trusts Debian, who signed
the kernel, and the machine's owner (MOK), who signed Xen and may sign modules.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .machine import Dom0
from .paths import REPO, SLOWER
from .topology import Topology

#: Of the packages ovmf, shim-signed and xen-hypervisor.
CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd")
VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.ms.fd")
SHIM = Path("/usr/lib/shim/shimx64.efi.signed")
XEN = Path("/boot/xen-4.20-amd64.efi")
#: Whose entry in MokList it is said to be: nobody asks.
ENTRY = "11111111-2222-3333-4444-555555555555"
#: shim starts nothing that doesn't say by this section which generation it is (its SBAT.md), and Debian's
#: Xen doesn't.
SBAT = "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\nxen,1,Xen,xen,4.20,xen.org\n"
#: An address behind all that Xen's image has.
SBAT_AT = 0xFFFF82D041000000
#: IMAGE_SCN_MEM_DISCARDABLE, and where a section's header, which begins with its name, has it.
MEM_DISCARDABLE, CHARACTERISTICS = 0x02000000, 36


@dataclass(frozen=True)
class Signer:
    """A key pair, and its certificate (PEM)."""

    key: Path
    cert: Path

    @classmethod
    def make(cls, folder: Path, name: str) -> Signer:
        """Make one, as DKMS does."""
        signer = cls(folder / f"{name}.key", folder / f"{name}.pem")
        request = ["openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "36500"]
        files = ["-keyout", signer.key, "-out", signer.cert]
        subprocess.run([*request, "-subj", f"/CN={name}/", *files], check=True, capture_output=True)
        return signer

    def sign_module(self, module: Path) -> Path:
        """Sign a copy of a module, as its user does."""
        signed = self.key.with_suffix(".ko")
        shutil.copy(module, signed)
        subprocess.run(
            ["make", "-C", REPO, "sign", f"KEY={self.key}", f"CERT={self.cert}", f"MODULE={signed}"], check=True
        )
        return signed

    def sign_xen(self, image: Path) -> None:
        """Write a signed Xen that shim starts."""
        sbat, plain = image.with_suffix(".sbat"), image.with_suffix(".plain")
        sbat.write_text(SBAT)
        section = ["--add-section", f".sbat={sbat}", "--change-section-address", f".sbat={SBAT_AT:#x}"]
        subprocess.run(["objcopy", "--strip-debug", *section, XEN, plain], check=True)
        # Xen reads its relocations once more, which shim leaves out (handle_image() in its pe.c).
        content = bytearray(plain.read_bytes())
        at = content.index(b".reloc\0\0") + CHARACTERISTICS
        [flags] = struct.unpack_from("<I", content, at)
        struct.pack_into("<I", content, at, flags & ~MEM_DISCARDABLE)
        plain.write_bytes(content)
        sign = ["sbsign", "--key", self.key, "--cert", self.cert, "--output", image, plain]
        subprocess.run(sign, check=True, capture_output=True)


class UefiDom0(Dom0):
    """A running dom0 on a machine with Secure Boot, whose owner is that one."""

    #: It takes some 15 seconds of a processor.
    BOOT = 480.0 * SLOWER

    def __init__(self, owner: Signer, devices: Topology | str, flavour: str, **options: Any) -> None:
        self._owner = owner
        super().__init__(devices, flavour, **options)

    def _xen_loaded(self, xen: str, vmlinuz: Path, kernel: str, initramfs: Path) -> list[str]:
        folder = Path(self._dir.name)
        variables, boot = folder / "variables.fd", folder / "esp" / "EFI" / "BOOT"
        boot.mkdir(parents=True)
        enrol = ["virt-fw-vars", "--input", VARIABLES, "--output", variables, "--secure-boot"]
        subprocess.run([*enrol, "--add-mok", ENTRY, self._owner.cert], check=True, capture_output=True)
        shutil.copy(SHIM, boot / "BOOTX64.EFI")
        # The name of what shim starts.
        self._owner.sign_xen(boot / "grubx64.efi")
        shutil.copy(vmlinuz, boot / "vmlinuz")
        shutil.copy(initramfs, boot / "initrd")
        entry = f"options={xen}\nkernel=vmlinuz {kernel}\nramdisk=initrd\n"
        (boot / "grubx64.cfg").write_text(f"[global]\ndefault=dom0\n[dom0]\n{entry}")
        # Only firmware in system management mode writes to the variables.
        args = ["-global", "driver=cfi.pflash01,property=secure,value=on"]
        args += ["-drive", f"file={CODE},format=raw,if=pflash,unit=0,readonly=on"]
        args += ["-drive", f"file={variables},format=raw,if=pflash,unit=1"]
        args += ["-drive", f"file=fat:{folder}/esp,format=raw,if=none,id=lab-esp,readonly=on"]
        where = "bus=pcie.0,addr=0x3,disable-legacy=on,iommu_platform=on"
        return [*args, "-device", f"virtio-blk-pci,id=lab-boot,drive=lab-esp,bootindex=0,{where}"]
