"""Validation holds against any input at all."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onrecord_server.domain import limits
from onrecord_server.domain.errors import InvalidInput
from onrecord_server.domain.limits import Limit
from onrecord_server.domain.types import DEFAULT_COLLECTION, CheckOptions, Claim, Source, Span, Speaker, StatementDraft
from onrecord_server.domain.validation import (
    claim_violations,
    draft_violations,
    options_violations,
    parent_of,
    parse_name,
    parse_parent,
    text_violations,
)

LIMIT = Limit("things", 10, "code points", "THING_TOO_LONG")
anything = st.text(alphabet=st.characters(), max_size=30)  # every code point, surrogates included
hostile = st.text(alphabet=st.characters(categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp", "Mn", "Lu"]))
BLANKS = " \t\n\r\u00a0\u1680\u2003\u2028\u202f\u3000\u200b\u200d\u2060\ufeff\u00ad\u2800\u3164\u115f\ufe0f"


def reasons(found: list) -> set[str]:
    return {v.reason for v in found}


@given(anything | hostile, st.booleans())
def test_text_is_never_a_surprise(value: str, required: bool) -> None:
    found = text_violations("f", value, LIMIT, required=required)
    for violation in found:
        assert violation.field == "f"
        assert violation.reason
        assert "\n" not in violation.message
    assert ("NOT_UNICODE" in reasons(found)) == any(unicodedata.category(c) == "Cs" for c in value)
    assert ("CONTROL_CHARACTER" in reasons(found)) == any(
        unicodedata.category(c) == "Cc" and c not in "\n\r\t" for c in value
    )
    assert (LIMIT.reason in reasons(found)) == (len(value) > 10)
    if not found and value:
        assert value.encode()  # what passes can be stored and sent


@given(st.text(alphabet=BLANKS, min_size=1, max_size=10))
def test_blank_in_any_script_is_blank(value: str) -> None:
    assert reasons(text_violations("f", value, LIMIT, required=True)) == {"BLANK"}
    assert reasons(text_violations("f", value, LIMIT, required=False)) == {"BLANK"}


@pytest.mark.parametrize("value", ["a", "é", "中", "👍", "👨‍👩‍👧", "a\u200b", "\n.\t", "e\u0301", "-"])
def test_visible_text_passes(value: str) -> None:
    assert text_violations("f", value, LIMIT, required=True) == []


@pytest.mark.parametrize(("size", "found"), [(0, {"REQUIRED"}), (1, set()), (10, set()), (11, {"THING_TOO_LONG"})])
def test_limit_from_both_sides_in_code_points(size: int, found: set[str]) -> None:
    assert reasons(text_violations("f", "👍" * size, LIMIT, required=True)) == found


def test_everything_wrong_is_said_at_once() -> None:
    found = text_violations("f", "\ud800\x00" + "x" * 20, LIMIT, required=True)
    assert reasons(found) == {"THING_TOO_LONG", "NOT_UNICODE", "CONTROL_CHARACTER"}
    draft = StatementDraft(
        text="",
        name="statements/1",
        context="\x07",
        speaker=Speaker("\u200b", ("ok", "", "x" * 201)),
        labels=tuple("x" * 33),
        source=Source(publish_time=datetime(2024, 5, 1)),
        valid_from=datetime(2024, 5, 2, tzinfo=UTC),
        original_span=Span(3, 2),
    )
    assert {v.field for v in draft_violations(draft, "statements[7]")} == {
        f"statements[7].{field}"
        for field in (
            "name",
            "text",
            "context",
            "speaker.name",
            "speaker.aliases[1]",
            "speaker.aliases[2]",
            "labels",
            "source.publish_time",
            "original_span",
        )
    }


def test_messages_say_what_to_do_and_keep_the_text_to_themselves() -> None:
    for value in ("secret\x00", "secret\udfff", "secretsecret"):
        (violation,) = text_violations("f", value, LIMIT, required=True)
        assert "secret" not in violation.message
        assert any(word in violation.message for word in ("remove", "send", "shorten"))


@pytest.mark.parametrize(
    ("claim", "field"),
    [
        (Claim("x" * 2_001), "claim.text"),
        (Claim(" "), "claim.text"),
        (Claim("fine", speaker="x" * 201), "claim.speaker"),
    ],
)
def test_bad_claims(claim: Claim, field: str) -> None:
    assert [v.field for v in claim_violations(claim)] == [field]


def test_good_claim() -> None:
    assert claim_violations(Claim("x" * 2_000, speaker="x" * 200)) == []


@given(anything, anything, st.lists(anything, max_size=3))
def test_drafts_never_raise(text: str, name: str, many: list[str]) -> None:
    draft = StatementDraft(text=text, name=name, speaker=Speaker(name, tuple(many)), labels=tuple(many))
    for violation in draft_violations(draft):
        assert violation.field.startswith("statement.")


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))])))
def test_times_never_raise_and_what_passes_can_be_put_in_utc(time: datetime) -> None:
    if not draft_violations(StatementDraft("t", stated_time=time)):
        assert time.astimezone(UTC)


@pytest.mark.parametrize(
    ("time", "found"),
    [
        (datetime(1, 1, 1, tzinfo=UTC), set()),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), {"OUT_OF_RANGE"}),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), set()),
        (datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12))), {"OUT_OF_RANGE"}),
        (datetime(2024, 1, 1), {"NO_TIME_ZONE"}),
    ],
)
def test_times_outside_the_calendar(time: datetime, found: set[str]) -> None:
    assert reasons(draft_violations(StatementDraft("t", valid_from=time))) == found


def test_validity_runs_forwards() -> None:
    early, late = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)
    assert draft_violations(StatementDraft("t", valid_from=early, valid_until=early)) == []
    (violation,) = draft_violations(StatementDraft("t", valid_from=late, valid_until=early))
    assert violation.field == "statement.valid_until"


@given(st.floats() | st.none(), st.integers() | st.none())
def test_options(value: float | None, count: int | None) -> None:
    found = {v.field for v in options_violations(CheckOptions(value, value, value, value, count))}
    assert ("options.support_threshold" in found) == (value is not None and not 0 <= value <= 1)
    assert ("options.contradiction_margin" in found) == ("options.support_threshold" in found)
    assert ("options.topic_threshold" in found) == (value is not None and not -1 <= value <= 1)
    assert ("options.max_evidence" in found) == (count is not None and not 0 <= count <= 32)


def test_options_at_their_ends() -> None:
    assert options_violations(CheckOptions(0.0, 1.0, 0.0, -1.0, 0)) == []
    assert options_violations(CheckOptions(max_evidence=limits.MAX_EVIDENCE.value)) == []
    assert reasons(options_violations(CheckOptions(max_evidence=33))) == {"TOO_MUCH_EVIDENCE"}
    assert reasons(options_violations(CheckOptions(support_threshold=float("nan")))) == {"OUT_OF_RANGE"}


ids = st.from_regex("[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)


@given(ids, ids)
def test_good_names(collection: str, statement: str) -> None:
    parent = f"collections/{collection}"
    name = f"{parent}/statements/{statement}"
    assert parse_parent(parent) == parent
    assert parse_name(name) == name
    assert parent_of(name) == parent


@given(anything)
def test_any_other_name_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_name(value)
    assert error.value.violations[0].field == "name"


@pytest.mark.parametrize(
    "value",
    [
        "collections",
        "collections/",
        "collections/A",
        "collections/-a",
        "collections/a\n",
        "collections/a/statements/b",
        "collections/" + "a" * 64,
        "collections/ａ",
        " ",
    ],
)
def test_bad_parents(value: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_parent(value, field="requests[0].parent")
    assert error.value.violations[0].field == "requests[0].parent"
    with pytest.raises(InvalidInput):
        parse_name(value + "/statements/" + "a" * 64)


def test_the_empty_parent_is_the_default_collection() -> None:
    assert parse_parent("") == DEFAULT_COLLECTION


def test_a_name_outside_its_parent_is_refused() -> None:
    draft = StatementDraft("t", name="collections/a/statements/b")
    assert draft_violations(draft, parent="collections/a") == []
    assert reasons(draft_violations(draft, parent="collections/b")) == {"WRONG_PARENT"}
