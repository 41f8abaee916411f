# SPDX-License-Identifier: GPL-2.0
"""What may be written to the driver's files, read once more from their description.

Documentation/ABI/testing/sysfs-driver-pciback is all that this goes by: whoever changes the one
changes the other. Numbers are hexadecimal with any number of leading zeros; blanks may surround
what is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Space, tab, newline, carriage return, vertical tab, form feed and NUL.
BLANKS = b" \t\n\r\v\f\0"

#: The address of one function: domain, bus, slot, function.
Function = tuple[int, int, int, int]

_HEX = rb"[0-9a-fA-F]+"
_BDF = re.compile(
    rb"(?:(?P<domain>%b):)?(?P<bus>%b):(?:(?P<slot>%b)\.(?:(?P<function>%b)|\*)|(?P<all>\*\.\*))"
    % (_HEX, _HEX, _HEX, _HEX)
)
_FIELD = re.compile(rb"(%b):(%b):(%b)" % (_HEX, _HEX, _HEX))


@dataclass(frozen=True)
class Address:
    """A written address; None stands for all slots, or for all functions."""

    domain: int
    bus: int
    slot: int | None = None
    function: int | None = None

    def functions(self) -> set[Function]:
        """What it covers."""
        slots = range(0x20) if self.slot is None else [self.slot]
        functions = range(8) if self.function is None else [self.function]
        return {(self.domain, self.bus, slot, function) for slot in slots for function in functions}


@dataclass(frozen=True)
class Quirk:
    """A field of a function's configuration space."""

    device: Function
    offset: int
    size: int
    mask: int


def address(text: bytes) -> Address | None:
    """One address, or None if the text is none."""
    match = _BDF.fullmatch(text.strip(BLANKS))
    if match is None:
        return None
    values = {name: int(digits, 16) for name, digits in match.groupdict().items() if digits and name != "all"}
    limits = {"domain": 0xFFFF, "bus": 0xFF, "slot": 0x1F, "function": 7}
    if any(value > limits[name] for name, value in values.items()):
        return None
    return Address(**{"domain": 0} | values)


def addresses(text: bytes) -> list[Address] | None:
    """A list of addresses with blanks between them, or None if the text is none: an empty one is none."""
    words = [word for word in re.split(rb"[%b]" % re.escape(BLANKS), text) if word]
    found = [address(word) for word in words]
    return [one for one in found if one] if found and None not in found else None


def quirk(text: bytes) -> Quirk | None:
    """A device and a field of it, or None if the text is none."""
    device, dash, field = text.partition(b"-")
    where = address(device)
    match = _FIELD.fullmatch(field.rstrip(BLANKS))
    if not dash or where is None or match is None or where.slot is None or where.function is None:
        return None
    offset, size, mask = (int(digits, 16) for digits in match.groups())
    if offset > 0xFFF or size not in (1, 2, 4) or mask >= 1 << 8 * size:
        return None
    return Quirk((where.domain, where.bus, where.slot, where.function), offset, size, mask)


def name(function: Function) -> str:
    """The form in which `slots` and the other files show a function."""
    return "{:04x}:{:02x}:{:02x}.{}".format(*function)


def function(bdf: str) -> Function:
    """The function that the kernel gives this name."""
    domain, bus, slot, number = (int(part, 16) for part in re.split("[:.]", bdf))
    return domain, bus, slot, number
