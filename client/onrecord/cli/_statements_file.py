"""Statements in a .jsonl file, one object a line: the JSON form of a statement, or as little as {"text": "…"}."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING

from onrecord._places import renamed
from onrecord.cli._bad_lines import BadLines
from onrecord.cli._files import BadLine, count_lines, read_lines, shown
from onrecord.cli._progress import progress
from onrecord.cli._report import complain
from onrecord.errors import AlreadyExists, InvalidArgument, OnrecordError
from onrecord.types import ImportReport, Statement

if TYPE_CHECKING:
    from onrecord.client import Client

_KEYS = frozenset(field.name for field in fields(Statement))
_TIMES = frozenset(("date", "time", "day", "when"))  # what others call `stated_time`
_FIELD = re.compile(r"\bstatements?(\[\d+\])?\.")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SHOWN_ID = 40  # characters of an id that a message repeats
_MOST_KEYS = 8  # named in the note about keys that are not read
_MOST_LISTED = 1_000  # bad lines that `failures` holds, as many as the report of an import


class StatementFile:
    """Reads one file for an import; bad lines are reported as they are met and passed over. `bad_lines` is their
    number; `failures` has the first 1,000 of them as JSON: line, code, reason, message and what else the error tells.

    A statement keeps its id, from `name` or a key `id`, and moves into the given collection; with `new_names` the
    server names all of them. An `id` that cannot be one makes its line a bad one, for under a new name the statement
    would come twice when the file is imported again; with `any_id`, for a record that is not kept, it is not read.
    Of bad lines with the same fault the first are reported and the others counted.
    """

    def __init__(
        self,
        path: str,
        collection: str,
        *,
        new_names: bool = False,
        any_id: bool = False,
    ) -> None:
        self.path = path
        self.bad_lines = 0
        self.failures: list[dict[str, object]] = []
        self.parent = collection if collection.startswith("collections/") else f"collections/{collection}"
        self._new_names = new_names
        self._any_id = any_id
        self._taken = 0
        self._reported = BadLines(shown(path))
        self._numbers = array("q")  # line of each statement handed out
        self._unread: set[str] = set()

    def __iter__(self) -> Iterator[dict[str, object]]:
        for number, data, _ in self.numbered():
            if isinstance(data, OnrecordError):
                self._bad(number, data)
                continue
            self._numbers.append(number)
            yield data

    def numbered(self, after: int = 0) -> Iterator[tuple[int, dict[str, object] | OnrecordError, int]]:
        """Each line behind the line `after`: its number, its statement or what is wrong with it, and its bytes."""
        for line in read_lines(self.path):
            if line.number <= after:
                continue
            try:
                data = line.json_object()
                if "text" not in data:
                    raise BadLine('no "text"')
                yield line.number, self._named(data), len(line.raw)
            except BadLine as error:
                yield line.number, InvalidArgument(str(error), reason="BAD_LINE"), len(line.raw)

    def refuse(self, number: int, error: OnrecordError) -> None:
        """Report a line that the record did not take."""
        self._taken += isinstance(error, AlreadyExists)
        self._bad(number, renamed(error, partial(_FIELD.sub, "")))

    def _named(self, data: dict[str, object]) -> dict[str, object]:
        if data.keys() <= _KEYS and not data.get("name"):
            return data  # as most are: nothing to read an id from, and no key that is not read
        name, given = data.get("name"), data.get("id")
        identifier, used = "", {"id"}
        if isinstance(name, str) and name:
            identifier = name.rpartition("/")[2]
            used = {"id"} if given == identifier or self._new_names else set()
        elif given is not None and given != "" and not self._new_names:
            identifier = self._from_id(given)
            used = {"id"} if identifier else set()
        if len(self._unread) < _MOST_KEYS:
            self._unread |= {key for key in data if key not in _KEYS and key not in used}
        kept = {key: value for key, value in data.items() if key in _KEYS}
        if self._new_names or not identifier:
            return {**kept, "name": ""} if isinstance(name, str) else kept
        return {**kept, "name": f"{self.parent}/statements/{identifier}"}

    def _from_id(self, given: object) -> str:
        """The id that the key `id` gives; a whole number is one, too. Empty when it cannot be one and need not."""
        text = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
        if _ID.fullmatch(text):
            return text
        if self._any_id:
            return ""
        what = repr(text[:_SHOWN_ID]) if text else f"that is a {type(given).__name__}"
        raise BadLine(
            f"the id {what} cannot be one (a-z, 0-9 and -, at most 63); correct it, or let the server name all "
            "statements with --new-names"
        )

    def _bad(self, number: int, error: OnrecordError) -> None:
        self.bad_lines += 1
        if len(self.failures) < _MOST_LISTED:
            self.failures.append({"line": number, **error.to_dict()})
        self._reported.report(f"line {number}", error.message)

    def report(self, outcome: ImportReport) -> None:
        """Say on stderr which lines the record did not take, and which keys were not read."""
        for failure in outcome.failures:
            self._bad(self._numbers[failure.index], renamed(failure.error, partial(_FIELD.sub, "")))
        if unlisted := outcome.failed_count - len(outcome.failures):
            self.bad_lines += unlisted
            complain(f"{shown(self.path)}: {unlisted:,} more lines were passed over")
        self.end()

    def end(self) -> None:
        """Say on stderr how many bad lines were not reported one by one, and which keys were not read."""
        self._reported.end()
        if self._taken:
            complain(
                f"{shown(self.path)}: statements whose name is taken were left as they are on the record: change "
                "them with `onrecord statements update`, or import all under new names with --new-names"
            )
        if self._unread:
            listed = ", ".join(f"{key}{_meant(key)}" for key in sorted(self._unread))
            complain(f"{shown(self.path)}: keys that are not part of a statement were not read: {listed}")


def _meant(key: str) -> str:
    """The key of a statement that another one looks like, in words; "" where there is none."""
    import difflib  # for a few files only

    close = ["stated_time"] if key.lower() in _TIMES else difflib.get_close_matches(key, sorted(_KEYS), 1, 0.8)
    return f" (did you mean {close[0]}?)" if close else ""


def import_file(client: Client, file: StatementFile, collection: str) -> ImportReport:
    """Import one file and report on it; shows how far it is, for a large one takes minutes."""
    with progress("reading", "statements", count_lines(file.path)) as advance:
        outcome = client.import_statements(_counted(file, advance), collection=collection)
    file.report(outcome)
    return outcome


def _counted(file: StatementFile, advance: Callable[[int], None]) -> Iterator[dict[str, object]]:
    for statement in file:
        yield statement
        advance(1)  # the client asks for more when what it has is being stored
