"""What to type to get what is missing, for messages: right in a checkout, and from a package index."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def how_to_install(*extras: str) -> str:
    """The command for these extras of onrecord, such as "parquet"; of "server" with the built-in model."""
    listed = ",".join(extras)
    model = "./server/models " if "server" in extras else ""
    command = f"pip install {model}'.[{listed}]'"
    if (_ROOT / "pyproject.toml").is_file() and (_ROOT / "client").is_dir():
        return f"`{command}` in {_ROOT}"
    return f"`{command}` in a checkout of onrecord, or `pip install 'onrecord[{listed}]'` where an index has it"
