"""Nearest neighbours among unit vectors, in memory, exact. Rebuilt from the rows at start."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from onrecord_server.store.filtering import Passing

FloatArray = npt.NDArray[np.float32]
IdArray = npt.NDArray[np.int64]

# Below this many vectors numpy is as fast, and the 0.2 s that importing faiss takes is saved.
_NUMPY_UP_TO = 2_000

_LONGEST = 1.1  # square of a unit vector's length, and what half precision adds to it


def to_blob(vector: FloatArray) -> bytes:
    """A vector as stored: half precision, little-endian. Moves a cosine by less than 0.001."""
    return vector.astype("<f2").tobytes()


def from_blobs(blobs: Sequence[bytes | None], dimension: int) -> tuple[FloatArray, list[int]]:
    """Stored vectors, shape (n, dimension), and their places among the blobs: those that are there and sound.

    A unit vector of this width is sound: no other length in bytes, no NaN, no infinity, nothing longer than one.
    """
    places = [place for place, blob in enumerate(blobs) if isinstance(blob, bytes) and len(blob) == 2 * dimension]
    whole = b"".join(blobs[place] or b"" for place in places)
    vectors = np.frombuffer(whole, dtype="<f2").reshape(len(places), dimension).astype(np.float32)
    with np.errstate(all="ignore"):
        sound = np.einsum("ij,ij->i", vectors, vectors) <= _LONGEST
    if sound.all():
        return vectors, places
    return vectors[sound], [place for place, one in zip(places, sound.tolist(), strict=True) if one]


class VectorIndex:
    """The vectors of one collection by row id. Thread-safe.

    Up to 2,000 vectors a matrix, above that a FAISS flat index with half-precision codes. One thread a query, on
    purpose: a scan is bound by memory, and OpenMP's spinning workers would take the cores that the models compute on.
    """

    def __init__(self, dimension: int) -> None:
        self._lock = threading.Lock()
        self._ids: IdArray = np.empty(0, np.int64)
        self._matrix: FloatArray = np.empty((0, dimension), np.float32)
        self._faiss: Any = None

    def __len__(self) -> int:
        with self._lock:
            return self._faiss.ntotal if self._faiss is not None else len(self._ids)

    def add(self, ids: Sequence[int] | IdArray, vectors: FloatArray) -> None:
        """Add vectors, shape (len(ids), dimension). The ids are new."""
        new = np.asarray(ids, np.int64)
        with self._lock:
            if self._faiss is None and len(self._ids) + len(new) <= _NUMPY_UP_TO:
                self._ids = np.concatenate([self._ids, new])
                self._matrix = np.concatenate([self._matrix, vectors])
                return
            if self._faiss is None:
                self._faiss = _new_faiss(self._matrix.shape[1])
                if len(self._ids):
                    self._faiss.add_with_ids(self._matrix, self._ids)
                self._ids, self._matrix = self._ids[:0], self._matrix[:0]
            self._faiss.add_with_ids(np.ascontiguousarray(vectors), new)

    def remove(self, row_id: int) -> None:
        """Forget a vector; nothing happens when it is not there."""
        with self._lock:
            if self._faiss is not None:
                self._faiss.remove_ids(np.array([row_id], np.int64))
                return
            keep = self._ids != row_id
            self._ids, self._matrix = self._ids[keep], self._matrix[keep]

    def search(self, vector: FloatArray, limit: int, among: Passing | None = None) -> list[int]:
        """Row ids of the `limit` vectors with the largest inner product, best first.

        among: keep to these. None is missed however few they are: the filter is asked before a vector is looked at.
        """
        with self._lock:
            if self._faiss is not None:
                return _search_faiss(self._faiss, vector, limit, among)
            ids, matrix = self._ids, self._matrix
        if among is not None:
            keep = np.isin(ids, among.ids, assume_unique=True)
            ids, matrix = ids[keep], matrix[keep]
        # einsum and not `@`: BLAS would wake its threads for this
        scores = np.einsum("ij,j->i", matrix, vector)
        return [int(i) for i in ids[np.argsort(-scores, kind="stable")[:limit]]]


def _new_faiss(dimension: int) -> Any:
    import faiss

    flat = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    return faiss.IndexIDMap(flat)


def _search_faiss(index: Any, vector: FloatArray, limit: int, among: Passing | None) -> list[int]:
    import faiss

    faiss.omp_set_num_threads(1)  # a setting of the calling thread
    how = None
    if among is not None:
        if not len(among):
            return []
        limit = min(limit, len(among))
        library: Any = faiss  # its stubs have the signatures of C++, not those it has in Python
        how = library.SearchParameters(sel=library.IDSelectorBitmap(among.bitmap))
    _, ids = index.search(np.ascontiguousarray(vector).reshape(1, -1), min(limit, index.ntotal), params=how)
    return [int(i) for i in ids[0] if i >= 0]
