"""Whether a statement speaks at a moment: the record as it stood then.

A statement that does not speak decides nothing. It is still read, so that a result can tell when it would have decided.
"""

from __future__ import annotations

import enum
from datetime import datetime

from onrecord_server.domain.types import State, StatementDraft


class Standing(enum.Enum):
    """Whether a statement speaks, and if not, why. The values of the others are notes in the evidence."""

    SPEAKS = ""
    NOT_YET_STATED = "not_yet_stated"
    NOT_YET_VALID = "not_yet_valid"
    NO_LONGER_VALID = "no_longer_valid"
    RETRACTED = "retracted"
    SUPERSEDED = "superseded"

    @property
    def withdrawn(self) -> bool:
        """It spoke once, and was taken back or replaced."""
        return self in (Standing.RETRACTED, Standing.SUPERSEDED)


_WITHDRAWN = {State.RETRACTED: Standing.RETRACTED, State.SUPERSEDED: Standing.SUPERSEDED}


def withdrawal(statement: StatementDraft, as_of: datetime | None, now: datetime) -> Standing:
    """RETRACTED or SUPERSEDED when it had been by then; a statement speaks until its state_time, and not at it."""
    found = _WITHDRAWN.get(statement.state, Standing.SPEAKS)
    if found.withdrawn and (statement.state_time is None or statement.state_time <= (now if as_of is None else as_of)):
        return found
    return Standing.SPEAKS


def standing(statement: StatementDraft, as_of: datetime | None, now: datetime) -> Standing:
    """The statement's standing at `as_of`, both ends of its validity included; unknown times never silence it.

    Without `as_of` the whole record speaks, whenever it was stated, save what is no longer valid `now` or has been
    retracted or superseded. All times are aware.
    """
    at = now if as_of is None else as_of
    withdrawn = withdrawal(statement, as_of, now)
    if withdrawn is not Standing.SPEAKS:
        return withdrawn
    if statement.valid_until is not None and statement.valid_until < at:
        return Standing.NO_LONGER_VALID
    if as_of is None:
        return Standing.SPEAKS
    stated = statement.stated_time or statement.source.publish_time
    if stated is not None and stated > as_of:
        return Standing.NOT_YET_STATED
    if statement.valid_from is not None and statement.valid_from > as_of:
        return Standing.NOT_YET_VALID
    return Standing.SPEAKS
