"""What waits to be stored: in line, and as many at once as came while those before were written.

A transaction waits for the disk once, however much is in it. Whoever comes to an idle store is stored alone, at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from onrecord_server.store.base import Put, StatementStore, Stored

_MOST_DRAFTS = 2_000  # in one transaction: its answers wait for its last row, and other writers for it


@dataclass(eq=False, slots=True)
class _Waiting:
    put: Put
    answer: asyncio.Future[Stored]


class Puts:
    """Hands puts to the store in the order in which they come, one thread at a time. Use from one event loop."""

    def __init__(self, store: StatementStore) -> None:
        self._store = store
        self._line: deque[_Waiting] = deque()
        self._writing: asyncio.Task[None] | None = None

    def add(self, put: Put) -> asyncio.Future[Stored]:
        """Put it in line. The future has what StatementStore.put gives or raises; cancelled in time, it is dropped."""
        waiting = _Waiting(put, asyncio.get_running_loop().create_future())
        self._line.append(waiting)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="puts")
        return waiting.answer

    async def _write(self) -> None:
        try:
            while some := self._next():
                try:
                    answers = await asyncio.to_thread(self._store.put_many, [one.put for one in some])
                except Exception as error:
                    answers = [error] * len(some)
                for one, answer in zip(some, answers, strict=True):
                    if one.answer.done():  # its caller has left
                        continue
                    if isinstance(answer, Exception):
                        one.answer.set_exception(answer)
                    else:
                        one.answer.set_result(answer)
        finally:
            self._writing = None
            for one in self._line:  # only when the loop itself comes to its end
                one.answer.cancel()

    def _next(self) -> list[_Waiting]:
        """Those that are stored together: the first in line, and what comes behind it as far as there is room."""
        some: list[_Waiting] = []
        room = _MOST_DRAFTS
        while self._line and (not some or len(self._line[0].put.drafts) <= room):
            one = self._line.popleft()
            if not one.answer.done():
                some.append(one)
                room -= len(one.put.drafts)
        return some
