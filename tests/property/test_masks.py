"""What an update mask changes, and what it leaves."""

from __future__ import annotations

from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from onrecord.v1 import statement_pb2 as pb
from onrecord_server.domain import masks
from onrecord_server.domain.types import Source, Span, Speaker, Stance, Statement, StatementDraft

PATHS = [*masks.STATEMENT_FIELDS, *(f"{k}.{v}" for k, inner in masks.STATEMENT_FIELDS.items() for v in inner)]
OLD = Statement(
    text="old",
    name="collections/a/statements/b",
    context="old",
    speaker=Speaker("old", ("old",)),
    relayed_by="old",
    source=Source("old", "old", "old"),
    labels=("old",),
    document="d0c",
    original="old",
    original_span=Span(1, 2),
    etag="7",
)
NEW = StatementDraft(
    text="new",
    name="collections/a/statements/other",
    speaker=Speaker("new"),
    stance=Stance.DENIED,
    source=Source("new", "new"),
    original="new",
)


def value(statement: StatementDraft, path: str) -> object:
    head, _, tail = path.partition(".")
    found = getattr(statement, head)
    return getattr(found, tail) if tail else found


@given(st.lists(st.sampled_from(PATHS), max_size=8))
def test_what_is_named_is_new_and_everything_else_is_old(paths: list[str]) -> None:
    assert masks.mask_violations(paths, masks.STATEMENT_FIELDS, masks.STATEMENT_FIXED) == []
    made = masks.changed(OLD, NEW, paths)
    for path in PATHS:
        head = path.partition(".")[0]
        named = path in paths or head in paths
        parts = [other for other in paths if other.startswith(f"{path}.")]
        if not parts:
            assert value(made, path) == value(NEW if named else OLD, path)
    for field in {f.name for f in fields(Statement)} - set(masks.STATEMENT_FIELDS) - {"original_span"}:
        assert getattr(made, field) == getattr(OLD, field)
    assert made.original_span == (None if "original" in paths else OLD.original_span)


@given(st.lists(st.text(max_size=12), max_size=8))
def test_a_mask_of_anything_is_judged_without_a_word_of_it(paths: list[str]) -> None:
    found = masks.mask_violations(paths, masks.STATEMENT_FIELDS, masks.STATEMENT_FIXED)
    known = {*PATHS, "*"}
    assert len(found) == sum(path not in known for path in paths)
    assert {v.reason for v in found} <= {"UNKNOWN_PATH", "NOT_UPDATABLE"}


def test_every_field_of_the_contract_can_be_updated_or_says_why_not() -> None:
    assert set(masks.STATEMENT_FIELDS) | masks.STATEMENT_FIXED == {f.name for f in pb.Statement.DESCRIPTOR.fields}
    assert set(masks.COLLECTION_FIELDS) | masks.COLLECTION_FIXED == {f.name for f in pb.Collection.DESCRIPTOR.fields}
    for name, inner in masks.STATEMENT_FIELDS.items():
        kind = pb.Statement.DESCRIPTOR.fields_by_name[name].message_type
        if inner:
            assert set(inner) == {f.name for f in kind.fields}


def test_a_star_and_no_mask_at_all() -> None:
    assert masks.chosen(["text", "*"], [], masks.STATEMENT_FIELDS) == list(masks.STATEMENT_FIELDS)
    assert masks.chosen([], ["name", "text", "etag"], masks.STATEMENT_FIELDS) == ["text"]
    same = replace(NEW, name=OLD.name)
    assert masks.changed(OLD, same, masks.STATEMENT_FIELDS).context == ""
