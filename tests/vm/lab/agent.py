# SPDX-License-Identifier: GPL-2.0
"""The harness's end of the agent protocol (tests/vm/image/agent has the words)."""

import select
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from .paths import SLOWER


class AgentError(Exception):
    """No answer: the time is over, or the machine has died."""


@dataclass(frozen=True)
class Result:
    """What a command in dom0 left: status as a shell tells it, output merged."""

    command: str
    status: int
    raw: bytes

    @property
    def out(self) -> str:
        """The output as text; bytes that are no text are replaced."""
        return self.raw.decode("utf-8", "replace")

    @property
    def ok(self) -> bool:
        """Whether the command said it succeeded."""
        return self.status == 0


class Agent:
    """One channel: one command at a time."""

    #: How long the answer may lag behind the time the guest's own timer allows.
    #: An emulated guest on a busy host is slow, and its clock may be.
    GRACE = 30.0 * SLOWER

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self._lock = threading.Lock()
        self._id = 0
        self._why: str | None = None

    def close(self, why: str) -> None:
        """End the channel: a reader that waits, wakes and tells why."""
        self._why = why
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    @property
    def busy(self) -> bool:
        """Whether a command is under way."""
        return self._lock.locked()

    def wait_ready(self, seconds: float) -> None:
        """Wait for the agent's first words."""
        line = self._line(time.monotonic() + seconds, "the agent's greeting")
        if not line.startswith("ready"):
            raise AgentError(f"the agent greets with {line!r}")

    def run(self, command: str, seconds: float) -> Result:
        """Run a command, killed by the guest when it outlives its seconds."""
        seconds *= SLOWER
        payload = command.encode() + b"\n"
        status, raw = self._ask(f"{max(1, round(seconds))} {len(payload)}", "run", payload, seconds, command)
        return Result(command, status, raw)

    def put(self, content: bytes, path: str, mode: int = 0o644, seconds: float = 60) -> None:
        """Write a file in dom0."""
        seconds *= SLOWER
        status, raw = self._ask(f"{mode:o} {len(content)} {path}", "put", content, seconds, f"put {path}")
        if status:
            raise AgentError(f"put {path}: {raw.decode('utf-8', 'replace')}")

    def put_file(self, source: Path, path: str) -> None:
        """Copy a file of the host to dom0, keeping whether it can be executed."""
        mode = 0o755 if source.stat().st_mode & 0o100 else 0o644
        self.put(source.read_bytes(), path, mode)

    def _ask(self, args: str, verb: str, payload: bytes, seconds: float, what: str) -> tuple[int, bytes]:
        with self._lock:
            deadline = time.monotonic() + seconds + self.GRACE
            self._id += 1
            try:
                self._sock.sendall(f"{verb} {self._id} {args}\n".encode() + payload)
            except OSError as error:
                raise AgentError(f"{what}: {self._why or error}") from None
            while True:
                head = self._line(deadline, what).split()
                if head[0] == "ready":  # it was restarted; what was asked is lost
                    raise AgentError(f"{what}: the agent has restarted")
                body = self._take(int(head[2]), deadline, what)
                # An older answer is that of a command nobody waited out.
                if int(head[0]) == self._id:
                    return int(head[1]), body

    def _line(self, deadline: float, what: str) -> str:
        while (end := self._buffer.find(b"\n")) < 0:
            self._fill(deadline, what)
        line = self._buffer[:end].decode("utf-8", "replace")
        del self._buffer[: end + 1]
        return line

    def _take(self, count: int, deadline: float, what: str) -> bytes:
        while len(self._buffer) < count:
            self._fill(deadline, what)
        body = bytes(self._buffer[:count])
        del self._buffer[:count]
        return body

    def _fill(self, deadline: float, what: str) -> None:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self._sock], [], [], left)[0]:
            raise AgentError(f"{what}: no answer in time")
        data = self._sock.recv(1 << 16)
        if not data:
            raise AgentError(f"{what}: {self._why or 'the channel has closed'}")
        self._buffer += data
