"""Random requests to every method of a server of its own; none may end in INTERNAL or UNKNOWN, and none may hang.

    python tests/fuzz/random_requests.py --requests 100000 --seed 1

Also wrong: a failure without the one ErrorInfo that the contract promises, UNIMPLEMENTED, an item of a batch or stream
that failed so, a number in an answer that is not finite, a traceback in the server's log, a server that is not well
afterwards. Some requests are made by themselves (making.py), some go on from what earlier ones gave (following.py).
Prints how many calls of each method ended in which code and for which reason, so that a method that is seldom answered
shows; JSON with --json; exit status 1 with anything wrong. The seed and the number make a request again that stands by
itself (--at-once 1 --only NUMBER); of one that went on from others the report has the bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from following import Follower
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from making import Maker, repeated

from onrecord_server.rpc.server import SERVICES

HUNG_SECONDS = 60.0
TRANSPORT_BYTES = 8 * 1024 * 1024  # beyond this gRPC refuses by itself, without details
NEVER = ("INTERNAL", "UNKNOWN", "UNIMPLEMENTED", "UNAVAILABLE", "DATA_LOSS")
AIO = "Internal error from Core"  # what grpc.aio says when a call ends while its requests are still being written
OWN = ("DEADLINE_EXCEEDED", "CANCELLED")  # what a caller's own gRPC says to a caller that asked for it


def methods() -> list[MethodDescriptor]:
    """Every method that the server answers."""
    from google.protobuf import descriptor_pool

    pool = descriptor_pool.Default()
    return [method for name in SERVICES for method in pool.FindServiceByName(name).methods]


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, Path]]:
    """A server process with the fakes: its address, and its log."""
    log = folder / "log"
    command = [sys.executable, "-m", "onrecord_server", "--listen", "127.0.0.1:0", "--log-level", "warning"]
    command += ["--store", str(folder / "record.db"), "--model", "fake", "--encoder", "fake", "--attribution", "rules"]
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if " serving on " not in line:
                raise SystemExit(f"the server did not start: {log.read_text()}")
            yield line.partition(" serving on ")[2].split()[0], log
        finally:
            process.terminate()
            if process.wait(60) != 0:
                raise SystemExit(f"the server ended with {process.returncode}: {log.read_text()[-2_000:]}")


class Run:
    """Sends requests and keeps what came of them."""

    def __init__(self, channel: grpc.aio.Channel, seed: int, following: float) -> None:
        self.channel = channel
        self.seed = seed
        self.methods = methods()
        self.answers: Counter[tuple[str, str]] = Counter()
        self.items: Counter[tuple[str, str]] = Counter()
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.words: Counter[tuple[str, str]] = Counter()
        self.following = following
        self.wrong: list[dict[str, Any]] = []
        self.slowest: tuple[float, int, str] = (0.0, -1, "")
        self.maker = Maker(random.Random(seed))
        self.follower = Follower(self.maker)

    async def one(self, number: int) -> None:
        """Make, send and judge one call."""
        chance = self.maker.chance = random.Random(f"{self.seed}:{number}")
        method = chance.choice(self.methods)
        count = chance.choice((0, 1, 1, 2, 4)) if method.client_streaming else 1
        if method.name in self.follower.recipes and chance.random() < self.following:
            requests = self.follower.requests(method.name, count)
        else:
            requests = [self.maker.request(method.input_type) for _ in range(count)]
        impatient = chance.random() < 0.03
        timeout = chance.choice((0.001, 0.01, 0.1)) if impatient else HUNG_SECONDS
        began = time.monotonic()
        answers: list[bytes] = []
        failed: grpc.aio.AioRpcError | None = None
        try:
            answers.extend([answer async for answer in self.call(method, requests, timeout)])
        except grpc.aio.AioRpcError as error:
            failed = error
        except asyncio.CancelledError:  # what grpc.aio says when the deadline passes while a stream is written to
            if not impatient:
                raise
            self.answers[method.name, "CANCELLED"] += 1
            return
        took = time.monotonic() - began
        if took > self.slowest[0]:
            self.slowest = (took, number, method.full_name)
        self.judge(number, method, requests, answers, failed, impatient=impatient)

    async def call(self, method: MethodDescriptor, requests: list[bytes], seconds: float) -> AsyncIterator[bytes]:
        """The answers to one call, whatever kind it is."""
        kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
        path = f"/{method.containing_service.full_name}/{method.name}"
        call = getattr(self.channel, kind)(path)(iter(requests) if method.client_streaming else requests[0],
                                                 timeout=seconds)  # fmt: skip
        if method.server_streaming:
            async for answer in call:
                yield answer
        else:
            yield await call

    def judge(
        self,
        number: int,
        method: MethodDescriptor,
        requests: list[bytes],
        answers: list[bytes],
        failed: grpc.aio.AioRpcError | None,
        *,
        impatient: bool,
    ) -> None:
        """Count what came, and note what must not come."""
        faults = []
        code = failed.code().name if failed else "OK"
        if failed is not None and failed.details() == AIO and method.client_streaming:
            code = "(unread)"
        self.answers[method.name, code] += 1
        messages = [GetMessageClass(method.output_type).FromString(data) for data in answers]
        if failed is None:
            self.follower.memory.learn(method.name, [_parsed(method, data) for data in requests], messages)
        for message in messages:
            self.maker.learn(message)
            self.words.update((method.name, word) for word in set(_words(message)))
            for status in _statuses(message):
                word = code_pb2.Code.Name(status.code)  # type: ignore[arg-type]
                self.items[method.name, word] += 1
                self.reasons.update((method.name, _reason(info)) for info in _infos(status))
                if word in NEVER or len(_infos(status)) != 1:
                    faults.append(f"an item: {word} {status.message}")
            faults += [f"{path} is {value}" for path, value in _not_finite(message, "")]
        if failed is not None and code in NEVER:
            faults.append(f"{code}: {failed.details()}")
        infos = _infos(_details(failed)) if failed is not None else []
        self.reasons.update((method.name, _reason(info)) for info in infos)
        if failed is not None and code not in (*NEVER, "(unread)") and len(infos) != 1:
            too_large = max(map(len, requests), default=0) > TRANSPORT_BYTES - 100
            if code in OWN and not impatient:
                faults.append("hung")
            elif not (code in OWN or (code == "RESOURCE_EXHAUSTED" and too_large)):
                faults.append(f"{code} without an ErrorInfo: {failed.details()}")
        if faults:
            sent = [data[:2_000].hex() for data in requests]
            self.wrong.append({"number": number, "method": method.name, "faults": faults[:5], "requests": sent})


def _parsed(method: MethodDescriptor, data: bytes) -> Message:
    """What was sent; an empty one for bytes that are none, which fail alone in a stream."""
    try:
        return GetMessageClass(method.input_type).FromString(data)
    except DecodeError:
        return GetMessageClass(method.input_type)()


def _details(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    raw = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    return status_pb2.Status.FromString(raw) if isinstance(raw, bytes) else status_pb2.Status()


def _infos(status: status_pb2.Status) -> list[error_details_pb2.ErrorInfo]:
    kind = error_details_pb2.ErrorInfo
    return [kind.FromString(detail.value) for detail in status.details if detail.Is(kind.DESCRIPTOR)]


def _reason(info: error_details_pb2.ErrorInfo) -> str:
    """The reason, and that of the first field that is wrong."""
    return "/".join(filter(None, (info.reason, info.metadata.get("reason", ""))))


def _words(message: Message) -> Iterator[str]:
    """The values of enums in an answer, those within its first five pieces of everything."""
    for field, value in message.ListFields():
        for part in (value if repeated(field) else [value])[:5]:
            if field.enum_type is not None:
                known = field.enum_type.values_by_number.get(part)
                yield known.name if known else f"{field.name} {part}"
            elif field.message_type is not None:
                yield from _words(part)


def _statuses(message: Message) -> Iterator[status_pb2.Status]:
    """Every google.rpc.Status in an answer."""
    if isinstance(message, status_pb2.Status):
        yield message
        return
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for part in value if not isinstance(value, Message) else [value]:
                yield from _statuses(part)


def _not_finite(message: Message, path: str) -> Iterator[tuple[str, float]]:
    """Numbers that are none, by where they stand."""
    for field, value in message.ListFields():
        where = f"{path}{field.name}"
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for part in value if not isinstance(value, Message) else [value]:
                yield from _not_finite(part, f"{where}.")
        elif field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
            numbers = [value] if isinstance(value, float) else list(value)
            yield from ((where, number) for number in numbers if not math.isfinite(number))


async def drive(address: str, arguments: argparse.Namespace) -> Run:
    """All the requests, some at once; then whether the server is well."""
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        run = Run(channel, arguments.seed, arguments.following)
        numbers = iter(range(arguments.requests) if arguments.only is None else [arguments.only])

        async def sender() -> None:
            for number in numbers:
                await run.one(number)
                if number and number % 10_000 == 0:
                    print(f"{number:,} sent, {len(run.wrong)} wrong", file=sys.stderr, flush=True)

        await asyncio.gather(*(sender() for _ in range(arguments.at_once)))
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=HUNG_SECONDS)
        if health.status != health_pb2.HealthCheckResponse.SERVING:
            run.wrong.append({"faults": [f"health afterwards: {health.status}"]})
    return run


def main() -> int:
    """Entry point. Exit status 1: something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000, help="how many calls")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other requests")
    parser.add_argument("--following", type=float, default=0.6, help="share that goes on from earlier answers, 0 to 1")
    parser.add_argument("--at-once", type=int, default=16, help="calls in flight")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="this request alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        with served(Path(folder)) as (address, log):
            run = asyncio.run(drive(address, arguments))
        lines = log.read_text(errors="replace").splitlines()
    if any("Traceback" in line or "internal error" in line for line in lines):
        run.wrong.append({"faults": ["the server's log holds a traceback", *lines[-60:]]})
    report(run, time.monotonic() - began, arguments)
    return 1 if run.wrong else 0


