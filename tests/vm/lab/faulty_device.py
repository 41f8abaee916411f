# SPDX-License-Identifier: GPL-2.0
"""A PCI function whose configuration space is a script's: one that breaks, or lies.

QEMU's `x-pci-proxy-dev` hands each access to the configuration space to another process, over a
socket (hw/remote/mpqemu-link.c). Here that process is a thread of the test. The function is a
PCI Express endpoint with a function-level reset, if it isn't told to be something else.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

# Messages (MPQemuCmd of include/hw/remote/mpqemu-link.h in QEMU 10)
SYNC_MEMORY, REPLY, CONFIG_WRITE, CONFIG_READ, BAR_WRITE, BAR_READ, SET_IRQ, DEVICE_RESET = range(8)
HEADER = struct.Struct("=i4xQ")
ACCESS = struct.Struct("=IIi")

# The header (PCI 3.0 sec 6.1)
COMMAND, STATUS, CLASS, BAR0, CAPABILITIES, INTERRUPT_LINE, INTERRUPT_PIN = 0x04, 0x06, 0x08, 0x10, 0x34, 0x3C, 0x3D
CACHE_LINE = 0x0C
HAS_CAPABILITIES = 0x10
#: PCI Express: capability at this place, Device Capabilities and Control in it (PCIe r6.0 sec 7.5.3).
EXPRESS = 0x60
DEVICE_CAPABILITIES, DEVICE_CONTROL = EXPRESS + 4, EXPRESS + 8
FLR_CAPABLE, INITIATE_FLR = 1 << 28, 1 << 15
MSI_X, POWER = 0x40, 0x50
BAR_SIZE = 0x1000


class FaultyDevice:
    """The function. What it does wrong are attributes, which a test sets at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        #: How many FLRs there were since the machine began: for a test only the difference counts.
        self.resets = 0
        self.config = bytearray(256)
        self.writable = bytearray(256)
        self._build()
        self._behave()

    def _behave(self) -> None:
        """Do nothing wrong from here on."""
        #: All reads give all ones, and writes are lost.
        self.dead = False
        #: What an FLR does besides: called with the function, which is reset by then.
        self.after_flr: Callable[[FaultyDevice], None] | None = None
        #: FLR changes nothing.
        self.ignores_flr = False
        #: Writes to these offsets are lost.
        self.stuck: set[int] = set()
        #: Bytes that read as something else, whatever was written.
        self.lies: dict[int, int] = {}

    def heal(self) -> None:
        """Be the function of the beginning, but for what was written to its registers."""
        with self._lock:
            header = bytes(byte & mask for byte, mask in zip(self.config, self.writable, strict=True))[:0x40]
            self.config[:] = bytes(256)
            self._build()
            for offset, byte in enumerate(header):
                self.config[offset] |= byte
            self._behave()

    def die(self) -> None:
        """Answer nothing any more."""
        self.dead = True

    def revive(self) -> None:
        """Answer again."""
        self.dead = False

    def register(self, offset: int) -> int:
        """A register of 32 bits, as it is in the function."""
        return int.from_bytes(self.config[offset : offset + 4], "little")

    def _build(self) -> None:
        self._put(0, struct.pack("<HH", 0x1234, 0x11AE))
        self._put(CLASS, struct.pack("<I", 0xFF000001))
        self._put(STATUS, struct.pack("<H", HAS_CAPABILITIES))
        self._put(0x2C, struct.pack("<HH", 0x1234, 0x11AE))
        self.config[CAPABILITIES] = POWER
        self.config[INTERRUPT_PIN] = 1
        self._put(POWER, struct.pack("<BBHH", 0x01, EXPRESS, 0x0003, 0x0008))
        # Version 2, an endpoint.
        self._put(EXPRESS, struct.pack("<BBH", 0x10, 0, 0x0002))
        self._put(DEVICE_CAPABILITIES, struct.pack("<I", FLR_CAPABLE))
        self.writable[COMMAND] = 0x07
        self.writable[COMMAND + 1] = 0x04
        self.writable[CACHE_LINE] = self.writable[INTERRUPT_LINE] = 0xFF
        self._put(BAR0, (0xFFFFFFFF & ~(BAR_SIZE - 1)).to_bytes(4, "little"), self.writable)
        self.writable[POWER + 4] = 0x03
        self._put(DEVICE_CONTROL, b"\xff\x7f", self.writable)

    def _put(self, offset: int, content: bytes, where: bytearray | None = None) -> None:
        where = self.config if where is None else where
        where[offset : offset + len(content)] = content

    def capability(self, offset: int, kind: int, following: int) -> None:
        """Write the head of a capability."""
        self._put(offset, bytes((kind, following)))

    def reset(self) -> None:
        """What a reset clears."""
        for offset, mask in enumerate(self.writable):
            self.config[offset] &= ~mask & 0xFF

    def serve(self, sock: socket.socket) -> None:
        """Answer QEMU until it ends."""
        self._thread = threading.Thread(target=self._run, args=(sock,), daemon=True)
        self._thread.start()

    def _run(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError, EOFError):
            while True:
                command, size = HEADER.unpack(_take(sock, HEADER.size))
                payload = _take(sock, size)
                if command in (SYNC_MEMORY, SET_IRQ):
                    continue  # No answer is expected.
                with self._lock:
                    answer = self._handle(command, payload)
                sock.sendall(HEADER.pack(REPLY, 8) + struct.pack("=Q", answer))

    def _handle(self, command: int, payload: bytes) -> int:
        if command == CONFIG_READ:
            offset, _, length = ACCESS.unpack(payload)
            return self._read(offset, length)
        if command == CONFIG_WRITE:
            offset, value, length = ACCESS.unpack(payload)
            self._write(offset, value.to_bytes(4, "little")[:length])
        elif command == DEVICE_RESET:
            self.reset()
        return 0

    def _read(self, offset: int, length: int) -> int:
        if self.dead:
            return (1 << 8 * length) - 1
        content = [self.lies.get(at, self.config[at]) for at in range(offset, offset + length)]
        return int.from_bytes(bytes(content), "little")

    def _write(self, offset: int, content: bytes) -> None:
        if self.dead:
            return
        for at, byte in enumerate(content, offset):
            if at not in self.stuck:
                mask = self.writable[at]
                self.config[at] = self.config[at] & ~mask | byte & mask
        control = DEVICE_CONTROL + 1
        if offset <= control < offset + len(content) and content[control - offset] & INITIATE_FLR >> 8:
            self.resets += 1
            if not self.ignores_flr:
                self.reset()
            if self.after_flr is not None:
                self.after_flr(self)


def _take(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data
