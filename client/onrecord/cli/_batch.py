"""The lines of a file of claims."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from functools import partial

from onrecord._json import parse_as_of
from onrecord._places import renamed
from onrecord.cli._files import BadLine, Line, read_lines
from onrecord.errors import InvalidArgument, OnrecordError
from onrecord.types import CheckResult, Claim

_FIELD = re.compile(r"\bclaims\[\d+\]\.(\w+)")
RESULT_KEYS = frozenset(field.name for field in fields(CheckResult))
ERROR_KEY = "error"
_RENAMED = "input_"  # begins the name under which a key of the input is kept that the output sets itself


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """One line: its claim, or why there is none."""

    number: int
    data: dict[str, object]
    claim: Claim | None
    error: InvalidArgument | None = None

    def kept(self) -> dict[str, object]:
        """What the output repeats. A key that the output sets itself is kept as input_KEY: a line's own "verdict", say,
        is the one to compare with. When the line is itself an output of before, its old outcome is left out.
        """
        old = self._old_outcome()
        kept = {}
        for key, value in self.data.items():
            if key in old:
                continue
            name = key
            while name in RESULT_KEYS or name == ERROR_KEY or (name != key and name in self.data):
                name = _RENAMED + name
            kept[name] = value
        return kept

    def _old_outcome(self) -> frozenset[str]:
        """The keys that an earlier run has set."""
        provenance, error = self.data.get("provenance"), self.data.get(ERROR_KEY)
        if "verdict" in self.data and isinstance(provenance, dict) and "model_id" in provenance:
            return RESULT_KEYS
        if isinstance(error, dict) and {"line", "reason"} <= error.keys():
            return frozenset({ERROR_KEY})
        return frozenset()


def claim_lines(path: str, as_of: datetime | None = None) -> Iterator[ClaimLine]:
    """Every line of the file that is not blank. `as_of`: for lines that have none."""
    for line in read_lines(path):
        data: dict[str, object] = {}
        try:
            data = line.json_object()
            claim = _claim(data, as_of)
        except BadLine as error:
            yield ClaimLine(line.number, data or _raw(line), None, InvalidArgument(str(error), reason="BAD_LINE"))
        else:
            yield ClaimLine(line.number, data, claim)


def in_line(error: OnrecordError) -> OnrecordError:
    """The error with fields named as in the line ("speaker"), not as in the request ("claims[7].speaker")."""
    return renamed(error, partial(_FIELD.sub, lambda found: "claim" if found[1] == "text" else found[1]))


def _claim(data: dict[str, object], as_of: datetime | None) -> Claim:
    text = data.get("claim")
    if text is None:
        raise BadLine('no "claim"')
    if not isinstance(text, str):
        raise BadLine('"claim" is not a string')
    speaker = data.get("speaker")
    if speaker is not None and not isinstance(speaker, str):
        raise BadLine('"speaker" is not a string')
    moment = data.get("as_of")
    if moment is None or moment == "":
        return Claim(text, speaker or "", as_of)
    if not isinstance(moment, str):
        raise BadLine('"as_of" is not a string')
    try:
        return Claim(text, speaker or "", parse_as_of(moment))
    except ValueError as error:
        raise BadLine(f'"as_of": {error}') from None


def _raw(line: Line) -> dict[str, object]:
    """What cannot be read is repeated as text, bytes that are not UTF-8 escaped."""
    return {"input": line.raw.decode(errors="backslashreplace")}