def report(run: Run, seconds: float, arguments: argparse.Namespace) -> None:
    """Print what came, and write it where --json says."""
    codes = sorted({code for _, code in run.answers}, key=lambda code: (code != "OK", code))
    heads = [code.capitalize().replace("_", " ") if code != "OK" else code for code in codes]
    print(f"{'method':24}" + "".join(f"{head:>{len(head) + 2}}" for head in heads))
    names = sorted({method for method, _ in run.answers})
    for name in names:
        print(
            f"{name:24}" + "".join(f"{run.answers[name, c]:{len(h) + 2},}" for c, h in zip(codes, heads, strict=True))
        )
    for name in names:
        _print_counts(f"items of {name}", {code: n for (method, code), n in run.items.items() if method == name})
        _print_counts(f"answers of {name} with", {word: n for (method, word), n in run.words.items() if method == name})
        _print_counts(f"reasons of {name}", {why: n for (method, why), n in run.reasons.items() if method == name})
    took, number, slowest = run.slowest
    count = sum(run.answers.values())
    print(f"{count:,} requests in {seconds:.0f} s; the slowest, {slowest} ({number}), took {took:.1f} s")
    print(f"{len(run.wrong)} wrong")
    for wrong in run.wrong[:20]:
        print(json.dumps({**wrong, "requests": [r[:200] for r in wrong.get("requests", ())]}))
    if arguments.json:
        answers = [{"method": m, "code": c, "count": n} for (m, c), n in sorted(run.answers.items())]
        reasons = [{"method": m, "reason": r, "count": n} for (m, r), n in sorted(run.reasons.items())]
        whole = {"seed": arguments.seed, "seconds": seconds, "answers": answers, "reasons": reasons, "wrong": run.wrong}
        arguments.json.write_text(json.dumps(whole, indent=1))


def _print_counts(title: str, counts: dict[str, int]) -> None:
    if counts:
        print(f"{title}: " + ", ".join(f"{what} {n:,}" for what, n in sorted(counts.items(), key=lambda i: -i[1])))


if __name__ == "__main__":
    sys.exit(main())
