"""Threads for what blocks, in which interactive work goes before bulk work."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from onrecord_server.checking.batching import Priority

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


@dataclass(order=True, slots=True)
class _Task:
    priority: Priority
    number: int
    future: Future[Any] = field(compare=False)
    call: Callable[[], Any] = field(compare=False)


class Turns:
    """So many threads, started when first used. Of one priority who came first goes first; what runs is not stopped."""

    def __init__(self, threads: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._waiting: list[_Task] = []
        self._numbers = itertools.count()

    async def run(
        self,
        priority: Priority,
        function: Callable[_Given, _Result],
        *args: _Given.args,
        **kwargs: _Given.kwargs,
    ) -> _Result:
        """The function's result, from one of the threads, in the caller's context. Left alone it is not begun."""
        context, future = contextvars.copy_context(), Future[_Result]()
        task = _Task(priority, next(self._numbers), future, lambda: context.run(function, *args, **kwargs))
        with self._lock:
            heapq.heappush(self._waiting, task)
        self._pool.submit(self._next)  # one for each task, though not for this one
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Begin nothing more; who waits for what had not begun is cancelled."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for task in waiting:
            task.future.cancel()

    def _next(self) -> None:
        with self._lock:
            if not self._waiting:  # closed
                return
            task = heapq.heappop(self._waiting)
        if not task.future.set_running_or_notify_cancel():
            return
        try:
            result = task.call()
        except BaseException as error:  # whoever waits is to hear of it, whatever it is
            task.future.set_exception(error)
        else:
            task.future.set_result(result)
