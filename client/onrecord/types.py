"""What goes in and what comes out: frozen dataclasses, enums and datetimes.

The field-by-field documentation, with units, ranges and defaults, is in proto/onrecord/v1. `to_dict()` gives the
JSON form: the proto's field names in snake_case, every field present; enum values without their prefix
("SUPPORTED"), times as RFC 3339 in UTC ("2021-08-29T00:00:00Z"), null for what is not known (a time, a span, a
reason when there is none).
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from onrecord.errors import OnrecordError

DEFAULT_COLLECTION = "default"


class Verdict(enum.StrEnum):
    """What the record says of a claim."""

    SUPPORTED = "SUPPORTED"
    CONTRADICTED = "CONTRADICTED"
    CONFLICTING = "CONFLICTING"
    NOT_ENOUGH_EVIDENCE = "NOT_ENOUGH_EVIDENCE"
    UNSPECIFIED = "UNSPECIFIED"
    """A value that a newer server knows and this client does not."""


class Reason(enum.StrEnum):
    """Why a claim is undecided, or decided by who said it rather than by what was said."""

    NO_STATEMENTS_IN_SCOPE = "NO_STATEMENTS_IN_SCOPE"
    NO_RELEVANT_STATEMENT = "NO_RELEVANT_STATEMENT"
    EVIDENCE_NEUTRAL = "EVIDENCE_NEUTRAL"
    LOW_MARGIN = "LOW_MARGIN"
    OTHER_SPEAKER = "OTHER_SPEAKER"
    CLAIM_TOO_LONG = "CLAIM_TOO_LONG"
    EXCLUSIVE_ATTRIBUTION = "EXCLUSIVE_ATTRIBUTION"
    NOT_ASSERTED = "NOT_ASSERTED"
    NOT_VALID_THEN = "NOT_VALID_THEN"
    RETRACTED = "RETRACTED"
    UNSPECIFIED = "UNSPECIFIED"
    """A value that a newer server knows and this client does not. No reason at all is None."""


class Relation(enum.StrEnum):
    """What one statement does to a claim."""

    SUPPORTS = "SUPPORTS"
    CONTRADICTS = "CONTRADICTS"
    NEUTRAL = "NEUTRAL"
    UNSPECIFIED = "UNSPECIFIED"
    """A value that a newer server knows and this client does not."""


class Stance(enum.StrEnum):
    """Whether the speaker stands behind the text."""

    ASSERTED = "ASSERTED"
    DENIED = "DENIED"
    QUESTIONED = "QUESTIONED"
    UNSPECIFIED = "UNSPECIFIED"
    """A value that a newer server knows and this client does not."""


class State(enum.StrEnum):
    """Whether a statement still stands."""

    ACTIVE = "ACTIVE"
    RETRACTED = "RETRACTED"
    SUPERSEDED = "SUPERSEDED"
    UNSPECIFIED = "UNSPECIFIED"
    """A value that a newer server knows and this client does not."""


class ChangeKind(enum.StrEnum):
    """In what respect a replay differs from the check of then."""

    MODEL = "MODEL"
    ENCODER = "ENCODER"
    CALIBRATION = "CALIBRATION"
    WEIGHING = "WEIGHING"
    PRECISION = "PRECISION"
    OPTIONS = "OPTIONS"
    RULE = "RULE"
    RECORD = "RECORD"
    VERSION = "VERSION"
    CLAIM = "CLAIM"
    UNSPECIFIED = "UNSPECIFIED"
    """A value that a newer server knows and this client does not."""


class StatementChangeKind(enum.StrEnum):
    """What became of a statement that is or was evidence."""

    CHANGED = "CHANGED"
    DELETED = "DELETED"
    RETRACTED = "RETRACTED"
    SUPERSEDED = "SUPERSEDED"
    NEW = "NEW"
    UNSPECIFIED = "UNSPECIFIED"
    """A value that a newer server knows and this client does not."""


def format_time(value: datetime) -> str:
    """RFC 3339 in UTC, with a fraction only where there is one."""
    try:
        value = value.astimezone(UTC)
    except OverflowError:  # in the first or the last hours that a datetime holds: its own offset tells as much
        return value.isoformat()
    return value.isoformat().replace("+00:00", "Z")


def _json(value: object) -> object:
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    if isinstance(value, OnrecordError):
        return value.to_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


class _Record:
    """Gives a dataclass its JSON form."""

    __slots__ = ()

    def to_dict(self) -> dict[str, object]:
        """The JSON form: see the module's docstring."""
        return cast("dict[str, object]", _json(self))


