"""The pytest plugin: loaded by pytest wherever onrecord is installed, so it imports nothing before it is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from onrecord.testing import FakeServer


@pytest.fixture
def onrecord_server() -> Iterator[FakeServer]:
    """A fake onrecord server with an empty record: see `onrecord.testing.FakeServer`."""
    from onrecord.testing import FakeServer

    with FakeServer() as server:
        yield server
