"""Every reason that a field can be wrong for, in one place; docs/errors.md has them.

The reasons of what exceeds a limit stand with the limits (domain/limits.py, docs/limits.md).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldReason:
    """A reason code as in `FieldViolation.reason`, when it is given, and what to do."""

    name: str
    when: str
    then: str


FIELD_REASONS = (
    FieldReason("REQUIRED", "A text or a list that must hold something is empty.", "Fill it."),
    FieldReason("BLANK", "A text has characters, and none that can be seen.", "Write something, or leave it empty."),
    FieldReason("NOT_UNICODE", "A text holds a lone surrogate (met in process only).", "Send valid Unicode."),
    FieldReason(
        "CONTROL_CHARACTER", "A text holds a control character other than tab and line breaks.", "Remove the character."
    ),
    FieldReason(
        "OUT_OF_RANGE",
        "A number or a time lies outside what the field accepts, or an end lies before its start.",
        "Choose a value in the range that the description names.",
    ),
    FieldReason("NO_TIME_ZONE", "A time has no time zone (met in process only).", "Give the time in UTC."),
    FieldReason("UNKNOWN_ENUM_VALUE", "An enum has a number that this version does not know.", "Send a known value."),
    FieldReason(
        "INVALID_RESOURCE_NAME",
        "A name is not `collections/{collection}` or `collections/{collection}/statements/{statement}`.",
        'Use ids of 1 to 63 characters of a-z, 0-9 and "-", beginning with a letter or digit.',
    ),
    FieldReason(
        "WRONG_PARENT",
        "A statement's name lies in another collection than the one it is put into.",
        "Name it under the parent, or leave the name empty.",
    ),
    FieldReason(
        "PARENT_CHANGED",
        "A later message of an import names another collection than the first.",
        "Import into each collection with a call of its own.",
    ),
    FieldReason(
        "INVALID_REQUEST_ID",
        "A request id has a character that it may not have.",
        "Use A-Z, a-z, 0-9 and ._:/+=@- beginning with a letter or digit; best a UUID.",
    ),
    FieldReason(
        "UNKNOWN_PATH",
        "An update mask names a field that the resource does not have.",
        "Name fields as the contract does (`source.title`), or send no mask.",
    ),
    FieldReason(
        "NOT_UPDATABLE",
        "An update mask names a field that only the server sets, or another method.",
        "Leave the field out of the mask; RetractStatement and its like change a state.",
    ),
    FieldReason(
        "WRONG_STATE",
        "A field goes with another state: superseded_by with SUPERSEDED, state_time with any but ACTIVE.",
        "Leave the field empty, or set the state.",
    ),
    FieldReason(
        "NO_SUCCESSOR",
        "What is to take a statement's place is not on the record, does not stand itself, or is the statement itself.",
        "Name an active statement of the same collection.",
    ),
    FieldReason(
        "INVALID_PAGE_TOKEN",
        "A page token is not one that this listing gave.",
        "Send `next_page_token` as it came and to the same collection, or leave it empty to start again.",
    ),
    FieldReason(
        "MALFORMED_MESSAGE",
        "The request is no message of its method: damaged, or with a string that is not UTF-8. The field is `request`; "
        "over HTTP, where it is known, the field whose JSON does not fit it.",
        "Encode the request with the method's own message.",
    ),
    FieldReason(
        "UNKNOWN_FIELD",
        "A request over HTTP has a field that the message does not have.",
        "Write it as the contract does, lowerCamelCase or snake_case.",
    ),
)
