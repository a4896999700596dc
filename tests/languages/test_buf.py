"""`buf curl`, a foreign client over gRPC and over the Connect protocol, does what it can of the main job."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.rpc import error_details_pb2

ROOT = Path(__file__).resolve().parents[2]
CHECKS, STATEMENTS = "onrecord.v1.CheckService", "onrecord.v1.StatementService"
TEXT = "Russia opposes interference in China's affairs."

Curl = Callable[..., tuple[int, list[Any]]]


def run(
    arguments: list[str], method: str, address: str, token: str, requests: tuple[Any, ...]
) -> tuple[int, list[Any]]:
    """Exit status, and the answers; of a failed call what it says on stderr."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "buf"), "curl", *arguments, "-H", f"authorization: Bearer {token}",
         "-d", "".join(json.dumps(request) for request in requests), f"{address}/{method}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    text, found = done.stderr if done.returncode else done.stdout, []
    while text.strip():
        value, end = json.JSONDecoder().raw_decode(text.lstrip())
        found.append(value)
        text = text.lstrip()[end:]
    return done.returncode, found


@pytest.fixture
def grpc_curl(server: Any) -> Curl:
    """Over gRPC, with the schema that reflection tells."""

    def curl(method: str, *requests: Any, options: tuple[str, ...] = ()) -> tuple[int, list[Any]]:
        arguments = ["--protocol", "grpc", "--http2-prior-knowledge", *options]
        return run(arguments, method, f"http://{server.address}", server.token, requests)

    return curl


@pytest.fixture
def connect_curl(server: Any, tmp_path: Path) -> Curl:
    """Over the Connect protocol through the HTTP door, with the schema of the repository's files."""
    shutil.copytree(ROOT / "proto", tmp_path, dirs_exist_ok=True)
    shutil.copytree(ROOT / "examples" / "proto" / "google", tmp_path / "google")

    def curl(method: str, *requests: Any, options: tuple[str, ...] = ()) -> tuple[int, list[Any]]:
        return run(["--schema", str(tmp_path), *options], method, server.http, server.token, requests)

    return curl


@pytest.fixture(params=["grpc", "connect"])
def curl(request: pytest.FixtureRequest) -> Curl:
    """Both, one after the other."""
    found: Curl = request.getfixturevalue(f"{request.param}_curl")
    return found


def statement(text: str) -> dict[str, Any]:
    """A statement of Putin's."""
    return {"text": text, "speaker": {"name": "Putin"}}


def test_create_check_and_batch(curl: Curl, request: pytest.FixtureRequest) -> None:
    parent = f"collections/buf-{request.node.callspec.id}"
    status, (created,) = curl(f"{STATEMENTS}/CreateStatement", {"parent": parent, "statement": statement(TEXT)})
    assert (status, created["statement"]["text"]) == (0, TEXT)
    status, (answer,) = curl(f"{CHECKS}/CheckClaim", {"parent": parent, "claim": {"text": TEXT}})
    assert (status, answer["result"]["verdict"]) == (0, "VERDICT_SUPPORTED")
    status, (batch,) = curl(f"{CHECKS}/BatchCheckClaims", {"parent": parent, "claims": [{"text": TEXT}, {}]})
    good, bad = batch["items"]
    assert (status, good["result"]["verdict"]) == (0, "VERDICT_SUPPORTED")
    assert [detail["@type"].rpartition(".")[2] for detail in bad["error"]["details"]] == ["ErrorInfo", "BadRequest"]


def test_an_import_and_a_stream_over_grpc(grpc_curl: Curl) -> None:
    parent = "collections/buf-streams"
    chunks = [{"parent": parent, "statements": [statement(f"{TEXT} {i}"), {}]} for i in range(3)]
    status, (summary,) = grpc_curl(f"{STATEMENTS}/ImportStatements", *chunks)
    assert (status, summary["createdCount"], summary["failedCount"]) == (0, "3", "3")
    assert [failure["index"] for failure in summary["failures"]] == ["1", "3", "5"]
    claims = [{"parent": parent, "claim": {"text": text}} for text in (f"{TEXT} 0", "", f"{TEXT} 2")]
    status, answers = grpc_curl(f"{CHECKS}/StreamCheckClaims", *claims)
    assert status == 0
    assert [int(answer.get("index", 0)) for answer in answers] == [0, 1, 2]
    assert ["result" in answer for answer in answers] == [True, False, True]


def test_errors_with_their_details(curl: Curl) -> None:
    status, (error,) = curl(f"{CHECKS}/CheckClaim", {"claim": {}})
    assert (status != 0, error["code"]) == (True, "invalid_argument")
    details = {detail["type"]: base64.b64decode(detail["value"] + "==") for detail in error["details"]}
    assert error_details_pb2.ErrorInfo.FromString(details["google.rpc.ErrorInfo"]).reason == "INVALID_FIELDS"
    bad = error_details_pb2.BadRequest.FromString(details["google.rpc.BadRequest"])
    assert [(found.field, found.reason) for found in bad.field_violations] == [("claim.text", "REQUIRED")]


def test_an_overloaded_server_says_when_to_come_back(curl: Curl, server: Any) -> None:
    pairs = [{"premise": f"{uuid.uuid4().hex} statement", "hypothesis": f"second {i}"} for i in range(20)]
    with server.overloaded():
        status, (error,) = curl(f"{CHECKS}/ScorePairs", {"pairs": pairs})
    assert (status != 0, error["code"]) == (True, "resource_exhausted")
    assert {detail["type"] for detail in error["details"]} == {"google.rpc.ErrorInfo", "google.rpc.RetryInfo"}


def test_a_deadline_reaches_the_server(curl: Curl, server: Any, told: Callable[[str], bool]) -> None:
    with server.standing_still():
        pair = {"premise": uuid.uuid4().hex, "hypothesis": "A."}
        status, (error,) = curl(f"{CHECKS}/ScorePairs", {"pairs": [pair]}, options=("--timeout", "2s"))
        assert (status != 0, error["code"]) == (True, "deadline_exceeded")
        # it hangs up at its deadline, which the server may notice before its own clock says so
        assert told(r"ScorePairs (DEADLINE_EXCEEDED|CANCELLED)")


def test_health_over_grpc(grpc_curl: Curl) -> None:
    assert grpc_curl("grpc.health.v1.Health/Check", {}) == (0, [{"status": "SERVING"}])


def test_a_stream_over_the_http_door_is_refused(connect_curl: Curl) -> None:
    status, (error,) = connect_curl(f"{STATEMENTS}/ImportStatements", {"statements": [statement(TEXT)]})
    assert status != 0
    assert error["code"] in ("unimplemented", "unknown")
