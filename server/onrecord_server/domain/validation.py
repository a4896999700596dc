"""What may enter the record, and what a claim may look like. Pure; every function reports all violations at once.

The checks are total: no `str`, however hostile, makes them raise. Messages say what is wrong and what to do, and never
repeat the caller's text.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from onrecord_server.domain import limits
from onrecord_server.domain.errors import FieldViolation, InvalidInput
from onrecord_server.domain.limits import Limit
from onrecord_server.domain.types import (
    DEFAULT_COLLECTION,
    CheckOptions,
    Claim,
    CollectionDraft,
    Source,
    State,
    StatementDraft,
    StatementFilter,
)

NO_SOURCE = Source()
"""A draft without a source has this very one where it was made from the wire: there is nothing to look at."""

if TYPE_CHECKING:
    from onrecord_server.domain.replay import PastCheck

_ID = "[a-z0-9][a-z0-9-]{0,62}"
_PARENT = re.compile(f"collections/{_ID}")
_NAME = re.compile(f"(collections/{_ID})/statements/{_ID}")
_ID_RULE = 'ids are 1 to 63 characters of a-z, 0-9 and "-", beginning with a letter or digit'

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]*")

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # C0, DEL and C1, but tab, line feed, carriage return
# Characters that print nothing although their category says letter, mark or symbol: fillers, joiners, variation
# selectors, the empty Braille cell (Unicode's Default_Ignorable_Code_Point beyond category Cf, plus U+2800).
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

_ACTIVE = State.ACTIVE  # looking a member up in its enum takes longer than all that is asked of it
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime(1, 1, 1, tzinfo=UTC) - _EPOCH
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - _EPOCH


def raise_if_any(violations: Sequence[FieldViolation]) -> None:
    """Raise InvalidInput with all the violations, if there are any."""
    if violations:
        raise InvalidInput(violations)


def text_violations(field: str, value: str, limit: Limit, *, required: bool) -> list[FieldViolation]:
    """What is wrong with one text field.

    Reasons: REQUIRED (empty), BLANK (nothing visible in it, in any script), the limit's own reason (too many code
    points), NOT_UNICODE (a lone surrogate), CONTROL_CHARACTER (any but tab, line feed and carriage return). An optional
    field may be empty, and not blank.
    """
    if not value:
        if not required:
            return []
        return [FieldViolation(field, "REQUIRED", f"is empty; give 1 to {limit.value:,} {limit.unit}")]
    # printable: no control character, no surrogate, no blank but the space; and it begins with something visible
    if (
        len(value) <= limit.value
        and value.isprintable()
        and value[0] != " "
        and (value.isascii() or not _INVISIBLE.match(value))
    ):
        return []  # as nearly all are; the rest looks closer
    found: list[FieldViolation] = []
    if len(value) > limit.value:
        message = f"has {len(value):,} {limit.unit}; shorten it to {limit.value:,}"
        found.append(FieldViolation(field, limit.reason, message))
    if surrogate := _SURROGATE.search(value):
        message = f"has a lone surrogate at code point {surrogate.start()}; send valid Unicode (UTF-8)"
        found.append(FieldViolation(field, "NOT_UNICODE", message))
    if control := _CONTROL.search(value):
        message = (
            f"has the control character U+{ord(control.group()):04X} at code point {control.start()}; "
            "of these only tabs and line breaks are accepted, remove it"
        )
        found.append(FieldViolation(field, "CONTROL_CHARACTER", message))
    if not found and _is_blank(value):
        remedy = "write something" if required else "leave it empty or write something"
        found.append(FieldViolation(field, "BLANK", f"has no visible character; {remedy}"))
    return found


def draft_violations(draft: StatementDraft, prefix: str = "statement", *, parent: str = "") -> list[FieldViolation]:
    """What is wrong with a statement. With `parent`, a name that lies elsewhere is wrong, too."""
    at = f"{prefix}." if prefix else ""
    found: list[FieldViolation] = []
    if draft.name:
        found += _name_violations(f"{at}name", draft.name, parent)
    if draft.state is not _ACTIVE or draft.superseded_by or draft.state_time is not None:
        found += _state_violations(draft, at, parent)
    # one by one, for imports spend their time here: what is empty is not looked at
    found += text_violations(f"{at}text", draft.text, limits.STATEMENT_CODE_POINTS, required=True)
    if draft.context:
        found += text_violations(f"{at}context", draft.context, limits.CONTEXT_CODE_POINTS, required=False)
    if name := draft.speaker.name:
        found += text_violations(f"{at}speaker.name", name, limits.NAME_CODE_POINTS, required=False)
    if draft.relayed_by:
        found += text_violations(f"{at}relayed_by", draft.relayed_by, limits.NAME_CODE_POINTS, required=False)
    if draft.document:
        found += text_violations(f"{at}document", draft.document, limits.NAME_CODE_POINTS, required=False)
    if draft.original:
        found += text_violations(f"{at}original", draft.original, limits.STATEMENT_CODE_POINTS, required=False)
    if aliases := draft.speaker.aliases:
        found += _list_violations(f"{at}speaker.aliases", aliases, limits.ALIASES, limits.NAME_CODE_POINTS)
    if draft.labels:
        found += _list_violations(f"{at}labels", draft.labels, limits.LABELS, limits.LABEL_CODE_POINTS)
    if draft.source is not NO_SOURCE:
        found += source_violations(draft.source, f"{at}source")
    if draft.stated_time is not None or draft.valid_from is not None or draft.valid_until is not None:
        found += _validity_violations(draft, at)
    span = draft.original_span
    if span is not None and not 0 <= span.start <= span.end < 2**31:
        message = "does not run forwards; start is at least 0 and end at least start"
        found.append(FieldViolation(f"{at}original_span", "OUT_OF_RANGE", message))
    return found


def source_violations(source: Source, prefix: str = "source") -> list[FieldViolation]:
    """What is wrong with a source."""
    at = f"{prefix}." if prefix else ""
    found: list[FieldViolation] = []
    if source.uri:
        found += text_violations(f"{at}uri", source.uri, limits.URI_CODE_POINTS, required=False)
    if source.title:
        found += text_violations(f"{at}title", source.title, limits.TITLE_CODE_POINTS, required=False)
    if source.publisher:
        found += text_violations(f"{at}publisher", source.publisher, limits.NAME_CODE_POINTS, required=False)
    if source.publish_time is not None:
        found += time_violations(f"{at}publish_time", source.publish_time)
    return found


def collection_violations(draft: CollectionDraft, prefix: str = "collection") -> list[FieldViolation]:
    """What is wrong with a collection's own fields."""
    at = f"{prefix}." if prefix else ""
    display, description = limits.NAME_CODE_POINTS, limits.DESCRIPTION_CODE_POINTS
    return [
        *text_violations(f"{at}display_name", draft.display_name, display, required=False),
        *text_violations(f"{at}description", draft.description, description, required=False),
    ]


