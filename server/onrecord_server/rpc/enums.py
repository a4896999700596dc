"""The enum tables: one per enum, domain member -> wire value. Total both ways (tests/contract/test_convert.py)."""

from __future__ import annotations

from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import statement_pb2 as statement_pb
from onrecord_server.domain.replay import ChangeKind, StatementChangeKind
from onrecord_server.domain.types import Reason, Relation, Stance, State, Verdict

STANCE_TO_PROTO: dict[Stance, statement_pb.Stance.ValueType] = {
    Stance.ASSERTED: statement_pb.STANCE_ASSERTED,
    Stance.DENIED: statement_pb.STANCE_DENIED,
    Stance.QUESTIONED: statement_pb.STANCE_QUESTIONED,
}
STANCE_FROM_PROTO: dict[int, Stance] = {
    statement_pb.STANCE_UNSPECIFIED: Stance.ASSERTED,  # the contract: an unset stance is an assertion
    **{wire: member for member, wire in STANCE_TO_PROTO.items()},
}

STATE_TO_PROTO: dict[State, statement_pb.State.ValueType] = {
    State.ACTIVE: statement_pb.STATE_ACTIVE,
    State.RETRACTED: statement_pb.STATE_RETRACTED,
    State.SUPERSEDED: statement_pb.STATE_SUPERSEDED,
}
STATE_FROM_PROTO: dict[int, State] = {
    statement_pb.STATE_UNSPECIFIED: State.ACTIVE,  # the contract: an unset state is an active one
    **{wire: member for member, wire in STATE_TO_PROTO.items()},
}

VERDICT_TO_PROTO: dict[Verdict, check_pb.Verdict.ValueType] = {
    Verdict.SUPPORTED: check_pb.VERDICT_SUPPORTED,
    Verdict.CONTRADICTED: check_pb.VERDICT_CONTRADICTED,
    Verdict.CONFLICTING: check_pb.VERDICT_CONFLICTING,
    Verdict.NOT_ENOUGH_EVIDENCE: check_pb.VERDICT_NOT_ENOUGH_EVIDENCE,
}

VERDICT_FROM_PROTO: dict[int, Verdict] = {wire: member for member, wire in VERDICT_TO_PROTO.items()}

RELATION_TO_PROTO: dict[Relation, check_pb.Relation.ValueType] = {
    Relation.SUPPORTS: check_pb.RELATION_SUPPORTS,
    Relation.CONTRADICTS: check_pb.RELATION_CONTRADICTS,
    Relation.NEUTRAL: check_pb.RELATION_NEUTRAL,
}

REASON_TO_PROTO: dict[Reason, check_pb.Reason.ValueType] = {
    Reason.NONE: check_pb.REASON_UNSPECIFIED,
    Reason.NO_STATEMENTS_IN_SCOPE: check_pb.REASON_NO_STATEMENTS_IN_SCOPE,
    Reason.NO_RELEVANT_STATEMENT: check_pb.REASON_NO_RELEVANT_STATEMENT,
    Reason.EVIDENCE_NEUTRAL: check_pb.REASON_EVIDENCE_NEUTRAL,
    Reason.LOW_MARGIN: check_pb.REASON_LOW_MARGIN,
    Reason.OTHER_SPEAKER: check_pb.REASON_OTHER_SPEAKER,
    Reason.CLAIM_TOO_LONG: check_pb.REASON_CLAIM_TOO_LONG,
    Reason.EXCLUSIVE_ATTRIBUTION: check_pb.REASON_EXCLUSIVE_ATTRIBUTION,
    Reason.NOT_ASSERTED: check_pb.REASON_NOT_ASSERTED,
    Reason.NOT_VALID_THEN: check_pb.REASON_NOT_VALID_THEN,
    Reason.RETRACTED: check_pb.REASON_RETRACTED,
}
REASON_FROM_PROTO: dict[int, Reason] = {wire: member for member, wire in REASON_TO_PROTO.items()}

CHANGE_TO_PROTO: dict[ChangeKind, check_pb.ChangeKind.ValueType] = {
    ChangeKind.MODEL: check_pb.CHANGE_KIND_MODEL,
    ChangeKind.ENCODER: check_pb.CHANGE_KIND_ENCODER,
    ChangeKind.CALIBRATION: check_pb.CHANGE_KIND_CALIBRATION,
    ChangeKind.WEIGHING: check_pb.CHANGE_KIND_WEIGHING,
    ChangeKind.PRECISION: check_pb.CHANGE_KIND_PRECISION,
    ChangeKind.OPTIONS: check_pb.CHANGE_KIND_OPTIONS,
    ChangeKind.RULE: check_pb.CHANGE_KIND_RULE,
    ChangeKind.RECORD: check_pb.CHANGE_KIND_RECORD,
    ChangeKind.VERSION: check_pb.CHANGE_KIND_VERSION,
    ChangeKind.CLAIM: check_pb.CHANGE_KIND_CLAIM,
}

STATEMENT_CHANGE_TO_PROTO: dict[StatementChangeKind, check_pb.StatementChangeKind.ValueType] = {
    StatementChangeKind.CHANGED: check_pb.STATEMENT_CHANGE_KIND_CHANGED,
    StatementChangeKind.DELETED: check_pb.STATEMENT_CHANGE_KIND_DELETED,
    StatementChangeKind.RETRACTED: check_pb.STATEMENT_CHANGE_KIND_RETRACTED,
    StatementChangeKind.SUPERSEDED: check_pb.STATEMENT_CHANGE_KIND_SUPERSEDED,
    StatementChangeKind.NEW: check_pb.STATEMENT_CHANGE_KIND_NEW,
}
