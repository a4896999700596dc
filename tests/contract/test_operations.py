"""docs/operations.md says what is so: options, metrics, files, fields."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from onrecord.cli._settings import env_of, flag_of
from onrecord.v1 import check_service_pb2 as check_pb
from onrecord_server.config import ServerConfig, serve_command
from onrecord_server.logs import JsonFormatter
from onrecord_server.rpc.access import access_log

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
METRICS = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The first block of code in that language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found, language
    return found[1]


def parsed(arguments: list[str]) -> ServerConfig:
    """The configuration that `serve` makes of these."""
    context = serve_command().make_context("serve", arguments, resilient_parsing=False)
    return ServerConfig(**context.params)


def test_options_and_variables_are_those_of_serve() -> None:
    ours = {flag_of(setting.name) for setting in fields(ServerConfig)}
    others = {"--serve", "--capacity", "--claims", "--statements", "--collection", "--help", "--config"}  # of others
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) <= ours | others
    variables = {env_of(setting.name) for setting in fields(ServerConfig)} | {"ONRECORD_TOKEN", "ONRECORD_CONFIG"}
    assert set(re.findall(r"ONRECORD_[A-Z_]+", PAGE)) <= variables


def test_the_examples_of_supervisors_are_command_lines_that_serve_takes() -> None:
    (container,) = yaml.safe_load(block("yaml"))["spec"]["template"]["spec"]["containers"]
    assert container["args"][0] == "serve"
    config = parsed(container["args"][1:])
    ports = {config.address[1], config.metrics_address[1]}
    assert {port["containerPort"] for port in container["ports"]} == ports
    probes = [container[f"{kind}Probe"]["grpc"]["port"] for kind in ("startup", "readiness", "liveness")]
    assert set(probes) == {config.address[1]}
    (start,) = re.findall(r"^ExecStart=((?:.*\\\n)*.*)", block("ini"), re.MULTILINE)
    _, command, *rest = shlex.split(start.replace("\\\n", " "))
    assert command == "serve"
    assert parsed(rest).metrics_address == ("127.0.0.1", 9464)


def test_supervisors_wait_longer_than_a_drain() -> None:
    drain = ServerConfig().drain_seconds
    pod = yaml.safe_load(block("yaml"))["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= drain + 15
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)", block("ini"), re.MULTILINE)
    assert int(stop) >= drain + 15


def test_metrics_are_those_that_there_are() -> None:
    named = set(re.findall(r"`((?:onrecord|grpc_server)_[a-z_]+)`", PAGE))
    assert named
    assert all(f"| `{name}` |" in METRICS for name in named)


def test_links_within_the_page_lead_somewhere() -> None:
    headings = {line[3:].lower().replace(" ", "-") for line in PAGE.splitlines() if line.startswith("## ")}
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) == headings


async def test_the_example_of_a_log_line_has_a_real_one_s_fields(wire: Any, caplog: Any) -> None:
    example = json.loads(block("json"))
    caplog.set_level("INFO", access_log.name)
    await wire.error(wire.checks.CheckClaim(check_pb.CheckClaimRequest(claim=check_pb.Claim())))
    (record,) = [record for record in caplog.records if record.name == access_log.name]
    real = json.loads(JsonFormatter().format(record))
    assert real.keys() == example.keys()
    same = ("level", "logger", "method", "code", "reason", "peer", "received", "sent")
    assert {field: real[field] for field in same} == {field: example[field] for field in same}