@dataclass(frozen=True, slots=True)
class TextSpan(_Record):
    """Half-open stretch of a text, in Unicode code points: `text[span.start:span.end]`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Speaker(_Record):
    """Somebody statements are attributed to. An empty name: unknown, or a narrator without a publisher."""

    name: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source(_Record):
    """Where something was published."""

    uri: str = ""
    title: str = ""
    publisher: str = ""
    publish_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Statement(_Record):
    """One proposition on the record, or one to put there. Times are aware.

    The server fills `document`, `original_span`, `create_time`, `update_time` and `etag`; what a caller sets there is
    not read, but for the `etag` of an update. `superseded_by`: the resource name of what took its place; `state_time`:
    since when it has been retracted or superseded.
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
    original_span: TextSpan | None = None
    create_time: datetime | None = None
    etag: str = ""
    state: State = State.ACTIVE
    superseded_by: str = ""
    state_time: datetime | None = None
    update_time: datetime | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Statement:
        """From the JSON form. `speaker` may be a name alone; keys that are no field of a statement are not read.

        Raises InvalidArgument listing every field of the wrong type.
        """
        from onrecord._json import statement_from_dict

        return statement_from_dict(data)


@dataclass(frozen=True, slots=True)
class StatementFilter(_Record):
    """Narrows a collection to some of its statements; what is left empty lets all through.

    `speakers` (by name or alias), `publishers`: any of them; `labels`: all of them; whole names, in any case.
    `stated_from` is inclusive, `stated_until` exclusive; both aware.
    """

    speakers: tuple[str, ...] = ()
    publishers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    stated_from: datetime | None = None
    stated_until: datetime | None = None
    states: tuple[State, ...] = ()


@dataclass(frozen=True, slots=True)
class AmbiguousName(_Record):
    """A name that more than one speaker goes by; `speakers`: their full names, at most ten."""

    name: str
    speakers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claim(_Record):
    """A claim to check. `speaker`, when set, is who is claimed to have said `text`.

    `as_of`, aware: check against the record as it stood then; None: as it stands now. `filter`: look only at the
    statements that pass.
    """

    text: str
    speaker: str = ""
    as_of: datetime | None = None
    filter: StatementFilter | None = None


@dataclass(frozen=True, slots=True)
class CheckOptions(_Record):
    """How to check; None takes the server's default."""

    support_threshold: float | None = None
    contradiction_threshold: float | None = None
    contradiction_margin: float | None = None
    topic_threshold: float | None = None
    max_evidence: int | None = None
    explain: bool | None = None


@dataclass(frozen=True, slots=True)
class NliScores(_Record):
    """Probabilities of the NLI model for a premise and a hypothesis. They sum to 1."""

    entailment: float
    neutral: float
    contradiction: float


@dataclass(frozen=True, slots=True)
class PairScore(_Record):
    """The model's word on one pair; `truncated` when the premise was cut to what the model reads."""

    scores: NliScores
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Evidence(_Record):
    """One statement that was looked at, and what it does to the claim."""

    statement: Statement
    relation: Relation
    scores: NliScores
    similarity: float
    quote: str
    quote_span: TextSpan | None
    notes: tuple[str, ...] = ()
    truncated: bool = False
    part: int = 0
    """Number of the part of a compound claim that it was read for, from 1; 0: the whole claim."""
    weighed_scores: NliScores | None = None
    """What thresholds and verdict are made of: the probabilities after weighing by nearness. None: `scores` decide."""


