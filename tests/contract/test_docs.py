"""The generated pages are what the tables say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from onrecord_server.domain.limits import ALL_LIMITS

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "generate_docs.py"


def test_pages_are_current() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_limit_says_why_and_has_its_own_reason() -> None:
    assert all(limit.why for limit in ALL_LIMITS)
    assert len({limit.name for limit in ALL_LIMITS}) == len(ALL_LIMITS)
    reasons = [limit.reason for limit in ALL_LIMITS if limit.reason]
    assert len(set(reasons)) == len(reasons)
