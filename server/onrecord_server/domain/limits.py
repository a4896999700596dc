"""Every limit, in one place: name, value, unit and the reason code of what exceeds it. docs/limits.md explains them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest accepted value, its unit, and the reason code that a request beyond it gets."""

    name: str
    value: int
    unit: str
    reason: str


CLAIM_CODE_POINTS = Limit("claim_code_points", 2_000, "code points", "CLAIM_TOO_LONG")
STATEMENT_CODE_POINTS = Limit("statement_code_points", 8_000, "code points", "STATEMENT_TOO_LONG")
CONTEXT_CODE_POINTS = Limit("context_code_points", 2_000, "code points", "CONTEXT_TOO_LONG")
DOCUMENT_CODE_POINTS = Limit("document_code_points", 200_000, "code points", "DOCUMENT_TOO_LONG")
NAME_CODE_POINTS = Limit("name_code_points", 200, "code points", "NAME_TOO_LONG")
URI_CODE_POINTS = Limit("uri_code_points", 2_000, "code points", "URI_TOO_LONG")
TITLE_CODE_POINTS = Limit("title_code_points", 1_000, "code points", "TITLE_TOO_LONG")
ALIASES = Limit("aliases", 32, "items", "TOO_MANY_ALIASES")
LABELS = Limit("labels", 32, "items", "TOO_MANY_LABELS")
LABEL_CODE_POINTS = Limit("label_code_points", 100, "code points", "LABEL_TOO_LONG")
BATCH_CLAIMS = Limit("batch_claims", 256, "items", "TOO_MANY_CLAIMS")
BATCH_PAIRS = Limit("batch_pairs", 256, "items", "TOO_MANY_PAIRS")
IMPORT_CHUNK = Limit("import_statements_per_message", 500, "items", "TOO_MANY_STATEMENTS")
PAGE_SIZE = Limit("page_size", 1_000, "items", "")  # larger ones are read as this, as AIP-158 asks
MAX_EVIDENCE = Limit("max_evidence", 32, "items", "TOO_MUCH_EVIDENCE")
MESSAGE_BYTES = Limit("message_bytes", 4 * 1024 * 1024, "bytes", "MESSAGE_TOO_LARGE")

ALL_LIMITS = (
    CLAIM_CODE_POINTS,
    STATEMENT_CODE_POINTS,
    CONTEXT_CODE_POINTS,
    DOCUMENT_CODE_POINTS,
    NAME_CODE_POINTS,
    URI_CODE_POINTS,
    TITLE_CODE_POINTS,
    ALIASES,
    LABELS,
    LABEL_CODE_POINTS,
    BATCH_CLAIMS,
    BATCH_PAIRS,
    IMPORT_CHUNK,
    PAGE_SIZE,
    MAX_EVIDENCE,
    MESSAGE_BYTES,
)
