"""A look through the record after the start: what of it is damaged is said at once, not when somebody meets it."""

from __future__ import annotations

import asyncio
import logging

from onrecord_server.domain.errors import StoreError
from onrecord_server.store.base import StatementStore
from onrecord_server.store.damage import told

_AT_ONCE = 256  # some milliseconds of one core
_REST_SECONDS = 0.01  # between, so that whoever asks is hardly held up

_log = logging.getLogger(__name__)


async def inspect(store: StatementStore) -> None:
    """Look at every statement, and log one line if any cannot be read."""
    damaged: list[str] = []
    after: int | None = 0
    try:
        while after is not None:
            found = await asyncio.to_thread(store.inspect, _AT_ONCE, after)
            damaged += found.damaged
            after = found.last
            await asyncio.sleep(_REST_SECONDS)
    except StoreError as error:
        _log.warning("looking through the record: %s", error.message)
    if damaged:
        _log.warning("%s; restore a backup, or delete them and put them on the record again", told(damaged))
