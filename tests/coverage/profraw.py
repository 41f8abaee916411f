# SPDX-License-Identifier: GPL-2.0
"""Write what tests/vm/lab/counted.py has fetched as files that llvm-profdata reads.

    profraw.py FOLDER

Of each folder in FOLDER one NAME.profraw is made. The layout is that of LLVM's own runtime in its raw version 10
(compiler-rt/include/profile/InstrProfData.inc, LLVM 19).
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

MAGIC = int.from_bytes(b"\xfflprofr\x81", "big")
VERSION = 10
#: `struct __llvm_profile_data`, and a counter.
RECORD, COUNTER = 64, 8
#: The last of the kinds of values (IPVK_Last).
LAST_KIND = 2


def raw(folder: Path) -> bytes:
    """One machine's."""
    data, counters, names = ((folder / f"__llvm_prf_{part}").read_bytes() for part in ("data", "cnts", "names"))
    assert len(data) % RECORD == 0
    assert len(counters) % COUNTER == 0
    addresses = dict(line.split() for line in (folder / "addresses").read_text().splitlines())
    at = {name: int(address, 16) for name, address in addresses.items()}
    head = struct.pack(
        "<16Q",
        MAGIC,
        VERSION,
        0,  # bytes of build IDs
        len(data) // RECORD,
        0,  # bytes of padding before the counters
        len(counters) // COUNTER,
        0,  # bytes of padding after them
        0,  # bytes of bitmaps
        0,  # bytes of padding after them
        len(names),
        (at["__llvm_prf_cnts"] - at["__llvm_prf_data"]) % (1 << 64),
        0,  # where bitmaps are
        at["__llvm_prf_names"],
        0,  # virtual tables
        0,  # bytes of their names
        LAST_KIND,
    )
    return head + data + counters + names.ljust(-(-len(names) // 8) * 8, b"\0")


def main() -> None:
    """Each folder of a machine that had the module."""
    folder = Path(sys.argv[1])
    for one in sorted(path.parent for path in folder.glob("*/addresses")):
        # A name of it has dots.
        (folder / f"{one.name}.profraw").write_bytes(raw(one))


if __name__ == "__main__":
    main()