def request_id_violations(value: str, field: str = "request_id") -> list[FieldViolation]:
    """What is wrong with a request id; an empty one is none."""
    limit = limits.REQUEST_ID_CHARACTERS
    if len(value) > limit.value:
        return [FieldViolation(field, limit.reason, f"has {len(value):,} characters; shorten it to {limit.value}")]
    if value and not _REQUEST_ID.fullmatch(value):
        message = "has a character that it may not have; use A-Z, a-z, 0-9, and ._:/+=@- after the first"
        return [FieldViolation(field, "INVALID_REQUEST_ID", message)]
    return []


def etag_violations(value: str, field: str = "etag") -> list[FieldViolation]:
    """What is wrong with an etag that a caller sends. One that was never given is not wrong: it only does not match."""
    return text_violations(field, value, limits.ETAG_CODE_POINTS, required=False)


def claim_violations(claim: Claim, prefix: str = "claim") -> list[FieldViolation]:
    """What is wrong with a claim."""
    at = f"{prefix}." if prefix else ""
    return [
        *text_violations(f"{at}text", claim.text, limits.CLAIM_CODE_POINTS, required=True),
        *text_violations(f"{at}speaker", claim.speaker, limits.NAME_CODE_POINTS, required=False),
        *time_violations(f"{at}as_of", claim.as_of),
        *(filter_violations(claim.filter, f"{at}filter") if claim.filter is not None else ()),
    ]


