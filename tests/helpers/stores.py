"""Every kind of store, and statements with vectors that tests can tell apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from onrecord_server.domain.types import Statement, StatementDraft
from onrecord_server.store import FloatArray, StatementStore, open_store

DIMENSION = 16
PARENT = "collections/default"
OTHER = "collections/other"

STORES: dict[str, Callable[[Path], StatementStore]] = {
    "file": lambda folder: open_store(folder / "record.db", dimension=DIMENSION, encoder_id="test"),
    "memory": lambda _: open_store(":memory:", dimension=DIMENSION, encoder_id="test"),
}


def axis(*numbers: int) -> FloatArray:
    """Unit vectors along the numbered axes, shape (len(numbers), DIMENSION)."""
    return np.eye(DIMENSION, dtype=np.float32)[list(numbers)]


def put(store: StatementStore, *texts: str, parent: str = PARENT) -> list[Statement]:
    created = store.create(
        parent, [StatementDraft(t) for t in texts], axis(*(i % DIMENSION for i in range(len(texts))))
    )
    assert all(isinstance(item, Statement) for item in created)
    return [item for item in created if isinstance(item, Statement)]
