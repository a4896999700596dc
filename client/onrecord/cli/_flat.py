"""A result as the cells of one row, for CSV and Parquet. `_columns` is their documentation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from onrecord.cli._batch import CLAIM_KEYS, ERROR_KEY, RAW_KEY, ClaimLine, renamed_key
from onrecord.cli._columns import COLUMNS, LISTS, RESULT_COLUMN
from onrecord.cli._report import to_json


class Layout:
    """Which columns a row has: those of the input, then those of the result.

    names: the columns of the input; None: JSON lines, which come out as claim, speaker, as_of, and the rest of the line
    as JSON under "input". A column that the output sets itself is kept with "input_" before it; those of an output that
    is checked again are replaced.
    """

    def __init__(self, names: Sequence[str] | None) -> None:
        self._names = names
        given = dict.fromkeys(names if names is not None else (*CLAIM_KEYS, RAW_KEY))
        taken = {*COLUMNS, RESULT_COLUMN}
        old = taken if COLUMNS.keys() <= given.keys() else set()
        self.renamed = {name: renamed_key(name, given, taken) for name in given if name not in old}
        self.kept = list(self.renamed.values())

    def input(self, line: ClaimLine) -> dict[str, object]:
        """The cells of the input."""
        if line.data.keys() == {RAW_KEY} and line.error is not None:  # could not be read: its text stands for the claim
            return {**dict.fromkeys(self.kept), "claim": line.data[RAW_KEY]}
        if self._names is not None:
            return {self.renamed[name]: value for name, value in line.data.items() if name in self.renamed}
        others = line.others()
        own = {key: line.data.get(key) for key in CLAIM_KEYS}
        return {**own, RAW_KEY: to_json(others) if others else None}


def flat(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of the result, of what a line of JSON holds beside its input."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    if error := outcome.get(ERROR_KEY):
        return {**row, **{f"error_{key}": error[key] for key in ("code", "reason", "message")}}
    row |= {name: outcome[name] for name in ("verdict", "confidence", "reason", "explanation", *LISTS)}
    row["model"] = model_of(outcome)
    if evidence := outcome["evidence"]:
        first, statement = evidence[0], evidence[0]["statement"]
        row |= {
            "evidence_relation": first["relation"],
            "evidence_speaker": statement["speaker"]["name"] or statement["source"]["publisher"],
            "evidence_date": (statement["stated_time"] or statement["source"]["publish_time"] or "")[:10],
            "evidence_quote": first["quote"] or statement["text"],
            "evidence_statement": statement["name"],
            "evidence_similarity": first["similarity"],
        }
    return row


def model_of(outcome: Mapping[str, Any]) -> str:
    """Model and revision of a result."""
    provenance = outcome["provenance"]
    return f"{provenance['model_id']}@{provenance['model_revision'][:12]}"


def cells(values: Mapping[str, object]) -> list[str]:
    """The values as CSV has them."""
    return [_cell(value) for value in values.values()]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return "; ".join(value)
    return json.dumps(value, ensure_ascii=False)
