"""Log lines for people and for machines."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from onrecord_server.logs import JsonFormatter, configure_logging


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the root logger as it was."""
    root, ours = logging.getLogger(), logging.getLogger("onrecord_server")
    before = (root.handlers[:], root.level, ours.level)
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def test_json_lines_hold_the_call_s_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    fields = {"method": "onrecord.v1.CheckService/CheckClaim", "code": "OK", "ms": 12.5}
    logging.getLogger("onrecord_server.access").info("%s\n%s", "a", "b", extra=fields)
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert {k: entry[k] for k in fields} == fields
    assert (entry["level"], entry["message"]) == ("info", "a\nb")


def test_the_level_holds_for_ours_and_others_only_warn(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", "text")
    logging.getLogger("onrecord_server.x").debug("ours")
    logging.getLogger("transformers").info("theirs")
    assert "ours" in (err := capsys.readouterr().err)
    assert "theirs" not in err


def test_tracebacks_stay_on_one_json_line() -> None:
    try:
        raise KeyError("lost")
    except KeyError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert "KeyError" in json.loads(line)["exception"]


def test_callers_who_leave_as_they_are_answered_are_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    class ExecuteBatchError(Exception):
        """As grpc's own, which it does not export."""

    configure_logging("info", "text")
    for error in (ExecuteBatchError("gone"), RuntimeError("a defect")):
        logging.getLogger("grpc._cython.cygrpc").error("raised in core", exc_info=error)
    err = capsys.readouterr().err
    assert "gone" not in err
    assert "a defect" in err
