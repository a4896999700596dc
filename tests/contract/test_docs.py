"""The generated pages are what the tables say."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from onrecord_server.domain.limits import ALL_LIMITS
from onrecord_server.domain.reasons import FIELD_REASONS

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "generate_docs.py"


def test_pages_are_current() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_limit_says_why_and_has_its_own_reason() -> None:
    assert all(limit.why for limit in ALL_LIMITS)
    assert len({limit.name for limit in ALL_LIMITS}) == len(ALL_LIMITS)
    reasons = [limit.reason for limit in ALL_LIMITS if limit.reason]
    assert len(set(reasons)) == len(reasons)


def test_every_file_that_the_docs_name_is_there() -> None:
    """Relative links of the Markdown files, and the docs/*.md that code and contract refer to."""
    pages = [p for folder in (".", "docs", "seeds", "server/training") for p in (ROOT / folder).glob("*.md")]
    named = [
        (page, page.parent / target)
        for page in pages
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        if "://" not in target
    ]
    named += [
        (source, ROOT / target)
        for source in [*ROOT.glob("server/onrecord_server/**/*.py"), *ROOT.glob("proto/**/*.proto")]
        for target in re.findall(r"docs/[\w-]+\.md", source.read_text("utf-8"))
    ]
    assert len(named) > 20
    assert [f"{source.name} -> {target}" for source, target in named if not target.exists()] == []


def given_reasons(source: str) -> set[str]:
    """The reasons of the violations that a module makes, but those taken from a limit (`limit.reason`)."""
    tree = ast.parse(source)
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "FieldViolation"]
    places: list[ast.expr] = [call.args[1] for call in calls]
    variables = {place.id for place in places if isinstance(place, ast.Name)}
    places += [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id in variables for t in node.targets)
    ]
    constants = [n for place in places for n in ast.walk(place) if isinstance(n, ast.Constant)]
    return {constant.value for constant in constants if isinstance(constant.value, str)}


def test_every_reason_of_a_field_is_documented_and_given() -> None:
    modules = sorted((ROOT / "server" / "onrecord_server").rglob("*.py"))
    given = set().union(*(given_reasons(path.read_text(encoding="utf-8")) for path in modules))
    documented = [reason.name for reason in FIELD_REASONS]
    assert sorted(documented) == sorted(given)
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert all(f"| `{reason}` | " in page for reason in documented)
    assert not {limit.reason for limit in ALL_LIMITS} & set(documented)
