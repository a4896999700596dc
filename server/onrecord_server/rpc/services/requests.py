"""What several methods of StatementService read of a request: its id, its mask, its statements."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from google.protobuf.message import Message

from onrecord.v1 import statement_service_pb2 as pb
from onrecord.v1.statement_pb2 import Statement as WireStatement
from onrecord_server.domain import masks
from onrecord_server.domain.errors import FieldViolation, InvalidInput, OnrecordError
from onrecord_server.domain.types import RequestKey, StatementDraft
from onrecord_server.domain.validation import draft_violations, raise_if_any, request_id_violations
from onrecord_server.rpc.convert import draft_from_proto

Many = pb.BatchCreateStatementsRequest | pb.ImportStatementsRequest | pb.StreamImportStatementsRequest

_PLACE = re.compile(r"^statement(s\[\d+\])?(?=\.)")


def create_key(request: pb.CreateStatementRequest | pb.CreateCollectionRequest) -> RequestKey | None:
    """The key of a creation; None without an id. Raises InvalidInput."""
    return _key(request, type(request).__name__)


def many_key(message: Many) -> RequestKey | None:
    """The key of a message of statements, the same whatever method brings it; None without an id.

    Raises InvalidInput. `defer_index` is left out: it changes when something is done, and not what is answered.
    """
    if not message.request_id:
        return None
    raise_if_any(request_id_violations(message.request_id))
    # the three kinds number their fields alike; what is left out is taken out for a moment, for a copy takes longer
    parent, defer_index = message.parent, message.defer_index
    message.ClearField("parent")
    message.ClearField("defer_index")
    try:
        return _key(message, "statements")
    finally:
        message.parent, message.defer_index = parent, defer_index


def _key(request: Message, kind: str) -> RequestKey | None:
    request_id: str = getattr(request, "request_id")  # noqa: B009 - of several messages
    if not request_id:
        return None
    raise_if_any(request_id_violations(request_id))
    digest = hashlib.sha256(kind.encode() + b"\0" + request.SerializeToString(deterministic=True)).digest()
    return RequestKey(request_id, digest)


def paths_of(
    message: Message, mask: Sequence[str], fields: Mapping[str, Sequence[str]], fixed: frozenset[str]
) -> list[str]:
    """The paths that an update changes. Raises InvalidInput for a path that names nothing of the kind."""
    raise_if_any(masks.mask_violations(mask, fields, fixed))
    return masks.chosen(mask, [descriptor.name for descriptor, _ in message.ListFields()], fields)


def convert(message: WireStatement) -> StatementDraft | InvalidInput:
    """The draft, or every violation of it when a field has no counterpart in the domain."""
    violations: list[FieldViolation] = []
    draft = draft_from_proto(message, "statement", violations)
    if violations:
        return InvalidInput([*violations, *draft_violations(draft)])
    return draft


def placed(error: OnrecordError, index: int) -> OnrecordError:
    """The error with its fields at the statement's place in the stream, whatever part of it found them to be wrong."""
    if not isinstance(error, InvalidInput):
        return error
    place = f"statements[{index}]"
    return InvalidInput([replace(found, field=_PLACE.sub(place, found.field)) for found in error.violations])
