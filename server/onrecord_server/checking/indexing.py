"""Embeddings that were put off: made in the background, and for a check that meets a statement without one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from onrecord_server.checking.batching import Priority
from onrecord_server.domain.errors import (
    ModelError,
    ModelUnusable,
    OnrecordError,
    Overloaded,
    ShuttingDown,
    StoreReadOnly,
)
from onrecord_server.store.base import FloatArray, Hit, Pending, StatementStore

_AT_ONCE = 256  # embedded and stored together
_QUIET_SECONDS = 1.0  # embedding stands back while an import that puts it off is under way …
_PATIENCE_SECONDS = 30.0  # … but no longer than this, or a steady trickle would keep it away; then it works as long
_AFTER_FAILURE_SECONDS = 5.0  # the disk was full, say

_NOTHING: FloatArray = np.empty((0, 0), np.float32)

_log = logging.getLogger(__name__)


class Embedder(Protocol):
    """What this needs of checking.worker.InferenceWorker."""

    async def embed(
        self, texts: Sequence[str], *, deadline: float | None = None, priority: Priority = Priority.INTERACTIVE
    ) -> FloatArray:
        """Unit vectors, shape (len(texts), dimension)."""
        ...


class Indexer:
    """Embeds what waits for it, oldest first, as bulk work. Use from one event loop.

    A text that the model fails on is passed over until the next start; it stays findable by its words.
    """

    def __init__(self, store: StatementStore, worker: Embedder) -> None:
        self._store = store
        self._worker = worker
        self._wake = asyncio.Event()
        self._wake.set()  # what the last run left
        self._last_put = 0.0
        self._impatient_until = 0.0
        self._task: asyncio.Task[None] | None = None
        self._hopeless: set[int] = set()  # row ids of what the model fails on

    def start(self) -> None:
        """Begin, with what an earlier run left."""
        self._task = asyncio.create_task(self._run(), name="indexer")

    async def stop(self) -> None:
        """Leave the rest for the next start. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def put(self) -> None:
        """Statements were stored without their embeddings."""
        self._last_put = asyncio.get_running_loop().time()
        self._wake.set()

    async def _run(self) -> None:
        # read-only: another process writes here, and embeds; the others: the server is about to end
        with contextlib.suppress(StoreReadOnly, ModelUnusable, ShuttingDown):
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._all()

    async def _until_quiet(self) -> None:
        loop = asyncio.get_running_loop()
        patience = loop.time() + _PATIENCE_SECONDS
        if loop.time() < self._impatient_until:
            return
        while (left := min(patience, self._last_put + _QUIET_SECONDS) - loop.time()) > 0:
            await asyncio.sleep(left)
            if loop.time() >= patience:
                self._impatient_until = patience + _PATIENCE_SECONDS

    async def _all(self) -> None:
        """Until nothing waits any more."""
        after = 0
        await self._until_quiet()
        while some := await asyncio.to_thread(self._store.pending, _AT_ONCE, after):
            after = some[-1].row_id
            try:
                vectors, embedded = await self._embed([one for one in some if one.row_id not in self._hopeless])
                if await asyncio.to_thread(self._store.settle, embedded, vectors) < len(embedded):
                    after = some[0].row_id - 1  # some were rewritten meanwhile: read them again; what went is not there
            except (StoreReadOnly, ModelUnusable, ShuttingDown):
                raise
            except OnrecordError as error:
                _log.warning("embedding in the background: %s; trying again", error.message)
                await asyncio.sleep(_AFTER_FAILURE_SECONDS)
                after = some[0].row_id - 1
            await self._until_quiet()  # another import may have begun

    async def _embed(self, some: Sequence[Pending]) -> tuple[FloatArray, list[Pending]]:
        """Vectors, and the statements that they are of: all but those that the model fails on."""
        if not some:
            return _NOTHING, []
        try:
            return await self._patiently([one.text for one in some]), list(some)
        except ModelUnusable:
            raise
        except ModelError:
            if len(some) == 1:
                _log.warning("a statement that waits for its embedding is passed over: the model fails on it")
                self._hopeless.add(some[0].row_id)
                return _NOTHING, []
        vectors, embedded = [], []
        for one in some:
            vector, found = await self._embed([one])
            if found:
                vectors.append(vector)
                embedded += found
        return (np.concatenate(vectors) if vectors else _NOTHING), embedded

    async def _patiently(self, texts: Sequence[str]) -> FloatArray:
        while True:
            try:
                return await self._worker.embed(texts, priority=Priority.BULK)
            except Overloaded as busy:
                await asyncio.sleep(busy.retry_after)


class Embed(Protocol):
    """Embeds texts in a caller's seat."""

    async def __call__(self, texts: Sequence[str], /) -> FloatArray:
        """Unit vectors, shape (len(texts), dimension)."""
        ...


async def fill(hits: Sequence[Hit], query: FloatArray, embed: Embed) -> list[Hit]:
    """The hits with the similarity of those that wait for their embedding filled in; the others as they are.

    One whose text the model fails on keeps the similarity 0, and waits.
    """
    waiting = [hit for hit in hits if hit.pending]
    if not waiting:
        return list(hits)
    similarity = await _similarities([hit.statement.text for hit in waiting], query, embed)
    return [
        replace(hit, similarity=similarity[hit.statement.text], pending=False)
        if hit.pending and hit.statement.text in similarity
        else hit
        for hit in hits
    ]


async def _similarities(texts: Sequence[str], query: FloatArray, embed: Embed) -> dict[str, float]:
    try:
        vectors = await embed(texts)
    except ModelUnusable:
        raise
    except ModelError:
        if len(texts) == 1:
            return {}
        found: dict[str, float] = {}
        for text in texts:
            found |= await _similarities([text], query, embed)
        return found
    return dict(zip(texts, np.clip(vectors @ query, -1.0, 1.0).tolist(), strict=True))
