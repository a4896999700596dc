"""Items with answers, checked as they are read: pairs, claims and annotated documents, each from one JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from onrecord_server.domain.limits import DOCUMENT_CODE_POINTS
from onrecord_server.domain.types import Claim, Verdict
from onrecord_server.domain.validation import claim_violations
from onrecord_server.nli.labels import LABELS

NOT_ENTAILMENT = "not_entailment"
"""A label of two-way data: neutral or contradiction, it is not known which."""

VERDICTS = tuple(verdict.name for verdict in Verdict)
_SHOWN = 40  # code points of a wrong value that a message repeats


class BadField(ValueError):
    """A field that is not what it should be: its name, and what is wrong with it, in one clause."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f'"{name}" {message}')
        self.field = name


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """label: one of LABELS, or NOT_ENTAILMENT."""

    premise: str
    hypothesis: str
    label: str


@dataclass(frozen=True, slots=True)
class PairSet:
    """Pairs that belong together, under a name."""

    name: str
    pairs: Sequence[LabelledPair]

    @property
    def two_way(self) -> bool:
        """Whether the labels say only if the hypothesis follows."""
        return any(pair.label == NOT_ENTAILMENT for pair in self.pairs)

    @property
    def complete(self) -> bool:
        """Whether all three labels occur, so that the set can say what a probability means."""
        return not self.two_way and {pair.label for pair in self.pairs} == set(LABELS)


@dataclass(frozen=True, slots=True)
class LabelledClaim:
    """verdict: the name of the right one. gold: ids of the statements that decide it, empty when not known."""

    claim: Claim
    verdict: str
    gold: frozenset[str] = frozenset()


Spans = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Annotation:
    """Who (source, may be empty) says (cue) what (content): half-open spans of code points."""

    source: Spans
    cue: Spans
    content: Spans


@dataclass(frozen=True, slots=True)
class AnnotatedDocument:
    """A text with its attributions."""

    id: str
    text: str
    attributions: Sequence[Annotation] = field(default_factory=tuple)


def read_pair(data: Mapping[str, object]) -> LabelledPair:
    """{"premise", "hypothesis", "label"}; BadField."""
    premise, hypothesis = _text(data, "premise"), _text(data, "hypothesis")
    label = _text(data, "label")
    if label not in (*LABELS, NOT_ENTAILMENT):
        raise BadField("label", f"is {label[:_SHOWN]!r}; it must be {', '.join(LABELS)} or {NOT_ENTAILMENT}")
    return LabelledPair(premise, hypothesis, label)


def read_claim(data: Mapping[str, object]) -> LabelledClaim:
    """{"claim", "label" or "expected"} and, if known, "speaker", "as_of" (a datetime) and "gold" (ids); BadField."""
    speaker = data.get("speaker")
    if speaker is not None and not isinstance(speaker, str):
        raise BadField("speaker", "is not a string")
    as_of = data.get("as_of")
    if as_of is not None and not isinstance(as_of, datetime):
        raise BadField("as_of", "is not a time")
    claim = Claim(_text(data, "claim"), speaker or "", as_of)
    if bad := claim_violations(claim, prefix=""):
        raise BadField("claim" if bad[0].field == "text" else bad[0].field, bad[0].message)
    key = "label" if "label" in data else "expected"
    label = _text(data, key).upper()
    if label not in VERDICTS:
        raise BadField(key, f"is {label[:_SHOWN]!r}; it must be one of {', '.join(VERDICTS)}")
    gold = data.get("gold")
    if gold is None:
        return LabelledClaim(claim, label)
    if not isinstance(gold, list) or not all(isinstance(item, str) for item in gold):
        raise BadField("gold", "is not a list of ids")
    return LabelledClaim(claim, label, frozenset(unicode_text(item, "gold") for item in gold))


def read_document(data: Mapping[str, object]) -> AnnotatedDocument:
    """{"text", "attributions": [{"source", "cue", "content"}]} and, if known, "id"; BadField."""
    text = _text(data, "text")
    listed = data.get("attributions")
    if not isinstance(listed, list):
        raise BadField("attributions", "is missing" if listed is None else "is not a list")
    annotations = []
    for i, item in enumerate(listed):
        if not isinstance(item, dict):
            raise BadField(f"attributions[{i}]", "is not an object")
        parts = [_spans(item, f"attributions[{i}]", key, len(text)) for key in ("source", "cue", "content")]
        if not parts[2]:
            raise BadField(f"attributions[{i}].content", "is empty")
        annotations.append(Annotation(*parts))
    return AnnotatedDocument(unicode_text(str(data.get("id", "")), "id"), text, tuple(annotations))


def _text(data: Mapping[str, object], key: str) -> str:
    value = data.get(key)
    if value is None:
        raise BadField(key, "is missing")
    if not isinstance(value, str):
        raise BadField(key, "is not a string")
    if not value.strip():
        raise BadField(key, "is empty")
    if len(value) > DOCUMENT_CODE_POINTS.value:
        raise BadField(key, f"has {len(value):,} code points; at most {DOCUMENT_CODE_POINTS.value:,} are read")
    return unicode_text(value, key)


def unicode_text(value: str, key: str) -> str:
    """The value, or BadField where no file and no tokenizer can carry it."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadField(key, f"has a lone surrogate at code point {error.start:,}; it must be valid Unicode") from None
    return value


def _spans(data: Mapping[str, object], at: str, key: str, length: int) -> Spans:
    value = data.get(key)
    if not isinstance(value, list):
        raise BadField(f"{at}.{key}", "is not a list of [start, end]")
    spans = []
    for i, span in enumerate(value):
        whole = isinstance(span, list) and len(span) == 2 and all(type(n) is int for n in span)
        if not whole or not 0 <= span[0] <= span[1] <= length:
            raise BadField(f"{at}.{key}[{i}]", f"is no [start, end] within the {length:,} code points of the text")
        spans.append((span[0], span[1]))
    return tuple(spans)
