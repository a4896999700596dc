"""`Client.check_stream` against a real server, and in this process."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

import onrecord
from onrecord import errors
from onrecord.cli._local import open_local

FACT = "The harbour was closed in May."
HERE = "streamed"  # a collection of these tests


@pytest.fixture(params=["wire", "process"])
def client(request: Any, server: str) -> Iterator[onrecord.Client]:
    """A client whose record holds FACT: of a server, and of the engine in this process."""
    with onrecord.Client(server) if request.param == "wire" else open_local("fake", "fake") as client:
        client.add_statement(FACT, collection=HERE)
        yield client


def test_outcomes_come_in_order_with_errors_in_their_places(client: onrecord.Client) -> None:
    claims = [FACT if i % 7 else ("bad \ud800" if i % 2 else "") for i in range(150)]
    outcomes = list(client.check_stream(claims, collection=HERE))
    assert len(outcomes) == 150
    for index, outcome in enumerate(outcomes):
        if index % 7:
            assert isinstance(outcome, onrecord.CheckResult)
            assert outcome.verdict is onrecord.Verdict.SUPPORTED
        else:
            assert isinstance(outcome, errors.InvalidArgument)
            assert outcome.violations[0].field == f"claims[{index}].text"


def test_only_bad_claims_and_none_at_all(client: onrecord.Client) -> None:
    assert [type(o) for o in client.check_stream(["bad \ud800"] * 3)] == [errors.InvalidArgument] * 3
    assert list(client.check_stream([])) == []


def test_an_endless_iterable_is_read_as_outcomes_are_taken(client: onrecord.Client) -> None:
    read = itertools.count()
    stream = client.check_stream(f"Claim number {next(read)} about the harbour." for _ in itertools.count())
    taken = list(itertools.islice(stream, 100))
    stream.close()  # type: ignore[attr-defined]  # an iterator that is a generator
    assert all(isinstance(outcome, onrecord.CheckResult) for outcome in taken)
    assert next(read) < 100_000


def test_what_the_iterable_raises_comes_after_the_outcomes_before_it(client: onrecord.Client) -> None:
    def broken() -> Iterator[str]:
        yield FACT
        yield FACT
        raise LookupError("the file ended")

    stream = client.check_stream(broken(), collection=HERE)
    assert [type(next(stream)) for _ in range(2)] == [onrecord.CheckResult] * 2
    with pytest.raises(LookupError, match="the file ended"):
        next(stream)


def test_wrong_options_are_raised_before_anything_is_sent(client: onrecord.Client) -> None:
    with pytest.raises(errors.InvalidArgument):
        client.check_stream([FACT], options=onrecord.CheckOptions(max_evidence="many"))  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidArgument):
        client.check_stream(FACT, collection=HERE)


def test_a_closed_client(client: onrecord.Client) -> None:
    client.close()
    with pytest.raises(errors.ClientClosed):
        list(client.check_stream([FACT]))


def test_nobody_there() -> None:
    with onrecord.Client("127.0.0.1:1") as client, pytest.raises(errors.Unavailable, match="onrecord serve"):
        list(client.check_stream([FACT], timeout=5))
