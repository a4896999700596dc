"""What people are shown of every error: one exception from the client, one line and an exit status from a command.

docs/errors.md names the exception; both are compared here over the wire.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

import onrecord
from onrecord import errors as shown
from onrecord.cli._main import run
from onrecord_server.domain.errors import OnrecordError
from onrecord_server.domain.types import ModelInfo
from onrecord_server.rpc.backend import Backend
from onrecord_server.rpc.errors import INTERNAL_MESSAGE

pytestmark = pytest.mark.usefixtures("short_pauses")

NAME = "collections/default/statements/s1"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "errors.md"
DOCUMENTED = dict(
    re.findall(r"^\| `([A-Z_]+)` \| [A-Z_]+ \(\d+\) \| `(\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)
)


@pytest.fixture
async def address(serve: Any, any_error: OnrecordError) -> str:
    """A server whose GetStatement fails with the error, and says to come back soon where it says when."""
    if hasattr(any_error, "retry_after"):
        any_error.retry_after = 0.01

    class Failing:
        async def get(self, name: str) -> Any:
            raise any_error

    broken: Any = Failing()
    wire = await serve(Backend(record=broken, checker=broken, model=ModelInfo("fake", "1"), describe=broken))
    return str(wire.address)


def message_of(error: OnrecordError) -> str:
    """What the server says of it."""
    return INTERNAL_MESSAGE if type(error) is OnrecordError else error.message


async def test_the_client_raises_what_is_documented(address: str, any_error: OnrecordError) -> None:
    def call() -> shown.OnrecordError:
        with onrecord.Client(address) as client, pytest.raises(shown.OnrecordError) as caught:
            client.get_statement(NAME)
        return caught.value

    raised = await asyncio.to_thread(call)
    assert type(raised).__name__ == DOCUMENTED[any_error.reason]
    assert raised.reason == any_error.reason
    assert str(raised).startswith(message_of(any_error))
    assert "\n" not in str(raised)
    for told in ("violations", "resource_name", "retry_after"):
        if hasattr(any_error, told):
            assert getattr(raised, told), told  # what the server tells reaches the caller


async def test_a_command_says_one_line(
    address: str, any_error: OnrecordError, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ONRECORD_TOKEN", raising=False)
    status = await asyncio.to_thread(run, ["statements", "get", NAME, "--target", address])
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert out == ""
    assert line.startswith(f"onrecord: {message_of(any_error)}")
    assert status == (2 if DOCUMENTED[any_error.reason] == "InvalidArgument" else 1)
