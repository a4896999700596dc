"""Collections as callers see them: validated, and never on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from onrecord_server.domain import masks, validation
from onrecord_server.domain.errors import EtagMismatch
from onrecord_server.domain.types import Collection, CollectionDraft, RequestKey
from onrecord_server.store.base import CollectionPage, CollectionStore

_TRIES = 5  # of an update that asks for no etag, while others change the same collection


class Collections:
    """The collections of a record. Raises InvalidInput, CollectionNotFound, EtagMismatch, StoreError."""

    def __init__(self, store: CollectionStore) -> None:
        self._store = store

    async def create(
        self, draft: CollectionDraft, collection_id: str = "", request: RequestKey | None = None
    ) -> Collection:
        """Create an empty collection; collection_id "": one is chosen. Raises CollectionExists, RequestIdReused."""
        name = validation.parse_collection_id(collection_id)
        validation.raise_if_any(validation.collection_violations(draft))
        draft = CollectionDraft(name, draft.display_name, draft.description)
        return await asyncio.to_thread(self._store.create, draft, request)

    async def get(self, name: str) -> Collection:
        """One collection."""
        return await asyncio.to_thread(self._store.get, validation.parse_collection(name))

    async def list(self, page_size: int = 0, page_token: str = "") -> CollectionPage:
        """One page, in the order they began to exist."""
        return await asyncio.to_thread(self._store.list, page_size, page_token)

    async def update(self, given: CollectionDraft, paths: Sequence[str], etag: str = "") -> Collection:
        """Give the collection `given.name` these fields of `given`. A change that changes nothing writes nothing."""
        name = validation.parse_collection(given.name, "collection.name")
        validation.raise_if_any(validation.etag_violations(etag, "collection.etag"))
        for tries_left in reversed(range(_TRIES)):
            current = await asyncio.to_thread(self._store.get, name)
            if etag and current.etag != etag:
                raise EtagMismatch(name)
            made = masks.changed_collection(current, given, paths)
            if (made.display_name, made.description) == (current.display_name, current.description):
                return current
            validation.raise_if_any(validation.collection_violations(made))
            try:
                return await asyncio.to_thread(self._store.replace, made, etag=current.etag)
            except EtagMismatch:
                if etag or not tries_left:
                    raise
        raise EtagMismatch(name)

    async def delete(self, name: str, etag: str = "", *, force: bool = False) -> int:
        """Delete a collection; the number of statements deleted with it. Raises CollectionNotEmpty unless forced."""
        validation.raise_if_any(validation.etag_violations(etag))
        return await asyncio.to_thread(self._store.delete, validation.parse_collection(name), etag=etag, force=force)
