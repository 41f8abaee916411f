# SPDX-License-Identifier: GPL-2.0
"""QMP for code that is not asynchronous, over the `qemu.qmp` library.

The library's event loop lives in a thread of its own, so events are collected
when they happen and commands may come from any thread.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

from qemu.qmp import EventListener, ExecuteError, QMPClient
from qemu.qmp.error import QMPError

from .paths import SLOWER

__all__ = ["ExecuteError", "Monitor", "QMPError"]

Event = dict[str, Any]


class Monitor:
    """A QMP connection on a socket that QEMU inherited the other end of."""

    #: QEMU answers at once, or it is stuck.
    ANSWER = 30.0 * SLOWER

    def __init__(self, sock: socket.socket) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._client = QMPClient("lab")
        self._listener = EventListener()
        self._client.register_listener(self._listener)
        self._seen: list[Event] = []
        self._arrived = asyncio.Condition()
        self._call(self._client.connect(sock), self.ANSWER)
        self._collector = asyncio.run_coroutine_threadsafe(self._collect(), self._loop)

    def _call(self, work: Any, seconds: float) -> Any:
        timed = asyncio.wait_for(work, seconds)
        return asyncio.run_coroutine_threadsafe(timed, self._loop).result()

    async def _collect(self) -> None:
        async for event in self._listener:
            async with self._arrived:
                self._seen.append(dict(event))
                self._arrived.notify_all()

    def command(self, name: str, /, **arguments: Any) -> Any:
        """Execute a QMP command; `_` in argument names stands for `-`."""
        arguments = {key.replace("_", "-"): value for key, value in arguments.items()}
        return self._call(self._client.execute(name, arguments or None), self.ANSWER)

    def human(self, line: str) -> str:
        """Execute a line of the human monitor, for what QMP has no command for."""
        return self._call(self._client.execute("human-monitor-command", {"command-line": line}), self.ANSWER)

    def mark(self) -> int:
        """A position among the events, to wait on from."""
        return len(self._seen)

    def wait_event(self, name: str, match: Callable[[Event], bool], seconds: float, mark: int) -> Event:
        """The first event of this name, from the mark on, that matches."""

        async def wait() -> Event:
            position = mark
            async with self._arrived:
                while True:
                    for event in self._seen[position:]:
                        if event["event"] == name and match(event.get("data", {})):
                            return event
                    position = len(self._seen)
                    await self._arrived.wait()

        try:
            return self._call(wait(), seconds * SLOWER)
        except TimeoutError:
            raise TimeoutError(f"no QMP event {name} within {seconds:g} s") from None

    def close(self) -> None:
        """Disconnect; the machine may be gone already."""
        try:
            self._collector.cancel()
            self._call(self._client.disconnect(), 5)
        except (QMPError, OSError, EOFError, TimeoutError):
            pass
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
