# SPDX-License-Identifier: GPL-2.0
"""Whatever is written to the driver's files: 10,000 texts, each with the errno that the ABI gives it.

The texts are generated from PCIBACK_INPUT_SEED, which a failure names. What they leave in the driver
is compared with a model after each batch. (On the host there are millions: tools/fuzz.)
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from errno import EEXIST, EINVAL, ENODEV, ENOENT, ENOSPC

import pytest
from lab import grammar
from lab.grammar import Address, Function
from lab.machine import Dom0
from lab.pciback import DRIVER, load

SEED = int(os.environ.get("PCIBACK_INPUT_SEED", "20261124"))
BATCHES, BATCH = 20, 500
PAGE = 4096
#: The most fields that a device can have.
MOST_FIELDS = 4096
STRICT_RESET = "/sys/module/rust_pciback/parameters/strict_reset"
LISTS = ("new_slot", "remove_slot", "probe", "reset_device", "do_flr")
SINGLES = ("permissive", "restrictive", "allow_interrupt_control", "irq_handler_state")
#: Those of the driver core, which takes other texts.
CORE = ("bind", "unbind", "new_id", "remove_id")
#: Each file, by how much of the writes it gets.
FILES = dict.fromkeys((*LISTS, *SINGLES), 9) | {"quirks": 12} | dict.fromkeys((*CORE, STRICT_RESET), 2)
#: How often an address is the claimed device's, where that isn't a tenth. A reset takes a while.
HERE = dict.fromkeys((*SINGLES, "quirks"), 0.3) | {"reset_device": 0.01, "do_flr": 0.01}


@dataclass
class Model:
    """What is to be known to a driver that has claimed one device."""

    claimed: Function
    slots: set[Function] = field(default_factory=set)
    permissive: bool = False
    interrupt_control: bool = False
    handler: bool = False
    acknowledges: bool = False
    fields: list[tuple[int, int, int]] = field(default_factory=list)
    strict: bool = False
    resets: int = 0

    def write(self, name: str, text: bytes) -> int:
        """Take a text; returns the errno."""
        if not text:
            return 0
        if name in LISTS:
            found = grammar.addresses(text)
            return EINVAL if found is None else self._list(name, found)
        if name in SINGLES:
            address = grammar.address(text)
            return EINVAL if address is None else self._single(name, address)
        if name == "quirks":
            return self._quirk(grammar.quirk(text))
        if name == STRICT_RESET:
            return self._switch(text.removesuffix(b"\n"))
        if name in ("bind", "unbind"):
            return ENODEV
        if re.match(rb"[0-9a-f]+ [0-9a-f]+", text) is None:
            return EINVAL
        return EEXIST if name == "new_id" else ENODEV

    def _list(self, name: str, addresses: list[Address]) -> int:
        covered = [address.functions() for address in addresses]
        if name == "new_slot":
            self.slots.update(*covered)
            return 0
        if name == "remove_slot":
            missing = any(self.slots.isdisjoint(functions) for functions in covered)
            self.slots.difference_update(*covered)
            return ENOENT if missing else 0
        hits = [self.claimed in functions for functions in covered]
        if name == "probe":
            return 0 if all(hits) and self.claimed in self.slots else ENODEV
        self.resets += any(hits)
        return 0 if all(hits) else ENODEV

    def _single(self, name: str, address: Address) -> int:
        if self.claimed not in address.functions():
            return ENOENT if name == "irq_handler_state" else ENODEV
        if name == "allow_interrupt_control":
            self.interrupt_control = True
        elif name == "irq_handler_state":
            self.handler = not self.handler
            self.acknowledges |= self.handler
        else:
            self.permissive = name == "permissive"
        return 0

    def _quirk(self, quirk: grammar.Quirk | None) -> int:
        if quirk is None:
            return EINVAL
        if quirk.device != self.claimed:
            return ENODEV
        values = (quirk.offset, quirk.size, quirk.mask)
        if values in self.fields:
            return 0
        if len(self.fields) >= MOST_FIELDS:
            return ENOSPC
        self.fields.append(values)
        return 0

    def _switch(self, text: bytes) -> int:
        value = {b"1": True, b"y": True, b"on": True, b"0": False, b"n": False, b"off": False}.get(text.lower())
        if value is None:
            return EINVAL
        self.strict = value
        return 0

    def shown(self) -> dict[str, str]:
        """What the files that can be read are to show."""
        bdf = grammar.name(self.claimed)
        fields = "".join(f"\t\t{offset:08x}:{size:x}:{mask:08x}\n" for offset, size, mask in self.fields)
        handler, acknowledges = "on" if self.handler else "off", "" if self.acknowledges else "not "
        return {
            "slots": "".join(f"{grammar.name(function)}\n" for function in sorted(self.slots)),
            "permissive": f"{bdf}\n" if self.permissive else "",
            "allow_interrupt_control": f"{bdf}\n" if self.interrupt_control else "",
            "irq_handlers": f"{bdf}:{handler}:{acknowledges}acking:0\n",
            "quirks": f"{bdf.partition(':')[2]}\n\tIDS\n{fields}",
            STRICT_RESET: "NY"[self.strict] + "\n",
        }


class Texts:
    """Generates what is written. Devices other than the claimed one are not hit."""

    def __init__(self, seed: int, claimed: Function, others: set[Function]) -> None:
        self._random = random.Random(seed)  # no secret
        self._claimed, self._others = claimed, others

    def frame(self) -> tuple[str, bytes]:
        """A file and a text for it."""
        (name,) = self._random.choices(list(FILES), list(FILES.values()))
        while True:
            text = self._text(name)[:PAGE]
            if not self._hits_others(name, text):
                return name, text

    def _hits_others(self, name: str, text: bytes) -> bool:
        if name in ("bind", "unbind"):
            named = text.partition(b"\0")[0].rstrip(b"\n").decode("latin-1")
            return named in map(grammar.name, {self._claimed, *self._others})
        found = grammar.addresses(text.partition(b"-")[0] if name == "quirks" else text) or []
        return any(not self._others.isdisjoint(address.functions()) for address in found)

    def _text(self, name: str) -> bytes:
        if name == STRICT_RESET:
            return self._pick(
                [b"1", b"0", b"y", b"N", b"on", b"OFF", b"2", b"x", b"", b"-1", b"ob", b" y"]
            ) + self._pick([b"", b"\n"])
        if name in ("new_id", "remove_id"):
            words = [b"%x" % self._random.getrandbits(16) for _ in range(self._random.randint(0, 6))]
            return self._pick([b"", b"", b"z"]) + b" ".join(words)
        kind = self._random.random()
        if kind < 0.1:
            return self._noise()
        text = self._right(name)
        if kind < 0.3:
            return self._mutated(text)
        if kind < 0.34:
            return self._long(name, text)
        return text

    def _right(self, name: str) -> bytes:
        here = HERE.get(name, 0.1)
        if name in LISTS:
            words = [self._address(here) for _ in range(self._pick([1, 1, 1, 2, 3, 8]))]
            return b"".join(self._blanks() + word + self._blanks(1) for word in words)
        text = self._blanks() + self._address(here) + self._blanks()
        if name == "quirks":
            size = self._pick([1, 2, 4, 4, 3, 8])
            numbers = (self._random.randrange(0x1100), size, self._random.getrandbits(8 * size + self._pick([0, 0, 1])))
            text += b"-" + b":".join(map(self._number, numbers)) + self._blanks()
        return text

    def _address(self, here: float) -> bytes:
        if self._random.random() < here:
            domain, bus, slot, function = self._claimed
        else:
            domain = self._pick([0, 0, 0, 1, 0xABCD, 0xFFFF])
            bus, slot, function = (
                self._pick([0x7F, 0x80, 0xFF]),
                self._random.randrange(0x20),
                self._random.randrange(8),
            )
        domains = [] if domain == 0 and self._random.random() < 0.5 else [domain]
        head = b":".join(self._number(number) for number in [*domains, bus])
        unit = b"%b.%b" % (self._number(slot), self._number(function))
        units = [unit] * 7 + [self._number(slot) + b".*"] * 2 + [b"*.*"]
        return head + b":" + self._pick(units)

    def _number(self, number: int) -> bytes:
        digits = (b"%x" if self._random.random() < 0.7 else b"%X") % number
        return b"0" * self._pick([0, 0, 1, 2, 5]) + digits

    def _blanks(self, least: int = 0) -> bytes:
        return bytes(self._pick(grammar.BLANKS) for _ in range(self._pick([least, least, 1, 3])))

    def _noise(self) -> bytes:
        letters = self._pick([b"0123456789abcdefABCDEF:::...**-() \n\tx", bytes(range(256))])
        return bytes(self._pick(letters) for _ in range(self._pick([1, 2, 7, 12, 24, 64, 64, PAGE])))

    def _mutated(self, text: bytes) -> bytes:
        edited = bytearray(text)
        for _ in range(self._pick([1, 1, 2])):
            at, letter = self._random.randrange(len(edited) + 1), self._pick(b"0178fg:.*-+x,()\0 \n\xff")
            edited[at : at + self._pick([0, 1, 1])] = self._pick([b"", bytes([letter])])
        return bytes(edited)

    def _long(self, name: str, text: bytes) -> bytes:
        """The same at the limit of what sysfs hands on in one piece."""
        missing = self._pick([PAGE - 1, PAGE]) - len(text)
        ways: list[Callable[[], bytes]] = [
            lambda: b" " * missing + text,
            lambda: text + b"\0" * missing,
            lambda: b"0" * missing + text.lstrip(grammar.BLANKS),
            lambda: text + b"x" * missing,
        ]
        if name in LISTS:
            ways.append(lambda: b"\n".join(self._address(0) for _ in range(300)))
        return self._pick(ways)()

    def _pick(self, choices):  # noqa: ANN001, ANN202 # of anything
        return self._random.choice(choices)


@pytest.fixture
def claimed(dom0: Dom0) -> Iterator[Function]:
    """The module with one device claimed, whose resets are short; afterwards it has its driver back."""
    bdf = dom0.bdf("igb0")
    dom0.put_tests()
    load(dom0)
    dom0.check(f"echo {bdf} >/sys/bus/pci/devices/{bdf}/driver/unbind")
    dom0.check(f"cd {DRIVER} && echo {bdf} >new_slot && echo {bdf} >bind")
    yield grammar.function(bdf)
    dom0.run(f"echo {bdf} >{DRIVER}/unbind; rmmod rust_pciback; echo {bdf} >/sys/bus/pci/drivers_probe")
    dom0.check(f"[ -e /sys/bus/pci/drivers/igb/{bdf} ]")


def put(dom0: Dom0, model: Model, frames: list[tuple[str, bytes]]) -> None:
    """Write the texts, and hold each answer and what the driver shows then against the model."""
    data = b"".join(b"%b %d\n%b" % (name.encode(), len(text), text) for name, text in frames)
    dom0.write("/root/frames", data)
    answers = dom0.check(f"/tests/writes {DRIVER} </root/frames", 300).split()
    assert len(answers) == len(frames)
    for (name, text), answer in zip(frames, answers, strict=True):
        wanted = str(model.write(name, text))
        assert answer == wanted, f"seed {SEED}: {name}: {text!r} of {len(text)} bytes"
    for name, wanted in model.shown().items():
        shown = dom0.check(f"cd {DRIVER} && cat {name}")
        shown = re.sub(r"\t[0-9a-f]{4}(:[0-9a-f]{4}){3}\n", "\tIDS\n", shown)
        assert shown == wanted, f"seed {SEED}: {name}"


def uptime(dom0: Dom0) -> float:
    """Seconds since dom0 started, by its own clock."""
    return float(dom0.check("cut -d' ' -f1 /proc/uptime"))


@pytest.mark.dom0("main", "pv")
def test_every_text_has_its_errno(dom0: Dom0, claimed: Function, figure: Callable[[str], None]) -> None:
    """Nothing but what is written where it belongs has an effect, and the log stays bounded."""
    devices = {grammar.function(bdf) for bdf in dom0.check("ls /sys/bus/pci/devices").split()}
    model = Model(claimed, {claimed})
    texts = Texts(SEED, claimed, devices - {claimed})
    drivers = dom0.check("ls -l /sys/bus/pci/devices/*/driver | sed 's/.* //'")
    dom0.check("dmesg -c")
    start = uptime(dom0)
    for _ in range(BATCHES):
        put(dom0, model, [texts.frame() for _ in range(BATCH)])
    # Each place that says what is wrong has 10 lines in 5 seconds. There are six, and one line of
    # the kernel's for each that was silenced.
    intervals = (uptime(dom0) - start) / 5 + 2
    said = dom0.check("dmesg").split("\n")
    lines = [line for line in said if "rust_pciback" in line]
    assert 10 <= len(lines) <= 6 * 11 * intervals, "\n".join(lines[-40:])
    # What was written is no part of them: it could begin a line of its own, or hold any byte.
    ours = [line for line in said if "rust_pciback" in line or "is not claimed" in line]
    odd = [line for line in ours if not re.fullmatch(r"\[ *[0-9.]+\] (rust_)?pciback[ -~]{,200}", line)]
    assert odd == [], f"seed {SEED}"
    assert model.resets > 0
    assert dom0.check("ls -l /sys/bus/pci/devices/*/driver | sed 's/.* //'") == drivers
    figure(f"seed {SEED}: {BATCHES * BATCH} texts, {model.resets} resets")


@pytest.mark.dom0("main", "pv")
def test_fields_end_somewhere(dom0: Dom0, claimed: Function) -> None:
    """As many fields as the configuration space has bytes can be listed, and no more."""
    model = Model(claimed, {claimed})
    bdf = grammar.name(claimed)
    put(dom0, model, [("quirks", f"{bdf}-{offset:x}:1:ff".encode()) for offset in range(MOST_FIELDS)])
    assert len(model.fields) == MOST_FIELDS
    put(dom0, model, [("quirks", f"{bdf}-{offset:x}:2:ff".encode()) for offset in range(3)])
    put(dom0, model, [("quirks", f"{bdf}-0:1:ff".encode())])
