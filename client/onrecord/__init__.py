"""onrecord checks claims against attributed statements on the record, over gRPC.

    >>> import onrecord
    >>> with onrecord.Client("127.0.0.1:50051") as client:  # doctest: +SKIP
    ...     client.check("China respects Afghanistan's sovereignty.").verdict
    <Verdict.SUPPORTED: 'SUPPORTED'>

Types are in `onrecord.types`, errors in `onrecord.errors`; all of them are here, too. Names are loaded when they
are first used: importing this package loads neither gRPC nor a model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onrecord.async_client import AsyncClient
    from onrecord.client import Client
    from onrecord.errors import (
        Aborted,
        AlreadyExists,
        Cancelled,
        ClientClosed,
        ClientMisplaced,
        DeadlineExceeded,
        FailedPrecondition,
        FieldViolation,
        InvalidArgument,
        NotFound,
        OnrecordError,
        Overloaded,
        PermissionDenied,
        Retryable,
        ServerError,
        Unauthenticated,
        Unavailable,
    )
    from onrecord.types import (
        AmbiguousName,
        ChangeKind,
        CheckOptions,
        CheckResult,
        Claim,
        ClaimAttribution,
        ClaimPart,
        Collection,
        Evidence,
        ImportFailure,
        ImportReport,
        IngestReport,
        Limit,
        ModelInfo,
        NliScores,
        PairScore,
        Progress,
        Provenance,
        Reason,
        Relation,
        Replay,
        ReplayChange,
        SearchResult,
        ServerInfo,
        Source,
        Speaker,
        Stance,
        State,
        Statement,
        StatementChange,
        StatementChangeKind,
        StatementFilter,
        StatementPage,
        Superseded,
        TextSpan,
        Timings,
        Verdict,
    )

__all__ = [
    "Aborted",
    "AlreadyExists",
    "AmbiguousName",
    "AsyncClient",
    "Cancelled",
    "ChangeKind",
    "CheckOptions",
    "CheckResult",
    "Claim",
    "ClaimAttribution",
    "ClaimPart",
    "Client",
    "ClientClosed",
    "ClientMisplaced",
    "Collection",
    "DeadlineExceeded",
    "Evidence",
    "FailedPrecondition",
    "FieldViolation",
    "ImportFailure",
    "ImportReport",
    "IngestReport",
    "InvalidArgument",
    "Limit",
    "ModelInfo",
    "NliScores",
    "NotFound",
    "OnrecordError",
    "Overloaded",
    "PairScore",
    "PermissionDenied",
    "Progress",
    "Provenance",
    "Reason",
    "Relation",
    "Replay",
    "ReplayChange",
    "Retryable",
    "SearchResult",
    "ServerError",
    "ServerInfo",
    "Source",
    "Speaker",
    "Stance",
    "State",
    "Statement",
    "StatementChange",
    "StatementChangeKind",
    "StatementFilter",
    "StatementPage",
    "Superseded",
    "TextSpan",
    "Timings",
    "Unauthenticated",
    "Unavailable",
    "Verdict",
    "__version__",
]

_CLIENTS = {"AsyncClient": "async_client", "Client": "client"}
_ERRORS = frozenset(
    {
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
    }
)


def __getattr__(name: str) -> object:
    # deferred, so that `import onrecord` and `onrecord --help` cost next to nothing
    if name == "__version__":
        from importlib import metadata

        try:
            return metadata.version("onrecord")
        except metadata.PackageNotFoundError:
            return "0+source"
    if name not in __all__:
        raise AttributeError(f"module 'onrecord' has no attribute {name!r}")
    module = _CLIENTS.get(name) or ("errors" if name in _ERRORS else "types")
    value: object = getattr(importlib.import_module(f"onrecord.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