def filter_violations(chosen: StatementFilter, prefix: str = "filter") -> list[FieldViolation]:
    """What is wrong with a filter. An empty speaker is the narrator without a name; other empty values are wrong."""
    at = f"{prefix}." if prefix else ""
    count, name = limits.FILTER_VALUES, limits.NAME_CODE_POINTS
    found = _list_violations(f"{at}speakers", chosen.speakers, count, name, required=False)
    found += _list_violations(f"{at}publishers", chosen.publishers, count, name)
    found += _list_violations(f"{at}labels", chosen.labels, count, limits.LABEL_CODE_POINTS)
    if len(chosen.states) > count.value:
        message = f"has {len(chosen.states):,} {count.unit}; keep at most {count.value}"
        found.append(FieldViolation(f"{at}states", count.reason, message))
    times = [
        *time_violations(f"{at}stated_from", chosen.stated_from),
        *time_violations(f"{at}stated_until", chosen.stated_until),
    ]
    if not times and chosen.stated_from and chosen.stated_until and chosen.stated_until < chosen.stated_from:
        message = "is before stated_from; exchange the two or leave one out"
        times.append(FieldViolation(f"{at}stated_until", "OUT_OF_RANGE", message))
    return found + times


def past_violations(past: PastCheck, prefix: str = "result") -> list[FieldViolation]:
    """What is wrong with what was kept of a check, as far as a replay reads it."""
    at, then = f"{prefix}.provenance", past.provenance
    found = options_violations(then.options, f"{at}.options")
    found += options_violations(then.requested_options, f"{at}.requested_options")
    for field in ("model_id", "model_revision", "encoder_id", "encoder_revision", "server_version"):
        found += text_violations(f"{at}.{field}", getattr(then, field), limits.URI_CODE_POINTS, required=False)
    for field in ("calibration_revision", "weighing_revision", "precision", "record_id"):
        found += text_violations(f"{at}.{field}", getattr(then, field), limits.NAME_CODE_POINTS, required=False)
    for field in ("switched_off", "switched_on"):
        found += _list_violations(f"{at}.{field}", getattr(then, field), limits.FILTER_VALUES, limits.NAME_CODE_POINTS)
    for field in ("as_of", "check_time"):
        found += time_violations(f"{at}.{field}", getattr(then, field))
    if then.filter is not None:
        found += filter_violations(then.filter, f"{at}.filter")
    if then.collection and not _PARENT.fullmatch(then.collection):
        message = f'is not "collections/{{collection}}"; {_ID_RULE}'
        found.append(FieldViolation(f"{at}.collection", "INVALID_RESOURCE_NAME", message))
    if then.store_revision < 0:
        found.append(FieldViolation(f"{at}.store_revision", "OUT_OF_RANGE", "is negative; send it as it came"))
    most = limits.MAX_EVIDENCE
    if len(past.evidence) > most.value:
        message = f"has {len(past.evidence):,} {most.unit}; keep at most {most.value}"
        found.append(FieldViolation(f"{prefix}.evidence", most.reason, message))
    return found


def search_violations(
    query: str, page_size: int, chosen: StatementFilter | None, least: float | None
) -> list[FieldViolation]:
    """What is wrong with a search. page_size: 0 is the default; least: of the similarity, None for none."""
    found = text_violations("query", query, limits.QUERY_CODE_POINTS, required=True)
    found += filter_violations(chosen) if chosen is not None else []
    if page_size < 0:
        message = f"is {page_size}; choose 0 (the default) to {limits.PAGE_SIZE.value:,}"
        found.append(FieldViolation("page_size", "OUT_OF_RANGE", message))
    if least is not None and not (math.isfinite(least) and -1 <= least <= 1):
        found.append(FieldViolation("min_similarity", "OUT_OF_RANGE", "is not a number from -1 to 1; choose one"))
    return found


def options_violations(options: CheckOptions, prefix: str = "options") -> list[FieldViolation]:
    """What is wrong with the options of a check. None is never wrong: it takes the default."""
    at = f"{prefix}." if prefix else ""
    found: list[FieldViolation] = []
    for field, value, low in (
        ("support_threshold", options.support_threshold, 0),
        ("contradiction_threshold", options.contradiction_threshold, 0),
        ("contradiction_margin", options.contradiction_margin, 0),
        ("topic_threshold", options.topic_threshold, -1),
    ):
        if value is not None and not (math.isfinite(value) and low <= value <= 1):
            found.append(FieldViolation(at + field, "OUT_OF_RANGE", f"is not a number from {low} to 1; choose one"))
    count, most = options.max_evidence, limits.MAX_EVIDENCE
    if count is not None and not 0 <= count <= most.value:
        reason = most.reason if count > most.value else "OUT_OF_RANGE"
        found.append(FieldViolation(f"{at}max_evidence", reason, f"is {count}; choose 0 to {most.value}"))
    return found


