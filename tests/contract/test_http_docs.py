"""docs/http.md and openapi.json say what is so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from onrecord_server.http.answers import HTTP_CODES, REFUSALS, TOO_LARGE
from onrecord_server.http.door import BODY_SECONDS, HEAD_SECONDS, MOST_CONNECTIONS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")


def rows(head: str) -> list[list[str]]:
    """The rows of the table with this head."""
    table = PAGE.partition(head)[2].partition("\n\n")[0].strip().splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_description_is_what_the_contract_makes() -> None:
    script = ROOT / "scripts" / "generate_openapi.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_everything_in_the_description_is_described_and_every_reference_leads_somewhere() -> None:
    text = (ROOT / "server" / "onrecord_server" / "http" / "openapi.json").read_text(encoding="utf-8")
    schemas = json.loads(text)["components"]["schemas"]
    for name, schema in schemas.items():
        if name.startswith("onrecord."):
            assert schema["description"], name
        for field, property_ in schema.get("properties", {}).items():
            assert property_["description"], f"{name}.{field}"
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert named == set(schemas)


def test_the_codes_of_errors() -> None:
    told = {
        code: int(status)
        for status, codes in rows("| HTTP | gRPC code |\n")
        if int(status) != TOO_LARGE
        for code in re.findall(
            r"\b[A-Z]{2,}(?:_[A-Z]+)+\b|\b(?:ABORTED|UNAVAILABLE|UNIMPLEMENTED|UNAUTHENTICATED)\b", codes
        )
    }
    told = {code: status for code, status in told.items() if status != 500}
    assert told == {code.name: status for code, status in HTTP_CODES.items()}


def test_what_is_refused_before_there_is_a_call() -> None:
    told = [(int(status), reason.strip("`")) for status, reason, _ in rows("| HTTP | reason | when |\n")]
    assert told == [(refusal.http_code, refusal.reason) for refusal in REFUSALS]


def test_limits_of_the_door() -> None:
    assert f"More than {MOST_CONNECTIONS:,} connections at once" in PAGE
    assert f"within {BODY_SECONDS:g} s is given up" in PAGE
    assert f"within {HEAD_SECONDS:g} s is hung up on" in PAGE
