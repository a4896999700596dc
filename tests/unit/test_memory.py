"""The allocator keeps what batches free, unless its operator has a will of his own."""

from __future__ import annotations

import platform

import pytest

from onrecord_server.nli.memory import keep_freed

SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES", "LD_PRELOAD")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
@pytest.mark.parametrize("name", [None, *SETTINGS])
def test_freed_memory_is_kept_where_nobody_said_otherwise(monkeypatch: pytest.MonkeyPatch, name: str | None) -> None:
    for other in (
        "MALLOC_TRIM_THRESHOLD_",
        "MALLOC_MMAP_THRESHOLD_",
        "MALLOC_TOP_PAD_",
        "GLIBC_TUNABLES",
        "LD_PRELOAD",
    ):
        monkeypatch.delenv(other, raising=False)
    if name is not None:
        monkeypatch.setenv(name, "x")
    assert keep_freed.__wrapped__() is (name is None)