@dataclass(frozen=True, slots=True)
class ClaimAttribution(_Record):
    """How a claim was read: who is said to have said what. An empty speaker: the claim names nobody."""

    speaker: str
    content: str
    stance: Stance
    exclusive: bool
    excluded_speakers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClaimPart(_Record):
    """One part of a claim that says several things. `span`: its own words in the claim's text.

    `deciding`: places in the result's evidence, from 0, of the statements that decide it.
    """

    text: str
    span: TextSpan | None
    attribution: ClaimAttribution
    verdict: Verdict
    confidence: float
    reason: Reason | None
    deciding: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Provenance(_Record):
    """What a verdict was made with; `options` has every default filled in. All that `replay` needs.

    `as_of`: the time that the record was looked at. `switched_off`: parts of the verdict rule that were off although
    they are on by default; `switched_on` the other way round.
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
    requested_options: CheckOptions | None = None


@dataclass(frozen=True, slots=True)
class Timings(_Record):
    """Where the time of one check went, in milliseconds."""

    retrieval_ms: float
    queue_ms: float
    inference_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class CheckResult(_Record):
    """The verdict on one claim. `evidence`: the deciding statements first, then those nearest to the claim.

    `parts`: of a claim that says several things, each with its own verdict; empty when it was not split.
    `ambiguous_names`: names in the claim or its filter that more than one speaker goes by.
    """

    verdict: Verdict
    confidence: float
    reason: Reason | None
    evidence: tuple[Evidence, ...]
    supporting_speakers: tuple[str, ...]
    contradicting_speakers: tuple[str, ...]
    attribution: ClaimAttribution
    provenance: Provenance
    timings: Timings
    explanation: str
    parts: tuple[ClaimPart, ...] = ()
    ambiguous_names: tuple[AmbiguousName, ...] = ()


@dataclass(frozen=True, slots=True)
class StatementChange(_Record):
    """One statement that is not as it was: its resource name, and what became of it."""

    name: str
    kind: StatementChangeKind


@dataclass(frozen=True, slots=True)
class ReplayChange(_Record):
    """One respect in which a replay differs from the check of then, and `detail` in words.

    `held`: the replay was made as then all the same. `statements`: with RECORD, those that are not as they were.
    """

    kind: ChangeKind
    detail: str
    held: bool
    statements: tuple[StatementChange, ...]


@dataclass(frozen=True, slots=True)
class Replay(_Record):
    """A check made again. `same`: verdict and reason are those of then; `changes`: what is not as it was then."""

    result: CheckResult
    same: bool
    changes: tuple[ReplayChange, ...]


@dataclass(frozen=True, slots=True)
class SearchResult(_Record):
    """A statement that a search found. `score`: what the order was made of, 0 to 1; `similarity`: -1 to 1."""

    statement: Statement
    score: float
    similarity: float


@dataclass(frozen=True, slots=True)
class StatementPage(_Record):
    """One page of a listing. `total_size`: statements in the collection now that pass the filter. `ambiguous_names`:
    names in the filter that more than one speaker goes by.
    """

    statements: tuple[Statement, ...]
    next_page_token: str
    total_size: int
    ambiguous_names: tuple[AmbiguousName, ...] = ()


@dataclass(frozen=True, slots=True)
class Superseded(_Record):
    """What superseding a statement did: the one that was replaced, and the one that took its place."""

    statement: Statement
    successor: Statement


@dataclass(frozen=True, slots=True)
class Collection(_Record):
    """A set of statements that claims are checked against.

    `statement_count`: retracted and superseded ones included. `pending_count`: of them, how many are found by their
    words alone, until they are embedded. `update_time`: when its own fields last changed.
    """

    name: str
    display_name: str = ""
    description: str = ""
    statement_count: int = 0
    create_time: datetime | None = None
    update_time: datetime | None = None
    etag: str = ""
    pending_count: int = 0


@dataclass(frozen=True, slots=True)
class Progress(_Record):
    """How far a `check_many` is. `done`: outcomes handed out; `failed`: of them, errors; `total`: None when not known.

    `restarts`: how often the server answered again after it had been away or full.
    """

    done: int
    failed: int
    total: int | None
    restarts: int


@dataclass(frozen=True, slots=True)
class ImportFailure(_Record):
    """A statement that an import passed over: its position, from 0, and why."""

    index: int
    error: OnrecordError


@dataclass(frozen=True, slots=True)
class ImportReport(_Record):
    """What an import did. `failures`: the first 1,000. `replayed_count`: of `created_count`, how many had been put on
    the record by an earlier message with the same request_id. `pending_count`: statements of the collection that were
    not embedded yet at the end.
    """

    created_count: int
    failed_count: int
    failures: tuple[ImportFailure, ...]
    replayed_count: int = 0
    pending_count: int = 0


@dataclass(frozen=True, slots=True)
class IngestReport(_Record):
    """What a document was read into. `already_ingested`: this text was on the record before, nothing was added."""

    document: str
    statements: tuple[Statement, ...]
    already_ingested: bool
    publish_time: datetime | None


@dataclass(frozen=True, slots=True)
class ModelInfo(_Record):
    """A model that the server has loaded. `fake`: the declared fake, only good for tests."""

    model_id: str
    revision: str
    labels: tuple[str, ...]
    precision: str
    max_tokens: int
    fake: bool


@dataclass(frozen=True, slots=True)
class Limit(_Record):
    """One limit of the server, with the reason that an error has when a request exceeds it."""

    name: str
    value: int
    unit: str
    error_reason: str


@dataclass(frozen=True, slots=True)
class ServerInfo(_Record):
    """What runs there and what it accepts. `pending_count`: statements that wait for their embedding."""

    version: str
    model: ModelInfo
    encoder: ModelInfo
    store: str
    statement_count: int
    default_options: CheckOptions
    limits: tuple[Limit, ...]
    pending_count: int = 0
