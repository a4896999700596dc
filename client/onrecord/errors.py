"""Every error that the client raises, as one tree. No gRPC class reaches the caller.

OnrecordError
├── InvalidArgument      fields are wrong, or a message is too large; `violations` lists all of them
├── NotFound             no such statement or collection; `resource_name`
├── AlreadyExists        the name is taken, or a request_id was used for something else; `resource_name`
├── FailedPrecondition   the server's state forbids it, for example a record that is read-only
├── Aborted              it was changed meanwhile (the etag is another one): read it again and decide anew
├── Unauthenticated      the token is missing or wrong
├── PermissionDenied     the token does not allow it
├── Retryable            may succeed when it is asked again; `retry_after`, seconds, None when the server did not say
│   ├── Overloaded           the server has no room now
│   ├── DeadlineExceeded     no answer in time
│   └── Unavailable          no server there, the connection broke, or the server is shutting down
├── Cancelled            the call was given up, for example because the client was closed meanwhile
├── ClientClosed         the client was used after it was closed
├── ClientMisplaced      the client was used in a forked process or an event loop where it cannot work
└── ServerError          the server failed, or answered what this client does not understand

`code` is the gRPC status as a word ("NOT_FOUND"), `reason` the server's own UPPER_SNAKE word for the case
("STATEMENT_NOT_FOUND"), empty when it gave none. Messages are one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from onrecord.types import ImportReport

__all__ = [
    "Aborted",
    "AlreadyExists",
    "Cancelled",
    "ClientClosed",
    "ClientMisplaced",
    "DeadlineExceeded",
    "FailedPrecondition",
    "FieldViolation",
    "InvalidArgument",
    "NotFound",
    "OnrecordError",
    "Overloaded",
    "PermissionDenied",
    "Retryable",
    "ServerError",
    "Unauthenticated",
    "Unavailable",
]


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One bad field: its path in the request ("claims[3].text"), what is wrong with it, and a reason code."""

    field: str
    message: str
    reason: str = ""


class OnrecordError(Exception):
    """Base of all errors of this package.

    `report`: set when an import broke off; what the server had acknowledged before.
    """

    default_code: ClassVar[str] = "UNKNOWN"

    def __init__(self, message: str, *, code: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.reason = reason
        self.report: ImportReport | None = None

    def to_dict(self) -> dict[str, object]:
        """For JSON: code, reason and message; a subclass adds its own."""
        return {"code": self.code, "reason": self.reason, "message": self.message}


class InvalidArgument(OnrecordError):
    """Fields are wrong, all listed in `violations`; empty when the request as a whole is (too large, say)."""

    default_code = "INVALID_ARGUMENT"

    def __init__(
        self, message: str, *, code: str = "", reason: str = "", violations: Sequence[FieldViolation] = ()
    ) -> None:
        super().__init__(message, code=code, reason=reason)
        self.violations = tuple(violations)

    @classmethod
    def of(cls, violations: Sequence[FieldViolation]) -> InvalidArgument:
        """From violations found before anything was sent."""
        first = violations[0]
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        return cls(f"{first.field}: {first.message}{more}", reason="INVALID_FIELDS", violations=violations)

    def to_dict(self) -> dict[str, object]:
        """With `violations`."""
        listed = [{"field": v.field, "message": v.message, "reason": v.reason} for v in self.violations]
        return {**super().to_dict(), "violations": listed}


class _ResourceError(OnrecordError):
    """An error about one resource, named in `resource_name`; empty where the server named none."""

    def __init__(self, message: str, *, code: str = "", reason: str = "", resource_name: str = "") -> None:
        super().__init__(message, code=code, reason=reason)
        self.resource_name = resource_name

    def to_dict(self) -> dict[str, object]:
        """With `resource_name`."""
        return {**super().to_dict(), "resource_name": self.resource_name}


class NotFound(_ResourceError):
    """No such statement or collection."""

    default_code = "NOT_FOUND"


class AlreadyExists(_ResourceError):
    """The name is taken, or the request_id was used for another request (reason REQUEST_ID_REUSED)."""

    default_code = "ALREADY_EXISTS"


class FailedPrecondition(_ResourceError):
    """The server's state forbids it; `resource_name` where it is that of one resource."""

    default_code = "FAILED_PRECONDITION"


class Aborted(_ResourceError):
    """It was changed meanwhile: its etag is not the one given (reason ETAG_MISMATCH). Nothing was done."""

    default_code = "ABORTED"


class Unauthenticated(OnrecordError):
    """The token is missing or wrong."""

    default_code = "UNAUTHENTICATED"


class PermissionDenied(OnrecordError):
    """The token does not allow it."""

    default_code = "PERMISSION_DENIED"


class Retryable(OnrecordError):
    """May succeed when it is asked again, after `retry_after` seconds where the server said so, else None."""

    default_code = "UNAVAILABLE"

    def __init__(self, message: str, *, code: str = "", reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, code=code, reason=reason)
        self.retry_after = retry_after

    def to_dict(self) -> dict[str, object]:
        """With `retry_after`."""
        return {**super().to_dict(), "retry_after": self.retry_after}


class Overloaded(Retryable):
    """No room on the server, even after the client's own retries."""

    default_code = "RESOURCE_EXHAUSTED"


class DeadlineExceeded(Retryable):
    """No answer in time.

    With the reason DEADLINE_UNREACHABLE the server was too busy for the deadline and did nothing: then `retry_after`
    is the seconds after which the same call may be in time, None when it would need a longer deadline in any case.
    """

    default_code = "DEADLINE_EXCEEDED"


class Unavailable(Retryable):
    """No server there, the connection broke, or the server is shutting down."""

    default_code = "UNAVAILABLE"


class Cancelled(OnrecordError):
    """The call was given up."""

    default_code = "CANCELLED"


class ClientClosed(OnrecordError):
    """The client was used after it was closed."""

    default_code = "CANCELLED"


class ClientMisplaced(OnrecordError):
    """The client was used in a forked process, or in another event loop than its own, where it cannot work."""

    default_code = "FAILED_PRECONDITION"


class ServerError(OnrecordError):
    """The server failed, or answered what this client does not understand."""

    default_code = "INTERNAL"
