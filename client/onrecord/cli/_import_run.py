"""The import of one file for `statements import`: its state, its progress, and what came of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from operator import itemgetter
from typing import TYPE_CHECKING

from onrecord.cli._files import STDIN, count_lines, shown
from onrecord.cli._import import Import
from onrecord.cli._import_state import ImportState, ImportStateFile, new_state
from onrecord.cli._progress import progress
from onrecord.cli._report import InputError, complain
from onrecord.cli._statements_file import StatementFile

if TYPE_CHECKING:
    from onrecord.client import Client


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one file, runs before this one included. `finished_before`: this run had nothing to do."""

    created_count: int
    failed_count: int
    failures: list[dict[str, object]]
    pending_count: int
    finished_before: bool

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def import_one(
    client: Client, path: str, collection: str, *, new_names: bool, defer_index: bool, resume: bool
) -> Imported:
    """Import one file; InputError when it cannot be resumed."""
    file = StatementFile(path, collection, new_names=new_names)
    kept = None
    state = ImportState("", 0, 0)
    if path != STDIN and os.path.isfile(path):
        kept = ImportStateFile(path, client.target, file.parent)
        given = {"--new-names": new_names, "--defer-index": defer_index}
        state = _begin(kept, path, " ".join(flag for flag, on in given.items() if on), resume=resume)
        if state.finished:
            return Imported(state.created, state.failed, [], 0, True)
    elif resume:
        raise InputError(f"{path}: can be read only once, and an import of it cannot be resumed")
    else:
        state.key = new_state(os.devnull).key

    def saved() -> None:
        nonlocal kept
        try:
            if kept is not None:
                kept.write(state)
        except OSError as error:  # a full disk, a home that is not ours: no reason to store nothing
            complain(f"{kept.path}: {error.strerror}; this import cannot be resumed, should it stop" if kept else "")
            kept = None

    saved()  # the key is kept before it is used
    before = state.created + state.failed
    with progress("importing", "statements", count_lines(path), done=before) as advance:
        running = Import(client, file, state, defer_index=defer_index, saved=saved, done=advance)
        try:
            running.run()
        except BaseException as error:
            how = "; --resume goes on" if kept is not None and state.messages else ""
            error.add_note(f"{state.created:,} statements of {shown(path)} are on the record{how}")
            raise
    state.finished = True
    saved()
    file.end()
    failures = sorted(file.failures, key=itemgetter("line"))
    return Imported(state.created, state.failed, failures, running.pending, False)


def _begin(kept: ImportStateFile, path: str, options: str, *, resume: bool) -> ImportState:
    """The state to go on from, or a new one, which takes the place of an old one."""
    if resume and (state := kept.read()) is not None:
        if not state.is_of(path):
            raise InputError(
                f"{path}: has changed since its import was begun; import what is new as a file of its own (without "
                "--resume every line is taken, and one without a name is put on the record again)"
            )
        if state.options != options:
            raise InputError(f"{path}: its import was begun with {state.options or 'no options'}; give the same again")
        return state
    kept.clear_old()
    return new_state(path, options)
