"""The enums of `onrecord.types`."""

from __future__ import annotations

import enum


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
