"""Generate the waiting client from the one that awaits; with --check compare what is committed instead.

The methods of both are written once, in `onrecord/async_client.py` and `onrecord/_aio/{checks,record}.py`: a signature,
a docstring and the plan to carry out. `await` and its like are taken out here; nothing else differs. What truly differs
(how a plan is carried out, what a channel is) is written twice: `driver.py` and the transports.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "client" / "onrecord"
FILES = {
    "async_client.py": "client.py",
    "_aio/checks.py": "_sync/checks.py",
    "_aio/record.py": "_sync/record.py",
}

# whole phrases first, then words
PHRASES = {
    "The client that awaits. The waiting one in `onrecord.client` is generated from it, by `make client`.": (
        "The client that waits. Generated from `onrecord.async_client` by `make client`; do not edit."
    ),
    "The methods that check. The waiting client's are generated from these, by `make client`.": (
        "The methods that check. Generated from `onrecord._aio.checks` by `make client`; do not edit."
    ),
    "The methods on the record. The waiting client's are generated from these, by `make client`.": (
        "The methods on the record. Generated from `onrecord._aio.record` by `make client`; do not edit."
    ),
    """\
    It has one connection to an event loop: when the loop of its first call is closed, the next call connects anew;
    while that loop is open, calls from another one raise ClientMisplaced, and so do calls in a fork of a process that
    has called before.
""": """\
    Calls in a fork of a process that has called before raise ClientMisplaced: fork first, or spawn.
""",
    "safe to share among tasks": "safe to share among threads",
    "in another thread or task": "in another thread",
    "from onrecord._aio.transport import AsyncChannelTransport, AsyncTransport\n": (
        "from onrecord._transport import ChannelTransport, Transport\n"
    ),
    "from onrecord._aio.driver import AnyIterable, AsyncDriver\n": "from onrecord._sync.driver import Driver\n",
    "from collections.abc import AsyncIterator, Callable, Mapping\n": (
        "from collections.abc import Callable, Iterable, Iterator, Mapping\n"
    ),
    "from collections.abc import AsyncIterator, Mapping, Sequence\n": (
        "from collections.abc import Iterable, Iterator, Mapping, Sequence\n"
    ),
}
WORDS = (
    (r"\basync (?=def\b|with\b|for\b)", ""),
    (r"\bawait ", ""),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\bAnyIterable\b", "Iterable"),
    (r"\bAsync(?=Client|Checks|Record|Driver|ChannelTransport|Transport)", ""),
    (r"\b__a(?=enter__|exit__)", "__"),
    (r"\bonrecord\._aio\.", "onrecord._sync."),
)


def generated(source: str) -> str:
    """The waiting form of a source text."""
    for phrase, other in PHRASES.items():
        source = source.replace(phrase, other)
    for pattern, other in WORDS:
        source = re.sub(pattern, other, source)
    ruff = str(Path(sys.executable).parent / "ruff")
    tidy = ["check", "--select", "I,C416,UP028", "--fix", "--unsafe-fixes", "--quiet"]  # what plain loops are better as
    for arguments in (tidy, ["format", "--quiet"]):
        command = [ruff, *arguments, "--stdin-filename", "client/onrecord/x.py", "-"]
        done = subprocess.run(command, cwd=ROOT, input=source, capture_output=True, text=True, check=True)  # noqa: S603
        source = done.stdout
    return source


def main() -> int:
    """Write the files, or with --check tell whether they are current. Exit status 1 when they are not."""
    stale = []
    for source, target in FILES.items():
        text = generated((PACKAGE / source).read_text(encoding="utf-8"))
        path = PACKAGE / target
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(target)
            if "--check" not in sys.argv[1:]:
                path.write_text(text, encoding="utf-8")
    if "--check" in sys.argv[1:] and stale:
        print(f"not current: {', '.join(stale)}; run `make client`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
