"""What a client refuses before anything is sent, each by the name of its own parameter."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest

from onrecord import Client, Statement, errors


@pytest.fixture
def client() -> Iterator[Client]:
    with Client("127.0.0.1:1") as client:
        yield client


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, 0, "5", True, [5]])
@pytest.mark.parametrize(
    "use",
    [
        lambda client, value: Client("127.0.0.1:1", timeout=value),
        lambda client, value: client.check("x", timeout=value),
        lambda client, value: client.check_batch(["x"], timeout=value),
        lambda client, value: client.import_statements(["x"], timeout=value),
        lambda client, value: list(client.list_statements(timeout=value)),
        lambda client, value: client.wait_ready(value),
    ],
)
def test_timeout_that_is_no_time(client: Client, use: Callable[[Client, Any], object], value: Any) -> None:
    with pytest.raises(errors.InvalidArgument, match=r"^timeout: needs a number of seconds"):
        use(client, value)


def test_batch_timeout_is_named() -> None:
    with pytest.raises(errors.InvalidArgument, match=r"^batch_timeout: "):
        Client("127.0.0.1:1", batch_timeout=math.nan)


def test_timeout_beyond_what_grpc_counts_is_a_long_one(client: Client) -> None:
    with pytest.raises(errors.Unavailable):  # and not DeadlineExceeded
        client.check("x", timeout=1e300)


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:50051",
        "https://example.org",
        "grpc://h:1",
        "ftp:///x",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:",
        "host:port",
        "host:٥٠",
        "[::1]:99999",
        "dns:///h:99999",
    ],
)
def test_target_that_is_no_address(target: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=r"^target: .*give HOST:PORT"):
        Client(target)


@pytest.mark.parametrize("target", ["ipv4:1.2.3", "dns://", "dns:///", "unix://x", "ipv6:[::1"])
def test_target_that_grpc_alone_knows_for_none(target: str) -> None:
    with Client(target) as client, pytest.raises(errors.InvalidArgument, match=r"^target: .* is no address"):
        client.check("x", timeout=5)


@pytest.mark.parametrize("target", ["localhost", "h", "a.b:1", "[::1]:1", "::1", "dns:///h:1", "unix:x", "unix:///x:y"])
def test_target_that_may_be_one(target: str) -> None:
    Client(target).close()


def test_no_socket_there(tmp_path: Any) -> None:
    with (
        Client(f"unix:{tmp_path}/none") as client,
        pytest.raises(errors.Unavailable, match=r"no server at unix:.*start one"),
    ):
        client.check("x", timeout=5)


@pytest.mark.parametrize("items", ["abc", b"abc", {"text": "abc"}, None, 5])
def test_one_item_in_the_place_of_many(client: Client, items: Any) -> None:
    """A str would be read letter by letter, and each letter put on the record."""
    for name, call in (
        ("claims", client.check_batch),
        ("statements", client.import_statements),
        ("pairs", client.score_pairs),
    ):
        with pytest.raises(errors.InvalidArgument, match=rf"^{name}: needs a list or another iterable"):
            call(items)


class _NoOffset(tzinfo):
    def utcoffset(self, when: datetime | None) -> timedelta | None:
        return None


def test_time_zone_without_an_offset(client: Client) -> None:
    with pytest.raises(errors.InvalidArgument, match=r"stated_time: needs a datetime with a time zone"):
        client.add_statement(Statement("x", stated_time=datetime(2021, 8, 29, tzinfo=_NoOffset())))


@pytest.mark.parametrize("token", [5, b"secret"])
def test_token_of_another_type(token: Any) -> None:
    with pytest.raises(errors.InvalidArgument, match=r"^token: needs printable ASCII"):
        Client("127.0.0.1:1", token=token)


def test_statement_from_what_is_no_object() -> None:
    with pytest.raises(errors.InvalidArgument, match=r"^statement: needs an object, not a list"):
        Statement.from_dict([])  # type: ignore[arg-type]


@pytest.mark.parametrize("when", [datetime.min, datetime.max])
def test_first_and_last_hours_have_a_json_form(when: datetime) -> None:
    hours = 14 if when == datetime.min else -12
    statement = Statement("x", stated_time=when.replace(tzinfo=timezone(timedelta(hours=hours))))
    assert dataclasses.asdict(Statement.from_dict(statement.to_dict())) == dataclasses.asdict(statement)
