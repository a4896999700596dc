"""`onrecord.testing`: what a user's own tests lean on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import onrecord
from onrecord import Statement, errors
from onrecord.testing import FakeServer
from onrecord.v1 import check_service_pb2, statement_service_pb2

CLIENT = str(Path(onrecord.__file__).parents[1])

USERS_TEST = """
import onrecord

def headline(client):
    return client.check("It rains.").verdict.value.title()

def test_headline(onrecord_server):
    onrecord_server.says("It rains.", onrecord.Verdict.SUPPORTED)
    with onrecord_server.client() as client:
        assert headline(client) == "Supported"
    assert [call.claim.text for call in onrecord_server.checks] == ["It rains."]

def test_another_one_begins_empty(onrecord_server):
    assert onrecord_server.checks == []
"""

NOT_NEEDED = """
import sys
import onrecord._pytest_plugin
heavy = {"grpc", "google", "torch", "numpy", "onrecord_server", "onrecord.client"} & set(sys.modules)
import onrecord.testing
server = {"torch", "numpy", "onrecord_server", "pandas", "polars"} & set(sys.modules)
print(sorted(heavy), sorted(server))
"""


def test_the_fixture_works_in_a_users_suite(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(USERS_TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": CLIENT, "PYTEST_ADDOPTS": ""}
    if not any(entry.value == "onrecord._pytest_plugin" for entry in _plugins()):  # a checkout that is not installed
        command += ["-p", "onrecord._pytest_plugin"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=90)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def _plugins() -> list[object]:
    from importlib.metadata import entry_points

    return list(entry_points(group="pytest11"))


def test_it_needs_no_server_and_the_plugin_nothing_at_all() -> None:
    environment = {**os.environ, "PYTHONPATH": CLIENT}
    done = subprocess.run(
        [sys.executable, "-c", NOT_NEEDED], capture_output=True, text=True, env=environment, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[] []\n", "")


def test_the_last_rule_wins_and_patterns_match_anywhere() -> None:
    with FakeServer(otherwise="SUPPORTED") as fake, fake.client() as client:
        assert client.check("x").verdict == "SUPPORTED"
        fake.says(re.compile("rain"), "CONTRADICTED", evidence=[Statement("No rain.", speaker=onrecord.Speaker("Ada"))])
        result = client.check("It rains, again.")
        assert (result.verdict, result.contradicting_speakers) == ("CONTRADICTED", ("Ada",))
        assert result.evidence[0].relation == "CONTRADICTS"
        fake.says("It rains, again.", "CONFLICTING", reason="LOW_MARGIN")
        result = client.check("It rains, again.")
        assert (result.verdict, result.reason) == ("CONFLICTING", "LOW_MARGIN")


def test_every_error_arrives_as_it_was_given() -> None:
    given = [
        errors.InvalidArgument.of([errors.FieldViolation("claim.text", "is odd", "ODD")]),
        errors.NotFound("none", reason="STATEMENT_NOT_FOUND", resource_name="collections/c/statements/s"),
        errors.DeadlineExceeded("late", reason="DEADLINE_UNREACHABLE", retry_after=2.5),
        errors.ServerError("broken", reason="MODEL_FAILED"),
        errors.FailedPrecondition("read-only", reason="STORE_READ_ONLY"),
        errors.PermissionDenied("no", reason="NO"),
    ]
    with FakeServer() as fake, fake.client() as client:
        for error in given:
            fake.fails("x", error)
            fake.fails_next(error)
            for call in (lambda: client.check("other"), lambda: client.check("x")):
                with pytest.raises(type(error)) as caught:
                    call()
                assert caught.value.to_dict() == error.to_dict()
            assert type(client.check_batch(["x"])[0]) is type(error)


def test_a_restart_keeps_the_address_and_the_record() -> None:
    with FakeServer() as fake, fake.client() as client:
        client.add_statement("It rains.", speaker="Ada")
        target = fake.target
        fake.stop()
        fake.stop()
        fake.start()
        fake.start()
        assert fake.target == target
        assert [statement.text for statement in client.list_statements()] == ["It rains."]
        assert fake.record.statements[0].speaker.name == "Ada"


def test_it_has_every_method_of_the_contract() -> None:
    from onrecord.testing._server import _Checks
    from onrecord.testing._service import StatementService

    for module, service in ((check_service_pb2, _Checks), (statement_service_pb2, StatementService)):
        (described,) = module.DESCRIPTOR.services_by_name.values()
        assert {method.name for method in described.methods} <= set(vars(service))


def test_an_error_may_be_scripted_by_its_class() -> None:
    with FakeServer() as server, server.client() as client:
        server.fails("x", errors.NotFound)
        with pytest.raises(errors.NotFound, match="Scripted: NotFound"):
            client.check("x")
        server.fails_next(errors.PermissionDenied)
        with pytest.raises(errors.PermissionDenied):
            client.check("y")
        for wrong in ("NOT_FOUND", ValueError("x"), ValueError):
            with pytest.raises(TypeError, match=r"needs an error of onrecord\.errors"):
                server.fails("x", wrong)  # type: ignore[arg-type]
