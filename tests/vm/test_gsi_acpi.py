# SPDX-License-Identifier: GPL-2.0
"""The `gsi` files against ACPI's own tables, read by another program.

The expected numbers come from the DSDT, disassembled by iasl: `PRTA` is what QEMU's
`_PRT` returns in APIC mode, and each link device has a fixed interrupt. The way from
a device behind bridges to the root bus is the bridge specification's swizzle.
"""

import re
import subprocess
from pathlib import Path

import pytest
from lab.machine import Dom0
from lab.pciback import load, unload

#: AML words for numbers.
NUMBERS = {"Zero": 0, "One": 1}


def disassemble(table: bytes, where: Path) -> str:
    """The source of an AML table."""
    (where / "dsdt.aml").write_bytes(table)
    subprocess.run(["iasl", "-d", "dsdt.aml"], cwd=where, check=True, capture_output=True)
    return (where / "dsdt.dsl").read_text()


def routing(source: str) -> dict[tuple[int, int], int]:
    """The GSI for each device number and pin (INTA# is 0) of the root bus."""
    links = {
        name: int(number, 16)
        for name, number in re.findall(
            r"Device \((GSI[A-H])\).*?Interrupt \(.*?\)\s*\{\s*(0x[0-9A-F]+),\s*\}", source, re.DOTALL
        )
    }
    table = re.search(r"Name \(PRTA, Package \(0x80\)\s*\{(.*?)\n\s{12}\}\)", source, re.DOTALL)
    assert table, "no PRTA in the DSDT"
    entries = re.findall(r"Package \(0x04\)\s*\{\s*(\w+),\s*(\w+),\s*(GSI[A-H]),\s*Zero\s*\}", table.group(1))

    def number(word: str) -> int:
        return NUMBERS[word] if word in NUMBERS else int(word, 16)

    return {(number(address) >> 16, number(pin)): links[link] for address, pin, link in entries}


def expected(chain: list[str], pin: int, table: dict[tuple[int, int], int]) -> int:
    """The GSI of a device, given the addresses from the root bus down to it."""
    slots = [int(bdf[8:10], 16) for bdf in chain]
    for slot in reversed(slots[1:]):
        pin = (pin + slot) % 4
    return table[slots[0], pin]


@pytest.mark.dom0("main", "pvh", "pv")
def test_endpoints(dom0: Dom0, tmp_path: Path) -> None:
    """On root ports and on the root bus, in both kinds of dom0."""
    compare(dom0, tmp_path)


@pytest.mark.dom0("shared", "pvh", "pv", seldom="pvh")
def test_bridges(dom0: Dom0, tmp_path: Path) -> None:
    """Several functions, and devices behind a conventional bridge."""
    assert compare(dom0, tmp_path) >= 8


@pytest.mark.dom0("switch", "pvh", "pv", seldom="pvh")
def test_switch(dom0: Dom0, tmp_path: Path) -> None:
    """Three bridges deep."""
    compare(dom0, tmp_path)


def compare(dom0: Dom0, tmp_path: Path) -> int:
    """Hold every device's file against the table; returns how many have a pin."""
    source = disassemble(dom0.run("cat /sys/firmware/acpi/tables/DSDT").raw, tmp_path)
    table = routing(source)
    assert len(table) == 32 * 4, "32 devices with 4 pins each"
    load(dom0)
    try:
        listing = dom0.check(
            "cd /sys/bus/pci/devices; for d in *; do "
            'echo $d $(readlink -f $d) $(od -An -v -tu1 -j 61 -N 1 $d/config) "$(cat $d/gsi 2>/dev/null)"; done'
        )
    finally:
        unload(dom0)
    count = 0
    for line in listing.splitlines():
        bdf, path, pin, *gsi = line.split()
        chain = re.findall(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.\d", path)
        want = [str(expected(chain, int(pin) - 1, table))] if pin != "0" else []
        assert gsi == want, f"{bdf} has pin {pin} and is reached through {chain}"
        count += bool(want)
    return count
