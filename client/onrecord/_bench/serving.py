"""A server of the bench's own, in a child process with a record that is thrown away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from onrecord.errors import Unavailable

START_SECONDS = 300.0
STOP_SECONDS = 40.0  # a server drains for 30 s at most
_SHOWN = 400  # characters of the server's last words that an error repeats


@dataclass(frozen=True, slots=True)
class Served:
    """Where it listens, its process, and the seconds from its start until it answered."""

    address: str
    process_id: int
    start_seconds: float


@contextmanager
def served(arguments: Sequence[str]) -> Iterator[Served]:
    """`onrecord serve` with these arguments on a free loopback port; stopped at the end. Unavailable: no start.

    Its log goes nowhere but into the error of a failed start. It gets no Ctrl-C: what is measured is to be kept, and
    the server is stopped after that.
    """
    with tempfile.TemporaryDirectory(prefix="onrecord-bench-") as folder:
        ready, log_path = os.path.join(folder, "ready"), os.path.join(folder, "log")
        command = [sys.executable, "-m", "onrecord", "serve", "--listen", "127.0.0.1:0", "--ready-file", ready]
        command += ["--store", os.path.join(folder, "record.db"), "--log-level", "warning", *arguments]
        variables = {name: value for name, value in os.environ.items() if name != "ONRECORD_TARGET"}
        began = time.monotonic()
        # by itself SIGTERM would end this process only, and leave the server behind
        here = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGTERM, _exit) if here else None
        with open(log_path, "wb") as log:
            process = subprocess.Popen(  # noqa: S603 -- our own command line
                command, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            while not os.path.exists(ready):
                if process.poll() is not None:
                    raise Unavailable(f"the server did not start: {_last_words(log_path)}")
                if time.monotonic() - began > START_SECONDS:
                    raise Unavailable(f"the server was not ready after {START_SECONDS:g} s")
                time.sleep(0.02)  # another process: there is nothing to wait on but its file
            with open(ready, encoding="utf-8") as file:
                address = file.read().strip()
            yield Served(address, process.pid, time.monotonic() - began)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if here:
                signal.signal(signal.SIGTERM, before)


def _exit(number: int, frame: object) -> None:
    sys.exit(128 + number)


def _last_words(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as log:
        lines = [line.strip() for line in log.read().splitlines() if line.strip()]
    return lines[-1][-_SHOWN:].removeprefix("onrecord: ") if lines else "it said nothing"
