"""Data with answers, from the user's files: JSON, one object a line, also packed (.gz)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from onrecord.cli._files import PACKED, BadLine, probe, read_lines, read_text, shown
from onrecord.cli._formats import refuse_no_statements
from onrecord.cli._open import is_statements
from onrecord.cli._report import InputError, complain

if TYPE_CHECKING:
    from onrecord_server.evaluation.claims import Recorded
    from onrecord_server.evaluation.data import AnnotatedDocument, LabelledClaim, PairSet

Item = TypeVar("Item")

_MOST_SHOWN = 5  # bad lines of a file that are reported one by one


class Datasets:
    """Reads files of data. skip_bad: bad lines are reported and passed over; else a file with one is refused."""

    def __init__(self, *, skip_bad: bool) -> None:
        self._skip_bad = skip_bad
        self.passed_over = 0

    def pair_sets(self, paths: Sequence[str], limit: int | None) -> list[PairSet]:
        """A set a file, under the file's name; `limit` keeps the first of each."""
        from onrecord_server.evaluation.data import PairSet, read_pair

        for path in paths:
            probe(path)
        return [
            PairSet(name, tuple(self._items(path, read_pair, limit)))
            for path, name in zip(paths, _names(paths), strict=True)
        ]

    def claims(self, path: str, limit: int | None) -> list[LabelledClaim]:
        """Claims with their verdicts."""
        return self._items(path, _labelled, limit)

    def documents(self, path: str, limit: int | None) -> list[AnnotatedDocument]:
        """Texts with their attributions."""
        from onrecord_server.evaluation.data import read_document

        return self._items(path, read_document, limit)

    def record(self, paths: Sequence[str]) -> list[Recorded]:
        """Statements: those of .jsonl files, and those that other files, documents, are read into."""
        from onrecord_server.domain.limits import DOCUMENT_CODE_POINTS
        from onrecord_server.domain.types import Source
        from onrecord_server.domain.validation import text_violations
        from onrecord_server.evaluation.claims import Recorded
        from onrecord_server.ingest import ingest_document

        found: list[Recorded] = []
        for path in paths:
            if is_statements(path):
                numbers = iter(range(1, 1 << 62))
                found += self._items(path, lambda data, n=numbers: _recorded(data, next(n)), None)  # type: ignore[misc]
            else:
                refuse_no_statements(path)
                text = read_text(path)
                if bad := text_violations("text", text, DOCUMENT_CODE_POINTS, required=True):
                    raise InputError(f"{shown(path)}: the text {bad[0].message}")
                drafts = ingest_document(text, Source()).drafts
                found += [Recorded(f"{_file_name(path)}#{i}", d) for i, d in enumerate(drafts, start=1)]
        if not found:
            raise InputError(f"{', '.join(map(shown, paths))}: no statement in it")
        return found

    def _items(self, path: str, read: Callable[[dict[str, object]], Item], limit: int | None) -> list[Item]:
        items: list[Item] = []
        bad: list[str] = []
        for number, outcome in _outcomes(path, read):
            if isinstance(outcome, BadLine):
                bad.append(f"{shown(path)}:{number}: {outcome}")
            else:
                items.append(outcome)
                if limit is not None and len(items) == limit:
                    break
        if bad and not self._skip_bad:
            more = f" (and {len(bad) - 1:,} more bad lines)" if len(bad) > 1 else ""
            raise InputError(f"{bad[0]}{more}; correct it, or pass over bad lines with --skip-bad")
        for message in bad[:_MOST_SHOWN]:
            complain(f"{message}; passed over")
        if len(bad) > _MOST_SHOWN:
            complain(f"{shown(path)}: {len(bad) - _MOST_SHOWN:,} more bad lines passed over")
        self.passed_over += len(bad)
        if not items:
            raise InputError(f"{shown(path)}: nothing in it to evaluate")
        return items


def _outcomes(path: str, read: Callable[[dict[str, object]], Item]) -> Iterator[tuple[int, Item | BadLine]]:
    from onrecord.errors import InvalidArgument
    from onrecord_server.evaluation.data import BadField

    for line in read_lines(path):
        try:
            yield line.number, read(line.json_object())
        except BadLine as error:
            yield line.number, error
        except BadField as error:
            yield line.number, BadLine(str(error))
        except InvalidArgument as error:
            first = error.violations[0] if error.violations else None
            field = first.field.removeprefix("statement.") if first else ""
            yield line.number, BadLine(f'"{field}" {first.message}' if first else error.message)


def _labelled(data: dict[str, object]) -> LabelledClaim:
    """A claim, its time read as `batch` reads it."""
    from onrecord._json import parse_as_of
    from onrecord_server.evaluation.data import BadField, read_claim

    moment = data.get("as_of")
    if not isinstance(moment, str):
        return read_claim(data)
    try:
        return read_claim({**data, "as_of": parse_as_of(moment) if moment else None})
    except BadField:
        raise
    except ValueError as error:
        raise BadField("as_of", str(error)) from None


def _recorded(data: dict[str, object], number: int) -> Recorded:
    """A statement as an import reads it, through the same conversions; its own name is left out, ids may repeat."""
    from dataclasses import fields

    from onrecord import _request
    from onrecord.types import Statement
    from onrecord_server.domain.errors import FieldViolation
    from onrecord_server.domain.validation import draft_violations
    from onrecord_server.evaluation.claims import Recorded
    from onrecord_server.evaluation.data import BadField, unicode_text
    from onrecord_server.rpc.convert import draft_from_proto

    if data.get("text") is None:
        raise BadField("text", "is missing")
    identifier = data.get("id", data.get("name", number))
    known = {field.name for field in fields(Statement)} - {"name"}
    statement = Statement.from_dict({key: value for key, value in data.items() if key in known})
    request = _request.Fields()
    message = _request.statement(request, statement)
    request.check()
    violations: list[FieldViolation] = []
    draft = draft_from_proto(message, "statement", violations)
    violations += draft_violations(draft, "")
    if violations:
        raise BadField(violations[0].field.removeprefix("statement."), violations[0].message)
    return Recorded(unicode_text(str(identifier), "id"), draft)


def _names(paths: Sequence[str]) -> list[str]:
    """Each file's name without its endings; with its folder where two would be called the same."""
    short = [_stem(path) for path in paths]
    return [
        name if short.count(name) == 1 else os.path.join(_file_name(os.path.dirname(os.path.abspath(p))), name)
        for p, name in zip(paths, short, strict=True)
    ]


def _file_name(path: str) -> str:
    """The last part of a path as a report can hold it: names of files need not be UTF-8."""
    return os.fsencode(os.path.basename(path)).decode(errors="replace")


def _stem(path: str) -> str:
    name = _file_name(path).removesuffix(PACKED)
    return os.path.splitext(name)[0] or name
