"""The same calls on a real server and on `onrecord.testing`'s fake: a user's tests meet what production does."""

from __future__ import annotations

import dataclasses
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import onrecord
from onrecord import Progress, State, Statement, StatementFilter, errors
from onrecord.testing import FakeServer


@pytest.fixture(params=["server", "fake"])
def either(request: Any) -> Iterator[onrecord.Client]:
    if request.param == "fake":
        with FakeServer() as fake, fake.client() as client:
            yield client
    else:
        with onrecord.Client(request.getfixturevalue("server")) as client:
            yield client


def test_a_statement_from_its_birth_to_its_end(either: onrecord.Client, collection: str) -> None:
    added = either.add_statement("It rains.", speaker="Ada", collection=collection)
    assert added.state is State.ACTIVE
    assert either.get_statement(added.name) == added
    changed = either.update_statement(dataclasses.replace(added, text="It pours."), "text")
    assert (changed.text, changed.speaker.name) == ("It pours.", "Ada")
    assert changed.etag != added.etag
    with pytest.raises(errors.Aborted) as stale:
        either.update_statement(added, "text")
    assert stale.value.reason == "ETAG_MISMATCH"
    with pytest.raises(errors.Aborted):
        either.delete_statement(added.name, etag=added.etag)
    with pytest.raises(errors.InvalidArgument) as mask:
        either.update_statement(changed, "colour")
    assert mask.value.violations[0].reason == "UNKNOWN_PATH"
    both = either.supersede_statement(added.name, Statement("It snows."))
    assert (both.statement.state, both.statement.superseded_by) == (State.SUPERSEDED, both.successor.name)
    assert either.retract_statement(added.name).state is State.RETRACTED
    assert either.reinstate_statement(added.name).state is State.ACTIVE
    either.delete_statement(added.name)
    with pytest.raises(errors.NotFound) as missing:
        either.get_statement(added.name)
    assert (missing.value.reason, missing.value.resource_name) == ("STATEMENT_NOT_FOUND", added.name)


def test_many_in_and_out(either: onrecord.Client, collection: str) -> None:
    report = either.import_statements([f"Rain fell on day {i}." for i in range(120)] + [""], collection=collection)
    assert (report.created_count, report.failed_count, report.failures[0].index) == (120, 1, 120)
    stored, bad = either.add_statements(
        [Statement("Snow.", speaker=onrecord.Speaker("Bob")), ""], collection=collection
    )
    assert isinstance(stored, Statement)
    assert isinstance(bad, errors.InvalidArgument)
    listed = [statement.text for statement in either.list_statements(collection, page_size=50)]
    assert listed == [f"Rain fell on day {i}." for i in range(120)] + ["Snow."]
    assert [statement.text for statement in either.export_statements(collection)] == listed
    by_bob = StatementFilter(speakers=("BOB",))
    assert [statement.text for statement in either.list_statements(collection, filter=by_bob)] == ["Snow."]
    assert "Snow." in [found.statement.text for found in either.search("snow.", collection=collection, filter=by_bob)]


def test_collections_and_request_ids(either: onrecord.Client, collection: str) -> None:
    made = either.create_collection(collection, display_name="Weather")
    with pytest.raises(errors.AlreadyExists) as there:
        either.create_collection(collection)
    assert there.value.reason == "COLLECTION_EXISTS"
    changed = either.update_collection(dataclasses.replace(made, description="Rain."), ["description"])
    assert (changed.display_name, changed.description) == ("Weather", "Rain.")
    first = either.add_statement("It rains.", collection=collection, request_id="r1")
    assert either.add_statement("It rains.", collection=collection, request_id="r1") == first
    with pytest.raises(errors.AlreadyExists) as reused:
        either.add_statement("It snows.", collection=collection, request_id="r1")
    assert reused.value.reason == "REQUEST_ID_REUSED"
    assert either.get_collection(collection).statement_count == 1
    assert collection in [c.name.rpartition("/")[2] for c in either.list_collections()]
    with pytest.raises(errors.FailedPrecondition) as held:
        either.delete_collection(collection)
    assert held.value.reason == "COLLECTION_NOT_EMPTY"
    assert either.delete_collection(collection, force=True) == 1
    with pytest.raises(errors.NotFound):
        either.get_collection(collection)


def test_a_check_is_replayed(client: onrecord.Client, collection: str) -> None:
    client.add_statement("The harbour was closed in May.", collection=collection)
    then = client.check("The harbour was closed in May.", collection=collection)
    again = client.replay("The harbour was closed in May.", then.to_dict())
    assert (again.same, again.changes) == (True, ())
    client.add_statement("The harbour was open in June.", collection=collection)
    later = client.replay("The harbour was closed in May.", then)
    assert [change.kind for change in later.changes] == [onrecord.ChangeKind.RECORD]


def test_check_many_over_a_server_process_that_drains_and_comes_back(
    spawn: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    store = ("--store", str(tmp_path / "record.db"), "--model", "fake", "--encoder", "fake", "--listen", address)
    running = [spawn("serve", *store, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]

    def progress(now: Progress) -> None:
        if now.done == 150:
            running[-1].send_signal(signal.SIGTERM)
            running[-1].wait(30)
            running.append(spawn("serve", *store, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    try:
        with onrecord.Client(address) as client:
            client.wait_ready(60)
            client.add_statement("The harbour was closed in May.")
            claims = ["The harbour was closed in May." if i % 3 else f"Claim {i}." for i in range(600)]
            outcomes = list(client.check_many(iter(claims), progress=progress, patience=60))
            assert len(running) == 2
            assert [type(outcome) for outcome in outcomes] == [onrecord.CheckResult] * 600
            assert all((o.verdict == "SUPPORTED") == (i % 3 > 0) for i, o in enumerate(outcomes))  # type: ignore[union-attr]
            begun = time.monotonic()
            running[-1].send_signal(signal.SIGTERM)
            running[-1].wait(30)
            with pytest.raises(errors.Unavailable, match=r"is gone: it answered before|shutting down"):
                client.check("x")
            assert time.monotonic() - begun < 60
    finally:
        for process in running:
            process.kill()
            process.wait(30)
