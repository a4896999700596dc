"""Shared by the tests of checks in process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from onrecord_server.app import Engine, open_engine
from onrecord_server.config import ServerConfig


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with open_engine(ServerConfig(store=":memory:", model="fake", encoder="fake")) as opened:
        yield opened
