"""Every limit in one place: name, value, unit, the reason code of what exceeds it, and why. docs/limits.md has them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest accepted value, its unit, the reason code that a request beyond it gets, and why it is there."""

    name: str
    value: int
    unit: str
    reason: str
    why: str = ""


CLAIM_CODE_POINTS = Limit(
    "claim_code_points",
    2_000,
    "code points",
    "CLAIM_TOO_LONG",
    "A few sentences; what is longer is several claims, and more than the model reads at once.",
)
STATEMENT_CODE_POINTS = Limit(
    "statement_code_points",
    8_000,
    "code points",
    "STATEMENT_TOO_LONG",
    "One proposition, or a long quotation; longer texts are documents and are ingested.",
)
CONTEXT_CODE_POINTS = Limit(
    "context_code_points",
    2_000,
    "code points",
    "CONTEXT_TOO_LONG",
    "Context only makes a text unambiguous; it is no evidence and need not be long.",
)
DOCUMENT_CODE_POINTS = Limit(
    "document_code_points",
    200_000,
    "code points",
    "DOCUMENT_TOO_LONG",
    "A long article or a speech; its statements are put on the record in one transaction.",
)
NAME_CODE_POINTS = Limit(
    "name_code_points",
    200,
    "code points",
    "NAME_TOO_LONG",
    "The longest names of people, papers and ministries, with room.",
)
URI_CODE_POINTS = Limit(
    "uri_code_points",
    2_000,
    "code points",
    "URI_TOO_LONG",
    "What browsers and servers agree to carry.",
)
TITLE_CODE_POINTS = Limit(
    "title_code_points",
    1_000,
    "code points",
    "TITLE_TOO_LONG",
    "A headline and its subtitle.",
)
ALIASES = Limit(
    "aliases",
    32,
    "items",
    "TOO_MANY_ALIASES",
    "Each is compared with the speaker that a claim names.",
)
LABELS = Limit(
    "labels",
    32,
    "items",
    "TOO_MANY_LABELS",
    "Labels are for finding statements, not for storing data.",
)
LABEL_CODE_POINTS = Limit(
    "label_code_points",
    100,
    "code points",
    "LABEL_TOO_LONG",
    "A label is a word or two.",
)
FILTER_VALUES = Limit(
    "filter_values",
    32,
    "items",
    "TOO_MANY_VALUES",
    "Of each list of a filter: each value is looked for in every statement.",
)
QUERY_CODE_POINTS = Limit(
    "query_code_points",
    2_000,
    "code points",
    "QUERY_TOO_LONG",
    "As a claim: a few sentences are as much as the encoder reads.",
)
SEARCH_RESULTS = Limit(
    "search_results",
    1_000,
    "items",
    "",
    "All pages of a search together; what is further down is hardly about it. Listings have no end.",
)
BATCH_CLAIMS = Limit(
    "batch_claims",
    256,
    "items",
    "TOO_MANY_CLAIMS",
    "Bounds the work and the answer of one call; more claims go in several calls, which run side by side.",
)
BATCH_PAIRS = Limit(
    "batch_pairs",
    256,
    "items",
    "TOO_MANY_PAIRS",
    "Bounds the work of one call; more pairs go in several calls.",
)
STREAM_CLAIMS = Limit(
    "stream_claims_ahead",
    64,
    "items",
    "",
    "Claims of one stream that are read before the answer to the first is taken; further ones wait in the transport.",
)
IMPORT_CHUNK = Limit(
    "import_statements_per_message",
    500,
    "items",
    "TOO_MANY_STATEMENTS",
    "One message is one transaction; a stream may have any number of messages.",
)
IMPORT_AHEAD = Limit(
    "import_messages_ahead",
    8,
    "items",
    "",
    "Messages of one import that are read before the answer to the first; further ones wait in the transport.",
)
REQUEST_ID_CHARACTERS = Limit(
    "request_id_characters",
    128,
    "code points",
    "REQUEST_ID_TOO_LONG",
    "A UUID and more; each is kept beside its answer.",
)
REQUEST_IDS = Limit(
    "request_ids_kept",
    200_000,
    "items",
    "",
    "Of more, the oldest are forgotten, so that the record does not grow with them.",
)
REQUEST_ID_HOURS = Limit(
    "request_id_hours",
    24,
    "hours",
    "",
    "Long enough for whoever repeats a request to have noticed; later, the id is a new one.",
)
ETAG_CODE_POINTS = Limit(
    "etag_code_points",
    64,
    "code points",
    "ETAG_TOO_LONG",
    "Longer than any that the server gives.",
)
MASK_PATHS = Limit(
    "update_mask_paths",
    64,
    "items",
    "TOO_MANY_PATHS",
    "More than there are fields.",
)
DESCRIPTION_CODE_POINTS = Limit(
    "description_code_points",
    2_000,
    "code points",
    "DESCRIPTION_TOO_LONG",
    "A paragraph on what a collection holds.",
)
EXPORTS = Limit(
    "exports_at_once",
    8,
    "items",
    "",
    "Each keeps a view of the record as it was, which the file grows by while others write; further ones are refused.",
)
EXPORT_PATIENCE = Limit(
    "export_patience",
    60,
    "seconds",
    "",
    "An export of which nothing is taken for so long is given up, for the same reason.",
)
PAGE_SIZE = Limit(
    "page_size",
    1_000,
    "items",
    "",
    "A larger page is read as this one; a page may also be shorter to fit a message.",
)
MAX_EVIDENCE = Limit(
    "max_evidence",
    32,
    "items",
    "TOO_MUCH_EVIDENCE",
    "More than a reader looks at, and no more than a check scores.",
)
MESSAGE_BYTES = Limit(
    "message_bytes",
    4 * 1024 * 1024,
    "bytes",
    "MESSAGE_TOO_LARGE",
    "gRPC's own default, so that every client and proxy passes what the server accepts.",
)

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
    FILTER_VALUES,
    QUERY_CODE_POINTS,
    SEARCH_RESULTS,
    BATCH_CLAIMS,
    BATCH_PAIRS,
    STREAM_CLAIMS,
    IMPORT_CHUNK,
    IMPORT_AHEAD,
    REQUEST_ID_CHARACTERS,
    REQUEST_IDS,
    REQUEST_ID_HOURS,
    ETAG_CODE_POINTS,
    MASK_PATHS,
    DESCRIPTION_CODE_POINTS,
    EXPORTS,
    EXPORT_PATIENCE,
    PAGE_SIZE,
    MAX_EVIDENCE,
    MESSAGE_BYTES,
)
