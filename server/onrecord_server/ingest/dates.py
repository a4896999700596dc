"""The head of a document: a date line or a dateline, read into a time and left out of the text."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from onrecord_server.ingest.lexicon import MONTHS

_MONTH = "|".join([*(m.capitalize() for m in MONTHS), *(m[:3].capitalize() for m in MONTHS), "Sept"])
_ISO = (
    r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})"
    r"(?:[T ](?P<hour>\d{2}):(?P<minute>\d{2})(?::\d{2}(?:\.\d+)?)?(?: ?(?:Z|UTC|GMT))?)?"
)
_LONG = (
    rf"(?:(?P<day2>\d{{1,2}}) (?P<name2>{_MONTH})\.?,? (?P<year2>\d{{4}})"
    rf"|(?P<name3>{_MONTH})\.? (?P<day3>\d{{1,2}}),? (?P<year3>\d{{4}}))"
)
_LABEL = r"(?:date|published|publication date|updated|posted|created|time)(?: on| at)?"
_HEAD = re.compile(rf"\s*(?:{_LABEL}\s*[:=-]?\s*)?(?:{_ISO}|{_LONG})(?!\w)\s*(?:[|:—–-]+\s*)?", re.IGNORECASE)
# KABUL, Aug. 29 (Reuters) — / WASHINGTON (AP) -- / MOSCOW, August 29, 2021 /TASS/.
_DATELINE = re.compile(
    rf"\s*[A-Z][A-Z.’'-]+(?:[ ,]+[A-Z][A-Za-z.’'-]+){{0,4}}"
    rf"(?:, (?:(?P<name>{_MONTH})\.? (?P<day>\d{{1,2}})|(?P<day4>\d{{1,2}}) (?P<name4>{_MONTH})\.?)"
    r"(?:,? (?P<year>\d{4}))?)?"
    r"\s*(?:(?P<agency>\([A-Z][\w ’'&.-]{1,30}\)|/[A-Z]{2,12}/\.?)\s*(?:—|–|--|-|:)?|(?P<dash>—|–|--| - |:))\s*"
)


def read_head(text: str) -> tuple[int, datetime | None]:
    """(where the text proper begins, the time that its head gives, if any)."""
    body, when = 0, None
    match = _HEAD.match(text)
    if match is not None:
        when = _time(match)
        if when is not None:
            body = match.end()
    line = _DATELINE.match(text, body)
    if (
        line is not None
        and line.end() - body < 100
        and (line["agency"] or line["name"] or line["name4"])
        and (line["dash"] or line["agency"])
    ):
        if when is None and line["year"]:
            when = _day(line["year"], line["name"] or line["name4"], line["day"] or line["day4"])
        body = line.end()
    return body, when


def _time(match: re.Match[str]) -> datetime | None:
    if match["year"]:
        try:
            return datetime(
                int(match["year"]),
                int(match["month"]),
                int(match["day"]),
                int(match["hour"] or 0),
                int(match["minute"] or 0),
                tzinfo=UTC,
            )
        except ValueError:
            return None
    return _day(match["year2"] or match["year3"], match["name2"] or match["name3"], match["day2"] or match["day3"])


def _day(year: str, month: str, day: str) -> datetime | None:
    number = next((k for k, name in enumerate(MONTHS, start=1) if name.startswith(month.lower()[:3])), 0)
    try:
        return datetime(int(year), number, int(day), tzinfo=UTC)
    except ValueError:
        return None
