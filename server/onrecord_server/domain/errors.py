"""Every error that a user can meet, as one tree. rpc/errors.py maps each to a gRPC status; nothing else does.

OnrecordError
├── InvalidInput           fields are wrong; all of them are listed at once
├── NotFound               no such statement
│   └── CollectionNotFound
├── AlreadyExists          the name is taken
│   └── CollectionExists
├── RequestIdReused        the request id was given to another request before
├── EtagMismatch           the resource has changed since it was read
├── CollectionNotEmpty     it still holds statements
├── ExportStalled          the reader of an export took nothing for too long
├── Overloaded             no room in the queue; come back after retry_after seconds
├── DeadlineTooShort       the caller's deadline passed
│   └── DeadlineUnreachable  it would have passed before the work was done, so nothing was done
├── StoreError             the record cannot be read or written
│   ├── StoreUnusable      not a record, from a newer version, no access (found at start)
│   ├── StoreDamaged       a statement or another part of it is damaged
│   ├── StoreReadOnly      may be read and not written
│   └── StoreFull          no room on the disk
├── ModelError             the model failed on this input
│   ├── ClaimTooLongForModel  the claim leaves no room for a premise
│   └── ModelUnusable      cannot be loaded, or fails its canary pair (found at start)
├── NotReady               the server is starting: its models are still being loaded
├── ShuttingDown           the server is draining
├── Unauthenticated        the call carries no token, or a wrong one
└── ConfigError            the server cannot start as configured (port in use, bad flag)

Messages are one line: what is wrong, where, and what to do. They never hold a traceback or another user's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One bad field: its path in the request ("claims[3].text"), a reason code, and what to do."""

    field: str
    reason: str
    message: str


class OnrecordError(Exception):
    """Base of all. `reason` is the ErrorInfo.reason on the wire, UPPER_SNAKE."""

    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(OnrecordError):
    """One or more fields are wrong. Each violation carries its own reason; the error's stays INVALID_FIELDS."""

    reason: ClassVar[str] = "INVALID_FIELDS"

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        if not violations:
            raise ValueError("InvalidInput needs at least one violation")
        self.violations = tuple(violations)
        first = self.violations[0]
        more = f" (and {len(self.violations) - 1} more)" if len(self.violations) > 1 else ""
        super().__init__(f"{first.field}: {first.message}{more}")


class NotFound(OnrecordError):
    """No such resource."""

    reason: ClassVar[str] = "STATEMENT_NOT_FOUND"

    def __init__(self, resource_name: str) -> None:
        super().__init__(f"{resource_name}: not on the record; list the collection to see what is")
        self.resource_name = resource_name


class AlreadyExists(OnrecordError):
    """The name is taken."""

    reason: ClassVar[str] = "STATEMENT_EXISTS"

    def __init__(self, resource_name: str) -> None:
        super().__init__(f"{resource_name}: the name is taken; leave it empty to have one chosen")
        self.resource_name = resource_name


class CollectionNotFound(NotFound):
    """No such collection."""

    reason: ClassVar[str] = "COLLECTION_NOT_FOUND"

    def __init__(self, resource_name: str) -> None:
        OnrecordError.__init__(
            self, f"{resource_name}: there is no such collection; list the collections to see what is"
        )
        self.resource_name = resource_name


class CollectionExists(AlreadyExists):
    """The collection's name is taken."""

    reason: ClassVar[str] = "COLLECTION_EXISTS"

    def __init__(self, resource_name: str) -> None:
        OnrecordError.__init__(
            self, f"{resource_name}: the name is taken; choose another id, or none to have one chosen"
        )
        self.resource_name = resource_name


class RequestIdReused(OnrecordError):
    """A request id that stands for another request in this collection already. Nothing was done."""

    reason: ClassVar[str] = "REQUEST_ID_REUSED"

    def __init__(self) -> None:
        super().__init__(
            "request_id: stands for another request already; give each request its own, and repeat one unchanged"
        )


