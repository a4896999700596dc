"""Exports: one unchanging view of a collection, sent piece by piece as the reader takes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from onrecord.v1 import statement_service_pb2 as pb
from onrecord_server.domain.errors import ExportStalled, Overloaded, StoreDamaged
from onrecord_server.domain.limits import EXPORT_PATIENCE, EXPORTS
from onrecord_server.domain.types import StatementFilter
from onrecord_server.rpc.backend import RecordKeeper
from onrecord_server.rpc.calls import current_call
from onrecord_server.rpc.convert import ambiguous_name_to_proto, statement_to_proto
from onrecord_server.store.base import Snapshot

MESSAGE_BYTES = 1024 * 1024
_ROWS = 64  # read at once: with statements of the largest size some ten megabytes
_RETRY_AFTER = 10.0


class Exports:
    """The exports that are under way. patience: seconds that a reader may take for one message."""

    def __init__(self, patience: float = EXPORT_PATIENCE.value) -> None:
        self._patience = patience
        self._open: set[object] = set()

    async def run(
        self, record: RecordKeeper, parent: str, chosen: StatementFilter | None
    ) -> AsyncGenerator[pb.ExportStatementsResponse]:
        """The messages of one. Raises Overloaded, ExportStalled, InvalidInput, StoreError."""
        if len(self._open) >= EXPORTS.value:
            raise Overloaded(_RETRY_AFTER)
        place = object()
        self._open.add(place)
        snapshot: Snapshot | None = None
        try:
            snapshot = await record.export(parent, chosen)
            async for message in _messages(snapshot):
                # who takes nothing keeps this very generator from going on, so a timer has to end it
                timer = asyncio.get_running_loop().call_later(self._patience, self._give_up, place, snapshot)
                yield message
                timer.cancel()
                if place not in self._open:
                    raise ExportStalled(self._patience)
        finally:
            self._open.discard(place)
            if snapshot is not None:
                snapshot.close()

    def _give_up(self, place: object, snapshot: Snapshot) -> None:
        self._open.discard(place)
        snapshot.close()
        if (call := current_call.get()) and call.cut:
            call.cut(ExportStalled(self._patience))


async def _messages(snapshot: Snapshot) -> AsyncIterator[pb.ExportStatementsResponse]:
    """All statements, in messages of at most MESSAGE_BYTES; one message without any where there are none.

    Raises StoreDamaged when all have been given that can be read, and some cannot.
    """
    message = pb.ExportStatementsResponse(
        total_size=snapshot.total,
        store_revision=snapshot.revision,
        ambiguous_names=[ambiguous_name_to_proto(found) for found in snapshot.ambiguous],
    )
    size, sent = 0, False
    while some := await asyncio.to_thread(snapshot.read, _ROWS):
        for statement in some:
            converted = statement_to_proto(statement)
            bytes_more = converted.ByteSize() + 8  # tag and length
            if size and size + bytes_more > MESSAGE_BYTES:
                yield message
                message = pb.ExportStatementsResponse(total_size=snapshot.total, store_revision=snapshot.revision)
                size, sent = 0, True
            message.statements.append(converted)
            size += bytes_more
    if size or not sent:
        yield message
    if snapshot.damaged:
        first, *others = snapshot.damaged
        more = f" and {len(others):,} more" if others else ""
        then = "all others were given; restore a backup, or delete it and put it on the record again"
        raise StoreDamaged(f"{first}{more}: damaged in the record; {then}", first)
