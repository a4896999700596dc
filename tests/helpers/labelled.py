"""Files of labelled data for tests of `onrecord eval` and `onrecord calibrate`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "seeds" / "eval"
PAIRS = [
    ("The shop is open.", "The shop is open.", "entailment"),
    ("The shop is open.", "The shop is not open.", "contradiction"),
    ("The shop is open.", "The sea is deep.", "neutral"),
    ("The shop has 3 rooms.", "The shop has 4 rooms.", "neutral"),
]


def write(path: Path, rows: list[Any]) -> str:
    """JSON lines; a row that is a string stands as it is."""
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


def pair_rows(times: int = 1) -> list[dict[str, str]]:
    return [{"premise": p, "hypothesis": h, "label": label} for _ in range(times) for p, h, label in PAIRS]