class EtagMismatch(OnrecordError):
    """The resource has changed since the caller read it. Nothing was done."""

    reason: ClassVar[str] = "ETAG_MISMATCH"

    def __init__(self, resource_name: str) -> None:
        super().__init__(f"{resource_name}: has changed since the etag was read; read it again and decide anew")
        self.resource_name = resource_name


class CollectionNotEmpty(OnrecordError):
    """The collection still holds statements, and its deletion was not forced. Nothing was done."""

    reason: ClassVar[str] = "COLLECTION_NOT_EMPTY"

    def __init__(self, resource_name: str, statements: int) -> None:
        super().__init__(f"{resource_name}: holds {statements:,} statements; delete them first, or set force")
        self.resource_name = resource_name


class ExportStalled(OnrecordError):
    """Nobody took a message of the export for too long, and its view of the record was given up."""

    reason: ClassVar[str] = "EXPORT_STALLED"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the export: nothing was taken of it for {seconds:g} s; start again and read it through")


class Overloaded(OnrecordError):
    """No room in the queue. Nothing was done; come back after `retry_after` seconds."""

    reason: ClassVar[str] = "OVERLOADED"

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"the server has more work than it can take; retry in {retry_after:.1f} s")
        self.retry_after = retry_after


class DeadlineTooShort(OnrecordError):
    """The deadline passed before the work was done."""

    reason: ClassVar[str] = "DEADLINE_TOO_SHORT"


class DeadlineUnreachable(DeadlineTooShort):
    """The work would not be done before the deadline, so nothing was. `needed`, `left`: seconds.

    retry_after: seconds after which the same call would be in time; None when it would be too long for its deadline
    on an idle server.
    """

    reason: ClassVar[str] = "DEADLINE_UNREACHABLE"

    def __init__(self, needed: float, left: float, retry_after: float | None) -> None:
        then = "send less at once" if retry_after is None else f"retry in {retry_after:.1f} s"
        super().__init__(
            f"the deadline is in {left:.2g} s and an answer would take {needed:.2g} s; allow more or {then}"
        )
        self.needed = needed
        self.left = left
        self.retry_after = retry_after


class StoreError(OnrecordError):
    """The record cannot be read or written."""

    reason: ClassVar[str] = "STORE_FAILED"


class StoreUnusable(StoreError):
    """Not a record, from a newer version, or out of reach."""

    reason: ClassVar[str] = "STORE_UNUSABLE"


class StoreDamaged(StoreError):
    """A part of the record is damaged. part: the statement or collection, by name; "": the file, or not one alone."""

    reason: ClassVar[str] = "STORE_DAMAGED"

    def __init__(self, message: str, part: str = "") -> None:
        super().__init__(message)
        self.part = part


class StoreReadOnly(StoreError):
    """The record may be read and not written."""

    reason: ClassVar[str] = "STORE_READ_ONLY"


class StoreFull(StoreError):
    """No room on the disk; nothing of the request was kept."""

    reason: ClassVar[str] = "STORE_FULL"


class ModelError(OnrecordError):
    """The model failed on this input."""

    reason: ClassVar[str] = "MODEL_FAILED"


class ClaimTooLongForModel(ModelError):
    """The hypothesis alone fills what the model reads. A check answers with a typed reason instead."""

    reason: ClassVar[str] = "CLAIM_TOO_LONG"


class ModelUnusable(ModelError):
    """The model cannot be loaded, or is not what it says."""

    reason: ClassVar[str] = "MODEL_UNUSABLE"


class NotReady(OnrecordError):
    """The server is starting and cannot answer yet; health says NOT_SERVING until it can."""

    reason: ClassVar[str] = "NOT_READY"


class Unauthenticated(OnrecordError):
    """The call carries no token, or not the server's."""

    reason: ClassVar[str] = "UNAUTHENTICATED"


class ShuttingDown(OnrecordError):
    """The server is draining; another one, or this one after its restart, will answer."""

    reason: ClassVar[str] = "SHUTTING_DOWN"


class ConfigError(OnrecordError):
    """The server cannot start as configured."""

    reason: ClassVar[str] = "CONFIG"
