"""What the server and a model's process say to each other: bytes that hold numbers and texts, nothing that could run.

A request: `_REQUEST` (kind, inputs), then for pairs 32-bit integers (length, hypothesis_start and unread of
each, then all ids), for texts a JSON list. An answer: `_ANSWER` (failed, rows, columns, padding) and 32-bit floats; one
that failed holds JSON instead. A document for the tagger, and what it found there, are JSON.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onrecord_server.domain.types import Span, TaggedAttribution
from onrecord_server.nli.base import EncodedPair, FloatArray

_REQUEST = struct.Struct("<BI")
_ANSWER = struct.Struct("<BIIQ")
_PAIRS, _TEXTS = 0, 1


@dataclass(frozen=True, slots=True)
class Request:
    """One batch: of `pairs` or of `texts`, the other is None."""

    pairs: Sequence[EncodedPair] | None
    texts: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Document:
    """What a Tagger is given."""

    text: str
    sentences: Sequence[Span]
    hints: Sequence[TaggedAttribution]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no result. kind: name of the error's class; trace: for the log."""

    kind: str
    message: str
    trace: str


def pack_pairs(batch: Sequence[EncodedPair]) -> bytes:
    """A request for scores."""
    lengths, starts = [len(pair) for pair in batch], [pair.hypothesis_start for pair in batch]
    unread = [int(pair.unread) for pair in batch]
    numbers = np.concatenate([np.asarray(row, "<i4") for row in (lengths, starts, unread, *(p.ids for p in batch))])
    return _REQUEST.pack(_PAIRS, len(batch)) + numbers.tobytes()


def pack_texts(texts: Sequence[str]) -> bytes:
    """A request for vectors. Lone surrogates arrive as they are."""
    return _REQUEST.pack(_TEXTS, len(texts)) + json.dumps(list(texts)).encode("ascii")


def unpack_request(message: bytes) -> Request:
    """The batch in a request. `truncated` is not sent: it concerns nobody who computes."""
    kind, count = _REQUEST.unpack_from(message)
    if kind == _TEXTS:
        return Request(None, json.loads(message[_REQUEST.size :]))
    numbers = np.frombuffer(message, "<i4", offset=_REQUEST.size).tolist()
    lengths, starts, unread = (numbers[i * count : (i + 1) * count] for i in range(3))
    pairs, at = [], 3 * count
    for length, start, mark in zip(lengths, starts, unread, strict=True):
        pairs.append(EncodedPair(tuple(numbers[at : at + length]), start, False, bool(mark)))
        at += length
    return Request(pairs, None)


def pack_rows(rows: FloatArray, padding: int) -> bytes:
    """An answer of shape (inputs, columns). padding: tokens that this batch was padded with."""
    return _ANSWER.pack(False, *rows.shape, padding) + np.ascontiguousarray(rows, "<f4").tobytes()


def pack_failure(failure: Failure) -> bytes:
    """An answer that says why there is none."""
    fields = {"kind": failure.kind, "message": failure.message, "trace": failure.trace}
    return _ANSWER.pack(True, 0, 0, 0) + json.dumps(fields).encode("ascii")


def unpack_answer(message: bytes) -> tuple[FloatArray, int] | Failure:
    """Rows of an answer, the caller's to write on, and the padding; or why there are none."""
    failed, rows, columns, padding = _ANSWER.unpack_from(message)
    if failed:
        return Failure(**json.loads(message[_ANSWER.size :]))
    return np.frombuffer(message, "<f4", offset=_ANSWER.size).reshape(rows, columns).copy(), padding


def pack_document(document: Document) -> bytes:
    """A request for attributions. Lone surrogates arrive as they are."""
    spans = [(span.start, span.end) for span in document.sentences]
    return json.dumps([document.text, spans, _plain(document.hints)]).encode("ascii")


def unpack_document(message: bytes) -> Document:
    """The document in a request."""
    text, spans, hints = json.loads(message)
    return Document(text, [Span(*span) for span in spans], _attributions(hints))


def pack_attributions(found: Sequence[TaggedAttribution]) -> bytes:
    """The answer to a document."""
    return _ANSWER.pack(False, 0, 0, 0) + json.dumps(_plain(found)).encode("ascii")


def unpack_attributions(message: bytes) -> list[TaggedAttribution] | Failure:
    """What was found, or why nothing was."""
    failed, *_ = _ANSWER.unpack_from(message)
    content = json.loads(message[_ANSWER.size :])
    return Failure(**content) if failed else _attributions(content)


def _plain(found: Sequence[TaggedAttribution]) -> list[Any]:
    """For JSON, which keeps floats as they are."""
    return [
        (
            one.source and (one.source.start, one.source.end),
            (one.cue.start, one.cue.end),
            [(span.start, span.end) for span in one.content],
            one.confidence,
        )
        for one in found
    ]


def _attributions(plain: list[Any]) -> list[TaggedAttribution]:
    return [
        TaggedAttribution(source and Span(*source), Span(*cue), tuple(Span(*span) for span in content), confidence)
        for source, cue, content, confidence in plain
    ]