def parse_parent(value: str, field: str = "parent") -> str:
    """The collection's resource name; the default collection for "". Raises InvalidInput."""
    if not value:
        return DEFAULT_COLLECTION
    if not _PARENT.fullmatch(value):
        message = f'is not "collections/{{collection}}"; {_ID_RULE}'
        raise InvalidInput([FieldViolation(field, "INVALID_RESOURCE_NAME", message)])
    return value


def parse_collection(value: str, field: str = "name") -> str:
    """A collection's resource name, which must be given. Raises InvalidInput."""
    if not value:
        raise InvalidInput([FieldViolation(field, "REQUIRED", 'is empty; give "collections/{collection}"')])
    return parse_parent(value, field)


def parse_collection_id(value: str, field: str = "collection_id") -> str:
    """The resource name that an id makes; "" for none. Raises InvalidInput."""
    return parse_parent(f"collections/{value}", field) if value else ""


def parse_name(value: str, field: str = "name") -> str:
    """A statement's resource name, "collections/{collection}/statements/{statement}". Raises InvalidInput."""
    raise_if_any(_name_violations(field, value, ""))
    return value


def parent_of(name: str) -> str:
    """The collection that a valid statement name lies in."""
    return name.partition("/statements/")[0]


def _name_violations(field: str, name: str, parent: str) -> list[FieldViolation]:
    match = _NAME.fullmatch(name)
    if not match:
        message = f'is not "collections/{{collection}}/statements/{{statement}}"; {_ID_RULE}'
        return [FieldViolation(field, "INVALID_RESOURCE_NAME", message)]
    if parent and match.group(1) != parent:
        message = "lies in another collection than the parent; name a statement under the parent, or leave it empty"
        return [FieldViolation(field, "WRONG_PARENT", message)]
    return []


def _state_violations(draft: StatementDraft, at: str, parent: str) -> list[FieldViolation]:
    found = time_violations(f"{at}state_time", draft.state_time)
    if draft.state is State.ACTIVE and draft.state_time is not None:
        message = "is set for a statement that is active; leave it empty, or set the state"
        found.append(FieldViolation(f"{at}state_time", "WRONG_STATE", message))
    field, successor = f"{at}superseded_by", draft.superseded_by
    if draft.state is not State.SUPERSEDED:
        if successor:
            message = "is set for a statement that is not superseded; leave it empty, or set the state"
            found.append(FieldViolation(field, "WRONG_STATE", message))
        return found
    if not successor:
        return [*found, FieldViolation(field, "REQUIRED", "is empty; name the statement that took its place")]
    if successor == draft.name:
        return [*found, FieldViolation(field, "NO_SUCCESSOR", "is the statement itself; name another")]
    return found + _name_violations(field, successor, parent or parent_of(draft.name))


def _list_violations(
    field: str, values: Sequence[str], count: Limit, each: Limit, *, required: bool = True
) -> list[FieldViolation]:
    if len(values) > count.value:  # the items are not looked at: there may be a million of them
        message = f"has {len(values):,} {count.unit}; keep at most {count.value}"
        return [FieldViolation(field, count.reason, message)]
    return [
        v for i, value in enumerate(values) for v in text_violations(f"{field}[{i}]", value, each, required=required)
    ]


def _validity_violations(draft: StatementDraft, at: str) -> list[FieldViolation]:
    found = [
        *time_violations(f"{at}stated_time", draft.stated_time),
        *time_violations(f"{at}valid_from", draft.valid_from),
        *time_violations(f"{at}valid_until", draft.valid_until),
    ]
    if not found and draft.valid_from and draft.valid_until and draft.valid_until < draft.valid_from:
        message = "is before valid_from; exchange the two or leave one out"
        found.append(FieldViolation(f"{at}valid_until", "OUT_OF_RANGE", message))
    return found


def time_violations(field: str, value: datetime | None) -> list[FieldViolation]:
    """What is wrong with a time: no zone, or outside the years 1 to 9999."""
    if value is None:
        return []
    if value.utcoffset() is None:
        return [FieldViolation(field, "NO_TIME_ZONE", "has no time zone; give it in UTC")]
    if not _FIRST <= value - _EPOCH <= _LAST:
        return [FieldViolation(field, "OUT_OF_RANGE", "lies outside the years 1 to 9999 in UTC; correct it")]
    return []


def _is_blank(value: str) -> bool:
    """Whether nothing in the text can be seen: only separators, controls, format characters and fillers."""
    return all(unicodedata.category(c) in _BLANK_CATEGORIES or _INVISIBLE.match(c) for c in value)


_BLANK_CATEGORIES = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
