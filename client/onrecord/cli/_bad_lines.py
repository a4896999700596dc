"""Bad lines of a file on stderr: the first of each fault, and how many more there are."""

from __future__ import annotations

import re
from collections import Counter

from onrecord.cli._report import complain

MOST_ALIKE = 5
"""Lines of the same fault that are reported one by one."""
_OWN = re.compile(r"collections/\S+[^\s:]|'[^']*'|\d+")  # what lines of the same fault may differ in
MOST = 20
"""Lines of any fault that are."""


class BadLines:
    """Reports bad lines of one file as they are met. `count`: all of them."""

    def __init__(self, name: str) -> None:
        self.count = 0
        self._name = name
        self._alike: Counter[str] = Counter()  # of the faults that were reported
        self._unshown: Counter[str] = Counter()  # of these, the lines that were not
        self._others = 0

    def report(self, place: str, message: str) -> None:
        """One more. place: where it stands."""
        self.count += 1
        fault = _OWN.sub("…", message)
        if sum(self._alike.values()) < MOST and self._alike[fault] < MOST_ALIKE:
            self._alike[fault] += 1
            complain(f"{self._name}: {place}: {message}; passed over")
        elif self._alike[fault]:
            self._unshown[fault] += 1
        else:
            self._others += 1

    def end(self, where: str = "") -> None:
        """Say how many were not reported. where: what to read to know of all."""
        for fault, more in self._unshown.items():
            complain(f"{self._name}: and {_lines(more)}: {fault}; passed over")
        if self._others:
            complain(f"{self._name}: and {_lines(self._others)} with other faults; passed over")
        if where and (self._unshown or self._others):
            complain(f"{self._name}: {where}")
        self._unshown, self._others = Counter(), 0


def _lines(count: int) -> str:
    return f"{count:,} more line{'s' * (count > 1)}"
