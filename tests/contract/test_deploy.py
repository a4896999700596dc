"""The dashboard and the alerts ask for metrics, labels and values that a real scrape has."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from onrecord_server.app import Engine, version
from onrecord_server.rpc.server import METHODS
from onrecord_server.telemetry.telemetry import Telemetry

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "onrecord.json").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

EXPRESSIONS = {
    **{f"{panel['title']} {t['refId']}": t["expr"] for panel in PANELS for t in panel["targets"]},
    **{rule["alert"]: rule["expr"] for rule in RULES},
}

# Prometheus' own, which every target has.
UP = {"up": [{}]}
TARGET = {"job", "instance"}

SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
BY = re.compile(r"\b(?:by|without) \(([^)]*)\)")


@pytest.fixture
async def scraped(engine: Engine) -> Any:
    """Labels of every series, by metric name."""
    telemetry = Telemetry(version(), METHODS, metrics_listen="127.0.0.1:0", queue_limit=1)
    try:
        telemetry.watch(engine.worker, engine.store, engine.model, engine.encoder)
        assert telemetry.metrics_url is not None
        page = await asyncio.to_thread(urllib.request.urlopen, telemetry.metrics_url, timeout=20)
        with page:
            families = list(text_string_to_metric_families(page.read().decode()))
    finally:
        telemetry.close()
    found: dict[str, list[dict[str, str]]] = dict(UP)
    for family in families:
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def wrong_in(expression: str, scraped: dict[str, list[dict[str, str]]]) -> Iterator[str]:
    """Metrics, labels and values that it asks for and that are not there."""
    selectors = SELECTOR.findall(expression)
    if not selectors:
        yield "asks for nothing"
    labels = set(TARGET)
    for name, matchers in selectors:
        series = scraped.get(name, [])
        if not series:
            yield f"no metric {name}"
        labels |= {label for one in series for label in one}
        for label, operator, value in MATCHER.findall(matchers):
            values = value.split("|") if operator in ("=~", "!~") else [value]
            if label not in TARGET and not {one.get(label, "") for one in series} >= set(values):
                yield f"no series {name} with {label}{operator}{value}"
    for group in BY.findall(expression):
        if unknown := {label.strip() for label in group.split(",")} - labels:
            yield f"no label {unknown}"


async def test_what_is_asked_for_is_told(scraped: dict[str, list[dict[str, str]]]) -> None:
    wrong = {name: found for name, text in EXPRESSIONS.items() if (found := list(wrong_in(text, scraped)))}
    assert wrong == {}
    assert len(EXPRESSIONS) > 30


@pytest.mark.parametrize(
    "expression",
    [
        "up",
        'rate(grpc_server_handled{job="onrecord"}[5m])',
        'rate(grpc_server_handled_total{grpc_code="INTERNAL"}[5m])',
        'rate(grpc_server_handled_total{grpc_code=~"Internal|Unknwon"}[5m])',
        "sum by (method) (grpc_server_in_flight{})",
    ],
)
async def test_what_is_not_told_would_be_found(expression: str, scraped: dict[str, list[dict[str, str]]]) -> None:
    assert list(wrong_in(expression, scraped))


async def test_the_dashboard_shows_every_metric_of_ours(scraped: dict[str, list[dict[str, str]]]) -> None:
    shown = {name for panel in PANELS for target in panel["targets"] for name, _ in SELECTOR.findall(target["expr"])}
    ours = {
        name
        for name in scraped
        if name.startswith(("onrecord_", "grpc_server_")) and not name.endswith(("_sum", "_count"))
    }
    assert ours <= shown


def test_legends_name_labels_that_are_left() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            grouped = {label.strip() for group in BY.findall(target["expr"]) for label in group.split(",")}
            if "by (" in target["expr"]:
                assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= grouped, panel["title"]


def test_panels_lie_beside_each_other_and_have_names_of_their_own() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_alerts_say_how_severe_they_are_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert {"summary", "description"} <= rule["annotations"].keys()
        assert "$labels.instance" in rule["annotations"]["summary"]
