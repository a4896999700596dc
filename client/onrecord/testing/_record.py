"""The fake's record: statements and collections in dicts, the same names, states and refusals as a server's."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.message import Message

from onrecord import _answer
from onrecord.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
)
from onrecord.testing._wire import Failure
from onrecord.types import DEFAULT_COLLECTION, Statement
from onrecord.v1 import filter_pb2
from onrecord.v1 import statement_pb2 as pb

Call = Callable[[Any], Any]
Kept = TypeVar("Kept", pb.Statement, pb.Collection)


def collection_of(parent: str) -> str:
    """The collection's id in a request's parent."""
    return parent.removeprefix("collections/") or DEFAULT_COLLECTION


class Record:
    """What is on the record, in the order it was put there."""

    def __init__(self) -> None:
        self._statements: dict[str, pb.Statement] = {}
        self._collections: dict[str, pb.Collection] = {}
        self._answers: dict[tuple[str, str], tuple[bytes, Message]] = {}
        self._numbers = itertools.count(1)
        self.lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._statements)

    @property
    def statements(self) -> list[Statement]:
        """All of them, of every collection."""
        return [_answer.statement(message) for message in self._statements.values()]

    def add(self, parent: str, draft: pb.Statement) -> pb.Statement:
        """Put a statement there, or Failure."""
        parent = f"collections/{collection_of(parent)}"
        if not draft.text:
            raise Failure(invalid("statement.text", "is empty", "REQUIRED"))
        name = draft.name or f"{parent}/statements/s{next(self._numbers)}"
        if not name.startswith(f"{parent}/statements/"):
            raise Failure(invalid("statement.name", f"does not lie in {parent}", "WRONG_PARENT"))
        if name in self._statements:
            message = f"{name} is on the record already"
            raise Failure(AlreadyExists(message, reason="STATEMENT_EXISTS", resource_name=name))
        stored = pb.Statement()
        stored.CopyFrom(draft)
        stored.name = name
        stored.stance = draft.stance or pb.STANCE_ASSERTED
        stored.state = draft.state or pb.STATE_ACTIVE
        stored.create_time.GetCurrentTime()
        self._changed(stored)
        self._statements[name] = stored
        self._exists(parent)
        return stored

    def get(self, name: str, etag: str = "") -> pb.Statement:
        """A statement by its name, while it has that etag."""
        if name not in self._statements:
            message = f"{name} is not on the record"
            raise Failure(NotFound(message, reason="STATEMENT_NOT_FOUND", resource_name=name))
        return self._current(self._statements[name], etag)

    def of(self, parent: str, narrowed: filter_pb2.StatementFilter | None = None) -> list[pb.Statement]:
        """The statements of one collection that pass."""
        begin = f"collections/{collection_of(parent)}/statements/"
        there = [stored for name, stored in self._statements.items() if name.startswith(begin)]
        return there if narrowed is None else [stored for stored in there if passes(stored, narrowed)]

    def search(self, parent: str, query: str, narrowed: filter_pb2.StatementFilter) -> list[pb.Statement]:
        """Those that share a word with the query, most shared words first."""
        words = set(query.casefold().split())
        shared = {stored.name: len(words & set(stored.text.casefold().split())) for stored in self.of(parent, narrowed)}
        return [self._statements[name] for name in sorted(shared, key=lambda name: -shared[name]) if shared[name]]

    def delete(self, name: str, etag: str) -> None:
        """Take one off."""
        self.get(name, etag)
        del self._statements[name]

    def update(self, asked: pb.Statement, paths: list[str]) -> pb.Statement:
        """Change fields of one."""
        stored = self.get(asked.name, asked.etag)
        fixed = {"name", "document", "original_span", "create_time", "update_time", "etag"}
        fixed |= {"state", "superseded_by", "state_time"}
        every = [field.name for field in pb.Statement.DESCRIPTOR.fields if field.name not in fixed]
        if list(paths) == ["*"]:
            paths = every
        for path in paths or [field.name for field, _ in asked.ListFields() if field.name in every]:
            if path.partition(".")[0] not in every:
                raise Failure(invalid("update_mask", f"{path} cannot be changed", "UNKNOWN_PATH"))
            copy_path(asked, stored, path)
        return self._changed(stored)

    def set_state(self, name: str, etag: str, state: pb.State.ValueType, by: str, when: Any) -> pb.Statement:
        """Retract, supersede, or reinstate one."""
        stored = self.get(name, etag)
        stored.state, stored.superseded_by = state, by
        stored.ClearField("state_time")
        if when is not None and when.ByteSize():
            stored.state_time.CopyFrom(when)
        elif state != pb.STATE_ACTIVE:
            stored.state_time.GetCurrentTime()
        return self._changed(stored)

    def collection(self, name: str, etag: str = "") -> pb.Collection:
        """A collection, with its count, while it has that etag."""
        if name not in self._collections:
            message = f"{name} is not there"
            raise Failure(NotFound(message, reason="COLLECTION_NOT_FOUND", resource_name=name))
        stored = self._current(self._collections[name], etag)
        stored.statement_count = len(self.of(name))
        return stored

    def collections(self) -> list[pb.Collection]:
        """All of them."""
        return [self.collection(name) for name in self._collections]

    def create_collection(self, asked: pb.Collection, collection_id: str) -> pb.Collection:
        """A new one."""
        name = f"collections/{collection_id or f'c{next(self._numbers)}'}"
        if name in self._collections:
            message = f"{name} is there already"
            raise Failure(AlreadyExists(message, reason="COLLECTION_EXISTS", resource_name=name))
        stored = self._exists(name)
        stored.display_name, stored.description = asked.display_name, asked.description
        return stored

    def update_collection(self, asked: pb.Collection, paths: list[str]) -> pb.Collection:
        """Change what it says of itself."""
        stored = self.collection(asked.name, asked.etag)
        both = ["display_name", "description"]
        for path in both if list(paths) == ["*"] else paths or [name for name in both if getattr(asked, name)]:
            if path not in both:
                raise Failure(invalid("update_mask", f"{path} cannot be changed", "UNKNOWN_PATH"))
            copy_path(asked, stored, path)
        return self._changed(stored)

    def delete_collection(self, name: str, etag: str, force: bool) -> int:
        """Take it off, with its statements when forced."""
        self.collection(name, etag)
        held = self.of(name)
        if held and not force:
            message = f"{name} holds {len(held)} statements; delete them first, or force it"
            raise Failure(FailedPrecondition(message, reason="COLLECTION_NOT_EMPTY"))
        for stored in held:
            del self._statements[stored.name]
        del self._collections[name]
        return len(held)

    def once(self, scope: str, request: Any, work: Call) -> Any:
        """The answer, or that of the first time where the request_id has been here before."""
        with self.lock:
            key = (scope, request.request_id)
            body = request.SerializeToString(deterministic=True)
            if request.request_id and key in self._answers:
                before, answer = self._answers[key]
                if before != body:
                    message = f"request_id: {request.request_id} was used for another request"
                    raise Failure(AlreadyExists(message, reason="REQUEST_ID_REUSED"))
                return answer
            answer = work(request)
            self._answers[key] = (body, answer)
            return answer

    def _exists(self, name: str) -> pb.Collection:
        if name not in self._collections:
            made = pb.Collection(name=name)
            made.create_time.GetCurrentTime()
            self._collections[name] = self._changed(made)
        return self._collections[name]

    def _changed(self, stored: Kept) -> Kept:
        stored.etag = f"e{next(self._numbers)}"
        stored.update_time.GetCurrentTime()
        return stored

    @staticmethod
    def _current(stored: Kept, etag: str) -> Kept:
        if etag and etag != stored.etag:
            raise Failure(Aborted(f"{stored.name} was changed meanwhile", reason="ETAG_MISMATCH"))
        return stored


def passes(stored: pb.Statement, narrowed: filter_pb2.StatementFilter) -> bool:
    """Whether a statement passes a filter, as a server decides it; names by their letters alone."""

    def among(wanted: Any, *names: str) -> bool:
        return not wanted or bool({name.casefold() for name in wanted} & {name.casefold() for name in names})

    stated = stored.stated_time if stored.HasField("stated_time") else stored.source.publish_time
    begin, end = narrowed.HasField("stated_from"), narrowed.HasField("stated_until")
    return (
        among(narrowed.speakers, stored.speaker.name, *stored.speaker.aliases)
        and among(narrowed.publishers, stored.source.publisher)
        and {label.casefold() for label in narrowed.labels} <= {label.casefold() for label in stored.labels}
        and (not narrowed.states or stored.state in narrowed.states)
        and (not (begin or end) or bool(stated.ByteSize()))
        and (not begin or stated.ToNanoseconds() >= narrowed.stated_from.ToNanoseconds())
        and (not end or stated.ToNanoseconds() < narrowed.stated_until.ToNanoseconds())
    )


def invalid(field: str, message: str, reason: str) -> InvalidArgument:
    """One bad field."""
    return InvalidArgument.of([FieldViolation(field, message, reason)])


def copy_path(source: Any, target: Any, path: str) -> None:
    """Make a field of `target` what it is in `source`."""
    name, dot, rest = path.partition(".")
    if dot:
        copy_path(getattr(source, name), getattr(target, name), rest)
        return
    target.ClearField(name)
    part = type(target)()
    part.MergeFrom(source)
    for other in part.DESCRIPTOR.fields:
        if other.name != name:
            part.ClearField(other.name)
    target.MergeFrom(part)
