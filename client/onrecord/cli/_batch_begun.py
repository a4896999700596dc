"""With what options an output of `batch` was begun, kept in the user's state folder, so that `--resume` does not mix
verdicts of two kinds in one file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime

from onrecord.cli._files import STDIN
from onrecord.cli._report import InputError, complain
from onrecord.cli._state_file import StateFile, signature
from onrecord.types import format_time


class Begun:
    """The options of one run that its verdicts depend on, each as it is to be given; None where it is not given.

    output: the file that is resumed; what is no regular file has no past, and nothing is kept of it.
    """

    def __init__(self, output: str, options: Mapping[str, object]) -> None:
        self._output = output
        self._options = {name: _plain(value) for name, value in options.items()}
        keeps = output != STDIN and (os.path.isfile(output) or not os.path.lexists(output))
        self._file = StateFile("batches", output) if keeps else None

    def refuse_others(self) -> None:
        """InputError when the output was begun with other options. Where that is not known here, say so."""
        if self._file is None:
            return
        then = self._file.read()
        if then is None:
            complain(f"{self._output}: with which options it was begun is not known here; they must be those of now")
            return
        names = [*self._options, *(name for name in then if name not in self._options)]
        other = [name for name in names if then.get(name) != self._options.get(name)]
        if other:
            was = ", ".join(_given(name, then.get(name)) for name in other)
            now = ", ".join(_given(name, self._options.get(name)) for name in other)
            if was == now:  # a file of the same name
                now = "another content of it"
            raise InputError(
                f"{self._output}: was begun with {was}, and now: {now}; give the same as then, or leave --resume out "
                "to begin anew"
            )

    def keep(self) -> None:
        """To be called as the output is begun."""
        if self._file is None:
            return
        self._file.clear_old()
        try:
            self._file.write(self._options)
        except OSError as error:  # a home that is not ours: no reason to check nothing
            complain(f"{self._file.path}: {error.strerror}; --resume of {self._output} will not notice other options")


def of_files(paths: Sequence[str]) -> list[list[object]]:
    """Files as they are now: whole name, and size and time where they can be told."""
    return [[path, *(signature(path) if os.path.isfile(path) else ())] for path in map(_whole_name, paths)]


def _whole_name(path: str) -> str:
    return path if path == STDIN else os.path.realpath(path)


def _plain(value: object) -> object:
    """As JSON gives it back. What is empty is not given."""
    if value is None or value == () or value == []:
        return None
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return format_time(value)
    return value if isinstance(value, int) else str(value)


def _given(name: str, value: object) -> str:
    """An option with its value, as on the command line."""
    if value is None:
        return f"no {name}"
    values = value if isinstance(value, list) else [value]
    return " ".join(f"{name} {one[0] if isinstance(one, list) else one}" for one in values)
