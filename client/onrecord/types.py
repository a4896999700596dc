"""What goes in and what comes out: frozen dataclasses, enums and datetimes.

The field-by-field documentation, with units, ranges and defaults, is in proto/onrecord/v1. `to_dict()` gives the
JSON form: the proto's field names in snake_case, every field present; enum values without their prefix
("SUPPORTED"), times as RFC 3339 in UTC ("2021-08-29T00:00:00Z"), null for what is not known (a time, a span, a
reason when there is none).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from onrecord._enums import ChangeKind as ChangeKind
from onrecord._enums import Reason as Reason
from onrecord._enums import Relation as Relation
from onrecord._enums import Stance as Stance
from onrecord._enums import State as State
from onrecord._enums import StatementChangeKind as StatementChangeKind
from onrecord._enums import Verdict as Verdict
from onrecord._form import Record
from onrecord._form import format_time as format_time
from onrecord._reports import ImportFailure as ImportFailure
from onrecord._reports import ImportReport as ImportReport
from onrecord._reports import IngestReport as IngestReport
from onrecord._reports import Limit as Limit
from onrecord._reports import ModelInfo as ModelInfo
from onrecord._reports import ServerInfo as ServerInfo
from onrecord.errors import OnrecordError as OnrecordError  # where the hints of those above are looked up

DEFAULT_COLLECTION = "default"


@dataclass(frozen=True, slots=True)
class TextSpan(Record):
    """Half-open stretch of a text, in Unicode code points: `text[span.start:span.end]`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Speaker(Record):
    """Somebody statements are attributed to. An empty name: unknown, or a narrator without a publisher."""

    name: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source(Record):
    """Where something was published."""

    uri: str = ""
    title: str = ""
    publisher: str = ""
    publish_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Statement(Record):
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
class StatementFilter(Record):
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
class AmbiguousName(Record):
    """A name that more than one speaker goes by; `speakers`: their full names, at most ten."""

    name: str
    speakers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claim(Record):
    """A claim to check. `speaker`, when set, is who is claimed to have said `text`.

    `as_of`, aware: check against the record as it stood then; None: as it stands now. `filter`: look only at the
    statements that pass.
    """

    text: str
    speaker: str = ""
    as_of: datetime | None = None
    filter: StatementFilter | None = None


@dataclass(frozen=True, slots=True)
class CheckOptions(Record):
    """How to check; None takes the server's default."""

    support_threshold: float | None = None
    contradiction_threshold: float | None = None
    contradiction_margin: float | None = None
    topic_threshold: float | None = None
    max_evidence: int | None = None
    explain: bool | None = None


@dataclass(frozen=True, slots=True)
class NliScores(Record):
    """Probabilities of the NLI model for a premise and a hypothesis. They sum to 1."""

    entailment: float
    neutral: float
    contradiction: float


@dataclass(frozen=True, slots=True)
class PairScore(Record):
    """The model's word on one pair; `truncated` when the premise was cut to what the model reads."""

    scores: NliScores
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Evidence(Record):
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
class ClaimAttribution(Record):
    """How a claim was read: who is said to have said what. An empty speaker: the claim names nobody."""

    speaker: str
    content: str
    stance: Stance
    exclusive: bool
    excluded_speakers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClaimPart(Record):
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
class Provenance(Record):
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
class Timings(Record):
    """Where the time of one check went, in milliseconds."""

    retrieval_ms: float
    queue_ms: float
    inference_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class CheckResult(Record):
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
class StatementChange(Record):
    """One statement that is not as it was: its resource name, and what became of it."""

    name: str
    kind: StatementChangeKind


@dataclass(frozen=True, slots=True)
class ReplayChange(Record):
    """One respect in which a replay differs from the check of then, and `detail` in words.

    `held`: the replay was made as then all the same. `statements`: with RECORD, those that are not as they were.
    """

    kind: ChangeKind
    detail: str
    held: bool
    statements: tuple[StatementChange, ...]


@dataclass(frozen=True, slots=True)
class Replay(Record):
    """A check made again. `same`: verdict and reason are those of then; `changes`: what is not as it was then."""

    result: CheckResult
    same: bool
    changes: tuple[ReplayChange, ...]


@dataclass(frozen=True, slots=True)
class SearchResult(Record):
    """A statement that a search found. `score`: what the order was made of, 0 to 1; `similarity`: -1 to 1."""

    statement: Statement
    score: float
    similarity: float


@dataclass(frozen=True, slots=True)
class StatementPage(Record):
    """One page of a listing. `total_size`: statements in the collection now that pass the filter. `ambiguous_names`:
    names in the filter that more than one speaker goes by.
    """

    statements: tuple[Statement, ...]
    next_page_token: str
    total_size: int
    ambiguous_names: tuple[AmbiguousName, ...] = ()


@dataclass(frozen=True, slots=True)
class Superseded(Record):
    """What superseding a statement did: the one that was replaced, and the one that took its place."""

    statement: Statement
    successor: Statement


@dataclass(frozen=True, slots=True)
class Collection(Record):
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
class Progress(Record):
    """How far a `check_many` is. `done`: outcomes handed out; `failed`: of them, errors; `total`: None when not known.

    `restarts`: how often the server answered again after it had been away or full.
    """

    done: int
    failed: int
    total: int | None
    restarts: int


# Callers know them, and pickles keep them, by this module's name.
for _kind in (
    Verdict,
    Reason,
    Relation,
    Stance,
    State,
    ChangeKind,
    StatementChangeKind,
    ImportFailure,
    ImportReport,
    IngestReport,
    ModelInfo,
    Limit,
    ServerInfo,
):
    _kind.__module__ = __name__
