"""What stands on a terminal: as wide as it is, coloured unless NO_COLOR or a pipe says otherwise."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import termios
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

import onrecord
from onrecord.cli._report import printable

Spawn = Callable[..., subprocess.Popen[bytes]]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def stored(client: onrecord.Client, collection: str) -> str:
    for number in range(3):
        said = onrecord.Statement(
            f"Statement {number}, which says rather more than a narrow terminal can hold in one line of its own.",
            name=f"collections/{collection}/statements/number-{number}-with-a-long-id-that-somebody-chose",
            speaker=onrecord.Speaker("A Minister of a Country With a Long Name"),
            relayed_by="The Daily Newspaper of Record",
            stated_time=datetime(2021, 8, 29, tzinfo=UTC),
        )
        client.add_statement(said, collection=collection)
    return collection


def on_terminal(spawn: Spawn, width: int, *arguments: str, **variables: str) -> str:
    """What a command writes to a terminal of that width."""
    controller, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    told = {"TERM": "xterm-256color", "COLUMNS": "", "NO_COLOR": "", **variables}
    process = spawn(*arguments, stdin=terminal, stdout=terminal, stderr=terminal, variables=told)
    os.close(terminal)
    shown = b""
    while True:
        try:
            part = os.read(controller, 65_536)
        except OSError:  # the other side has closed
            break
        if not part:
            break
        shown += part
    os.close(controller)
    assert process.wait(20) == 0
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize(
    "command",
    [
        ("statements", "list"), ("statements", "get", "number-1-with-a-long-id-that-somebody-chose"), ("info",),
        ("collections", "list", "--limit", "0"), ("config",), ("check", "Statement 1 says so."),
    ],
    ids=lambda command: " ".join(command[:2]),
)  # fmt: skip
def test_lines_fit(spawn: Spawn, server: str, stored: str, width: int, command: tuple[str, ...]) -> None:
    variables = {"ONRECORD_TARGET": server, "ONRECORD_COLLECTION": stored}
    shown = COLOUR.sub("", on_terminal(spawn, width, *command, **variables))
    assert shown.strip()
    assert max(map(len, shown.splitlines())) <= width
    if command[:2] == ("statements", "list"):
        assert "number-2-with-a-long-id-that-somebody-c" in shown  # ids are there to be copied
        assert "The Daily" in shown  # and who reported it


def test_colours(spawn: Spawn, server: str, stored: str) -> None:
    command = ("check", "Statement 1 says so.", "--target", server, "--collection", stored)
    assert COLOUR.search(on_terminal(spawn, 80, *command))
    assert not COLOUR.search(on_terminal(spawn, 80, *command, NO_COLOR="1"))
    assert not COLOUR.search(on_terminal(spawn, 80, *command, TERM="dumb"))
    piped = spawn(*command, stdout=subprocess.PIPE, variables={"TERM": "xterm-256color"})
    out, _ = piped.communicate(timeout=20)
    assert out
    assert not COLOUR.search(out.decode())
    forced = spawn(*command, stdout=subprocess.PIPE, variables={"TERM": "xterm-256color", "FORCE_COLOR": "1"})
    assert COLOUR.search(forced.communicate(timeout=20)[0].decode())


def test_a_document_is_reported_in_colour(spawn: Spawn, server: str, collection: str, tmp_path: Path) -> None:
    document = tmp_path / "news.txt"
    document.write_text("Jane Roe said that the bridge is safe.")
    command = ("ingest", str(document), "--target", server, "--collection", collection)
    for more, told in (
        (("--dry-run",), "nothing stored (--dry-run)"), ((), "put on the record"), ((), "on the record before")
    ):  # fmt: skip
        shown = on_terminal(spawn, 80, *command, *more)
        assert COLOUR.search(shown)
        assert told in " ".join(COLOUR.sub("", shown).split())


def test_marks_that_make_words_are_shown_and_marks_that_move_them_are_not() -> None:
    for text in ("می\u200cخواهد", "क्\u200dष", "👩\u200d👧", "soft\u00adhyphen"):
        assert printable(text) == text
    assert printable("a\u202eb\u2066c\x1b[31m\x9b") == "a\ufffdb\ufffdc\ufffd[31m\ufffd"
