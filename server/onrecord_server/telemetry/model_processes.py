"""Memory and CPU time of the processes that hold the models, which the server's own `process_*` do not contain."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)


class ModelProcesses(Collector):
    """A collector that sums over processes, by /proc; 0 with none of them, and for what has ended."""

    def __init__(self) -> None:
        self._processes: Sequence[int] = ()

    def watch(self, processes: Sequence[int]) -> None:
        """From now on these."""
        self._processes = processes

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        memory = GaugeMetricFamily(
            "onrecord_model_memory_bytes",
            "Memory of the processes that hold the models, what they share counted once; 0 when they run in threads.",
        )
        memory.add_metric([], self._sum(_memory))
        yield memory
        cpu = CounterMetricFamily(
            "onrecord_model_cpu_seconds", "CPU time of the processes that hold the models; 0 when they run in threads."
        )
        cpu.add_metric([], self._sum(_cpu))
        yield cpu

    def _sum(self, read: Callable[[int], float]) -> float:
        return sum(self._each(read))

    def _each(self, read: Callable[[int], float]) -> Iterable[float]:
        for process in self._processes:
            try:
                yield read(process)
            except (OSError, ValueError, IndexError):  # ended, or a system that does not tell
                continue


def _memory(process: int) -> float:
    found = _PSS.search(Path(f"/proc/{process}/smaps_rollup").read_text())
    return 1024.0 * int(found[1]) if found else 0.0


def _cpu(process: int) -> float:
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
