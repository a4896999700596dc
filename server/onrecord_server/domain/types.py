"""Value types of the domain. Immutable, no I/O; the proto files carry the field-by-field documentation."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, make_dataclass
from datetime import datetime
from typing import Any

DEFAULT_COLLECTION = "collections/default"


class Stance(enum.Enum):
    """Whether a speaker stands behind a text. Reported speech is not assertion."""

    ASSERTED = "asserted"
    DENIED = "denied"
    QUESTIONED = "questioned"


class State(enum.Enum):
    """Whether a statement still stands."""

    ACTIVE = "active"
    RETRACTED = "retracted"
    SUPERSEDED = "superseded"


class Verdict(enum.Enum):
    """What the record says of a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    CONFLICTING = "conflicting"
    NOT_ENOUGH_EVIDENCE = "not_enough_evidence"


class Relation(enum.Enum):
    """What one statement does to a claim."""

    SUPPORTS = "supports"
    CONTRADICTS = "contradicts"
    NEUTRAL = "neutral"


class Reason(enum.Enum):
    """Why a claim is undecided, or decided by who said it. NONE: the evidence decides."""

    NONE = "none"
    NO_STATEMENTS_IN_SCOPE = "no_statements_in_scope"
    NO_RELEVANT_STATEMENT = "no_relevant_statement"
    EVIDENCE_NEUTRAL = "evidence_neutral"
    LOW_MARGIN = "low_margin"
    OTHER_SPEAKER = "other_speaker"
    CLAIM_TOO_LONG = "claim_too_long"
    EXCLUSIVE_ATTRIBUTION = "exclusive_attribution"
    NOT_ASSERTED = "not_asserted"
    NOT_VALID_THEN = "not_valid_then"
    RETRACTED = "retracted"


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open stretch of a text, in Unicode code points."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TaggedAttribution:
    """What a tagger finds: who (None: nobody is named), by which words, what. Spans are code points of the text.

    content: one or more stretches, in order. confidence: probability that the cue attributes anything, 0 to 1.
    """

    source: Span | None
    cue: Span
    content: tuple[Span, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class Speaker:
    """Somebody statements are attributed to. An empty name: unknown, or a narrator without a publisher."""

    name: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Name and aliases, the name first; empty ones left out."""
        return tuple(n for n in (self.name, *self.aliases) if n)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a statement was published."""

    uri: str = ""
    title: str = ""
    publisher: str = ""
    publish_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class StatementDraft:
    """A statement before it is on the record. `name` empty: the store chooses one. Times are aware (UTC).

    superseded_by: a statement's name, with SUPERSEDED only. state_time: since when it is no longer ACTIVE; None with
    another state: since it is put on the record.
    """

    text: str
    name: str = ""
    context: str = ""
    speaker: Speaker = field(default_factory=Speaker)
    relayed_by: str = ""
    stance: Stance = Stance.ASSERTED
    source: Source = field(default_factory=Source)
    stated_time: datetime | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    labels: tuple[str, ...] = ()
    document: str = ""
    original: str = ""
    original_span: Span | None = None
    state: State = State.ACTIVE
    superseded_by: str = ""
    state_time: datetime | None = None


_Open: Any = make_dataclass("_Open", [field.name for field in fields(StatementDraft)], slots=True)


def draft_of(values: Sequence[Any]) -> StatementDraft:
    """A draft of the values of all its fields in their order, in a third of the time that `StatementDraft` takes.

    What is frozen sets each of its fields by a call. This makes its open twin, and then freezes it.
    """
    made = _Open(*values)
    made.__class__ = StatementDraft
    return made  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Statement(StatementDraft):
    """A statement on the record: a draft plus what the store adds. `update_time`: create_time when it never changed."""

    create_time: datetime | None = None
    update_time: datetime | None = None
    etag: str = ""


@dataclass(frozen=True, slots=True)
class CollectionDraft:
    """A collection before it is on the record. `name` empty: the store chooses one."""

    name: str = ""
    display_name: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Collection(CollectionDraft):
    """A collection on the record. `pending_count`: of its statements, those that wait for their embedding."""

    statement_count: int = 0
    pending_count: int = 0
    create_time: datetime | None = None
    update_time: datetime | None = None
    etag: str = ""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """A request that may be sent twice: the id that its sender gave it, and a hash of its method and body."""

    request_id: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class NliScores:
    """Probabilities of the three NLI labels for one pair; finite, 0 to 1, sum 1 within 1e-3."""

    entailment: float
    neutral: float
    contradiction: float

    def __post_init__(self) -> None:
        total = self.entailment + self.neutral + self.contradiction
        # `not (…)` also refuses NaN, which compares false with everything
        if not all(0.0 <= p <= 1.0 for p in self.as_tuple()) or not abs(total - 1.0) <= 1e-3:
            raise ValueError(f"not a probability distribution: {self.as_tuple()}")

    def as_tuple(self) -> tuple[float, float, float]:
        """(entailment, neutral, contradiction)."""
        return (self.entailment, self.neutral, self.contradiction)


@dataclass(frozen=True, slots=True)
class PairScore:
    """The model's word on one pair; `truncated` when the premise was cut to what the model reads."""

    scores: NliScores
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class StatementFilter:
    """Which statements are looked at; domain/filters.py says what passes. The empty one lets everything through.

    speakers, publishers, states: any of them; labels: all of them. stated_from is inclusive, stated_until exclusive.
    """

    speakers: tuple[str, ...] = ()
    publishers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    stated_from: datetime | None = None
    stated_until: datetime | None = None
    states: tuple[State, ...] = ()


@dataclass(frozen=True, slots=True)
class Horizon:
    """A moment in the record's past: what was put on it later is not looked at. `revision` and `time`: of then."""

    revision: int
    time: datetime


@dataclass(frozen=True, slots=True)
class AmbiguousName:
    """A name that two or more speakers go by, with their full names, sorted."""

    name: str
    speakers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim to check. `speaker`, when set, is who is claimed to have said `text`.

    `as_of`, aware: check against the record as it stood then (domain/standing.py); None: as it stands. `filter`: look
    only at the statements that pass; None: at all.
    """

    text: str
    speaker: str = ""
    as_of: datetime | None = None
    filter: StatementFilter | None = None


@dataclass(frozen=True, slots=True)
class ClaimAttribution:
    """How a claim was read: who is said to have said what. `speaker` empty: the claim names nobody."""

    content: str
    speaker: str = ""
    stance: Stance = Stance.ASSERTED
    exclusive: bool = False
    excluded_speakers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One statement that was looked at, and what it does to the claim."""

    statement: Statement
    relation: Relation
    scores: NliScores
    similarity: float
    quote: str
    quote_span: Span
    notes: tuple[str, ...] = ()
    truncated: bool = False
    weighed_scores: NliScores | None = None
    part: int = 0
    """Number of the part of a compound claim that it was read for, from 1; 0: the whole claim."""


@dataclass(frozen=True, slots=True)
class ClaimPart:
    """One part of a compound claim with its own verdict. `span`: its words in the claim's text.

    `deciding`: places in the result's evidence, from 0, of the statements that decide it.
    """

    text: str
    span: Span
    attribution: ClaimAttribution
    verdict: Verdict
    confidence: float
    reason: Reason
    deciding: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A loaded model: what it is, and what it reads. `labels` in output order; empty for an encoder."""

    model_id: str
    revision: str
    labels: tuple[str, ...] = ()
    precision: str = "fp32"
    max_tokens: int = 512
    fake: bool = False


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time of one check went, in milliseconds."""

    retrieval_ms: float = 0.0
    queue_ms: float = 0.0
    inference_ms: float = 0.0
    total_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What a caller may set for a check; None takes the default. Ranges: domain/limits.py."""

    support_threshold: float | None = None
    contradiction_threshold: float | None = None
    contradiction_margin: float | None = None
    topic_threshold: float | None = None
    max_evidence: int | None = None
    explain: bool | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a verdict was made with. `options` has every default filled in.

    switched_off, switched_on: how the parts of the rule differed from their defaults. …_revision: "" for none.
    """

    model_id: str
    model_revision: str
    options: CheckOptions
    store_revision: int
    as_of: datetime | None = None
    switched_off: tuple[str, ...] = ()
    encoder_id: str = ""
    encoder_revision: str = ""
    collection: str = ""
    filter: StatementFilter | None = None
    calibration_revision: str = ""
    weighing_revision: str = ""
    switched_on: tuple[str, ...] = ()
    server_version: str = ""
    precision: str = ""
    record_id: str = ""
    check_time: datetime | None = None
    requested_options: CheckOptions = CheckOptions()


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The verdict on one claim, with its evidence: deciding statements first, then the nearest ones."""

    verdict: Verdict
    confidence: float
    reason: Reason
    evidence: Sequence[Evidence]
    supporting_speakers: tuple[str, ...]
    contradicting_speakers: tuple[str, ...]
    attribution: ClaimAttribution
    provenance: Provenance
    timings: Timings
    explanation: str
    parts: tuple[ClaimPart, ...] = ()
    ambiguous_names: tuple[AmbiguousName, ...] = ()
