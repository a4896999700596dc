"""One body of test for both clients: `either` is a client whose methods are awaited, whichever it is."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import onrecord
from onrecord.testing import FakeServer


class Awaited:
    """`onrecord.Client` with methods that are awaited, as those of an AsyncClient: each runs in a thread."""

    def __init__(self, client: onrecord.Client) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if not inspect.ismethod(method):
            return method
        if "AsyncIterator" in str(inspect.signature(getattr(onrecord.AsyncClient, name)).return_annotation):
            return lambda *args, **kwargs: _threaded(method(*args, **kwargs))
        return lambda *args, **kwargs: asyncio.to_thread(method, *args, **kwargs)


async def _threaded(items: Iterator[Any]) -> AsyncIterator[Any]:
    done = object()
    while (item := await asyncio.to_thread(next, items, done)) is not done:
        yield item


Make = Callable[..., Any]


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    """A scripted server."""
    with FakeServer() as server:
        yield server


@pytest.fixture(params=["Client", "AsyncClient"])
async def make(request: Any) -> AsyncIterator[Make]:
    """Makes a client of either kind; closed at the end."""
    made: list[Any] = []

    def make(*args: Any, **kwargs: Any) -> Any:
        if request.param == "Client":
            made.append(Awaited(onrecord.Client(*args, **kwargs)))
        else:
            made.append(onrecord.AsyncClient(*args, **kwargs))
        return made[-1]

    yield make
    for client in made:
        await client.close()


@pytest.fixture
def either(make: Make, fake: FakeServer) -> Any:
    """A client of the scripted server."""
    return make(fake.target, timeout=10, batch_timeout=10)
