"""What a scrape tells of the models' processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from onrecord_server.telemetry.metrics import Metrics

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="another system")


def read(metrics: Metrics) -> tuple[float, float]:
    """Bytes and seconds."""
    memory, seconds = (
        metrics.registry.get_sample_value(f"onrecord_model_{name}") for name in ("memory_bytes", "cpu_seconds_total")
    )
    assert memory is not None
    assert seconds is not None
    return memory, seconds


def test_it_sums_over_those_that_live() -> None:
    metrics = Metrics("", {}, 0)
    assert read(metrics) == (0, 0)
    other = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1)
    with other:
        assert other.stdout is not None
        other.stdout.readline()
        metrics.processes.watch([other.pid])
        one = read(metrics)
        assert one[0] > 1 << 20
        assert one[1] >= 0
        metrics.processes.watch([other.pid, os.getpid()])
        both = read(metrics)
        assert both[0] > one[0] + (1 << 20)
        assert both[1] > one[1]
        other.communicate(b"\n")
    assert 0 < read(metrics)[0] < both[0]
    metrics.processes.watch([other.pid])
    assert read(metrics) == (0, 0)
