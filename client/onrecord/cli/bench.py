"""`onrecord bench`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from onrecord.cli._files import refuse_stdin_twice
from onrecord.cli._options import any_collection_option, connect, json_option, setting, target_option
from onrecord.cli._output import refuse_unwritable, write_lines
from onrecord.cli._progress import working
from onrecord.cli._report import complain, emit
from onrecord.cli._scope import say_if_missing

if TYPE_CHECKING:
    from onrecord._bench.driving import Plan
    from onrecord._bench.schedule import Step
    from onrecord.cli._bench_data import Texts
    from onrecord.cli._bench_run import Measured
    from onrecord.types import ServerInfo

READY_SECONDS = 30.0
_CONNECT_SECONDS = 2.0
DEFAULT_CALLERS = 8
SEARCH_DEADLINE = 1.0

_SECONDS = click.FloatRange(min=0, min_open=True)


class _Parsed(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from click 8.4 on
    """What a function of `onrecord._bench.schedule` reads."""

    name = "LIST"

    def __init__(self, function: str) -> None:
        self._function = function

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The function's result; its ValueError is a usage error."""
        from onrecord._bench import schedule

        if not isinstance(value, str):
            return value
        try:
            return getattr(schedule, self._function)(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("bench")
@target_option
@click.option("--serve", is_flag=True, help="Start a server for the run instead, with a record that is thrown away.")
@setting("--model", default="builtin", metavar="NAME", help="NLI model, with --serve.")
@setting("--encoder", default="builtin", metavar="NAME", help="Encoder, with --serve.")
@click.option("--serve-options", default="", metavar="TEXT", help='More for `onrecord serve`: "--cache-pairs 0".')
@click.option("--claims", metavar="FILE", help="Claims to send, as `batch` reads them.  [default: made-up ones]")
@click.option(
    "--statements", multiple=True, metavar="FILE",
    help="Statements (.jsonl) or documents to serve, with --serve. Repeatable.  [default: made-up ones]",
)  # fmt: skip
@click.option("--pairs", metavar="FILE", help="Premises and hypotheses to send.  [default: claims with statements]")
@any_collection_option
@click.option(
    "--concurrency", type=click.IntRange(1, 10_000), metavar="N", help="Closed loop: N callers.  [default: 8]"
)
@click.option("--rate", type=_SECONDS, metavar="R", help="Open loop: R calls a second, whatever the answers do.")
@click.option(
    "--sweep", type=_Parsed("parse_sweep"), metavar="LIST",
    help='Several rates ("1,2,4"), multiples of the highest rate ("0.5x,1x,10x"), or "concurrency=1,8,64".',
)  # fmt: skip
@click.option("--capacity", is_flag=True, help="Find the highest rate, too.")
@click.option("--arrivals", type=click.Choice(["poisson", "constant"]), default="poisson", show_default=True,
              help="How the calls of an open loop are spaced.")  # fmt: skip
@click.option("--mix", type=_Parsed("parse_mix"), default="check", show_default=True, metavar="LIST",
              help='Kinds of calls and their weights, "check=8,batch=1,stream=1,pairs=1,health=1".')  # fmt: skip
@click.option("--size", type=click.IntRange(1, 256), default=32, show_default=True, metavar="N",
              help="Claims of a batch or a stream, pairs of a call that scores pairs.")  # fmt: skip
@click.option("--max-evidence", type=click.IntRange(0, 32), metavar="N", help="Evidence asked for.  [default: 5]")
@click.option("--duration", type=_SECONDS, default=10.0, show_default=True, metavar="SECONDS",
              help="Time measured, of each row and each trial.")  # fmt: skip
@click.option("--warmup", type=click.FloatRange(min=0), default=2.0, show_default=True, metavar="SECONDS",
              help="Time before it that is not measured.")  # fmt: skip
@click.option("--deadline", type=_SECONDS, metavar="SECONDS",
              help="Deadline of each call.  [default: none; 1 with --capacity and multiples]")  # fmt: skip
@click.option("--abandon", type=click.FloatRange(0, 1), default=0.0, metavar="SHARE",
              help="Share of the calls that their caller cancels after a moment.")  # fmt: skip
@click.option("--abandon-after", type=_SECONDS, default=0.05, show_default=True, metavar="SECONDS", help="That moment.")
@click.option("--with-stream", is_flag=True, help="Keep a stream of claims full beside the calls that are measured.")
@click.option("--repeat", is_flag=True, help="Send texts again as they are, so that remembered scores answer for them.")
@click.option("--max-in-flight", type=click.IntRange(min=1), default=2_000, show_default=True, metavar="N",
              help="Calls under way at most, in an open loop; further ones count as missed.")  # fmt: skip
@click.option("--connections", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N",
              help="Connections that take turns.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Of arrivals, kinds and made-up texts.")
@click.option("-o", "--output", metavar="FILE", help="Write the report as JSON.")
@click.option("--html", metavar="FILE", help="Write one page with charts of latency and goodput against load.")
@json_option
@click.pass_context
def command(context: click.Context, /, **given: Any) -> None:
    """Measure how fast a server is, and what load does to it.

    \b
    onrecord bench --serve --capacity --sweep 0.25x,0.5x,0.8x,1x,2x --html load.html
    onrecord bench --target HOST:PORT --claims claims.jsonl --rate 5 --deadline 1
    onrecord bench --serve --mix check=8,batch=1,health=1 --sweep concurrency=1,4,16

    Closed loop (--concurrency): each caller waits for its answer before it calls again, which shows what a server does
    at most. Open loop (--rate): calls come whatever the answers do, and their latency runs from when they were due,
    which shows what callers feel. Nothing is tried again; refusals are counted by code and reason. A call is good when
    it is answered within --deadline of when it was due.

    Without files, statements and claims are made up, and the report says so. Each text is marked, so that the server's
    memory of scores does not answer for its model (not with --repeat). Do not load a server that others use.

    Ctrl-C ends the run and keeps what was measured. Exit status 1: nothing was answered. docs/bench.md has the rest.
    """
    _refuse_contradictions(context, given)
    from onrecord._bench.driving import Plan
    from onrecord._bench.schedule import Step
    from onrecord.cli._bench_data import gather
    from onrecord.cli._bench_run import Measured

    steps: list[Step] = given["sweep"] or []
    if given["rate"] is not None:
        steps = [Step(given["rate"], "rate")]
    elif not steps and (given["concurrency"] is not None or not given["capacity"]):
        steps = [Step(given["concurrency"] or DEFAULT_CALLERS, "concurrency")]
    searching = given["capacity"] or any(step.unit == "x" for step in steps)
    texts = gather(
        given["claims"], given["statements"], given["pairs"], serve=given["serve"], mix=given["mix"], seed=given["seed"]
    )
    plan = Plan(
        mix=given["mix"],
        duration=given["duration"],
        warmup=given["warmup"],
        deadline=given["deadline"] or (SEARCH_DEADLINE if searching else None),
        arrivals=given["arrivals"],
        abandon=given["abandon"],
        abandon_after=given["abandon_after"],
        max_in_flight=given["max_in_flight"],
        seed=given["seed"],
        stream=given["with_stream"],
    )
    measured = Measured()
    checks = given["with_stream"] or not given["mix"].keys() <= {"pairs", "health"}
    with _server(given) as (target, about):
        info = _prepare(target, texts, given["collection"], put=given["serve"], checks=checks)
        texts.described |= about
        asyncio.run(_measure(target, texts, plan, steps, measured, given))
    _finish(context, target, info, plan, texts, measured, given)


def _refuse_contradictions(context: click.Context, given: dict[str, Any]) -> None:
    by_hand = [
        name
        for name in ("target", "model", "encoder")
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if given["serve"] and "target" in by_hand:
        raise click.UsageError("give --target or --serve, not both")
    if not given["serve"]:
        for name in ("statements", "serve_options", *by_hand):
            if name != "target" and (given[name] or name in by_hand):
                raise click.UsageError(f"--{name.replace('_', '-')} is for --serve; a running server has its own")
    if sum(given[name] is not None for name in ("rate", "concurrency", "sweep")) > 1:
        raise click.UsageError("give one of --rate, --concurrency and --sweep")
    for name in ("output", "html"):
        if given[name] == "-":
            raise click.UsageError(f"--{name} needs the name of a file; --json prints the report")
    try:
        shlex.split(given["serve_options"])
    except ValueError as error:
        raise click.UsageError(f"--serve-options: {error}") from None
    inputs = [path for path in (given["claims"], given["pairs"], *given["statements"]) if path is not None]
    refuse_stdin_twice(inputs)
    refuse_unwritable(given["output"], given["html"], inputs=inputs)


@contextlib.contextmanager
def _server(given: dict[str, Any]) -> Iterator[tuple[str, dict[str, object]]]:
    """The address, and what the report tells of a server of our own."""
    if not given["serve"]:
        yield given["target"], {}
        return
    from onrecord._bench.serving import served

    options = shlex.split(given["serve_options"])
    with contextlib.ExitStack() as stack:
        with working("starting the server"):
            server = stack.enter_context(served(["--model", given["model"], "--encoder", given["encoder"], *options]))
        yield server.address, {"serve_options": options, "start_seconds": round(server.start_seconds, 2)}


def _prepare(target: str, texts: Texts, collection: str, *, put: bool, checks: bool) -> ServerInfo:
    """Wait for the server, put texts on its record if it is ours, ask what it is. checks: whether claims are."""
    _refuse_dead(target)
    with connect(target, None) as client:
        with working("waiting for the server"):
            client.wait_ready(READY_SECONDS)
        if put:
            with working("putting statements on the record"):
                texts.put_on_record(client, collection)
        elif checks:
            say_if_missing(client, collection)
        return client.info()


def _refuse_dead(target: str) -> None:
    """Unavailable at once where nothing listens; a server that is there may still be loading, and is waited for."""
    from onrecord.errors import Unavailable

    host, colon, port = target.rpartition(":")
    if not colon or not port.isdecimal() or "/" in host:
        return  # a name that only gRPC resolves
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except ConnectionRefusedError:
        raise Unavailable(f"no server at {target}: nothing listens there; start one with `onrecord serve`") from None
    except (OSError, OverflowError, UnicodeError):
        return  # too slow, or no such name: gRPC tries longer and says why


async def _measure(
    target: str, texts: Texts, plan: Plan, steps: Sequence[Step], measured: Measured, given: dict[str, Any]
) -> None:
    from onrecord._bench.calls import open_caller
    from onrecord._bench.material import Material
    from onrecord.cli._bench_run import measure

    material = Material(
        texts.claims,
        texts.pairs,
        collection=given["collection"],
        size=given["size"],
        max_evidence=given["max_evidence"],
        repeat=given["repeat"],
    )
    token = os.environ.get("ONRECORD_TOKEN") or None
    async with open_caller(target, material, token=token, connections=given["connections"]) as caller:
        await measure(caller, plan, steps, capacity=given["capacity"], measured=measured)


def _finish(
    context: click.Context,
    target: str,
    info: ServerInfo,
    plan: Plan,
    texts: Texts,
    measured: Measured,
    given: dict[str, Any],
) -> None:
    """Write and show what there is, then say how it ended."""
    from onrecord._bench.report import report
    from onrecord.cli import _bench_show

    data = {
        **texts.described,
        "size": given["size"],
        "marked": not given["repeat"],
        "max_evidence": given["max_evidence"],
    }
    made = report(target, info, plan, data, measured.rows, measured.capacity)
    writers: list[tuple[str | None, Callable[[], str]]] = [
        (given["output"], lambda: json.dumps(made, indent=1)),
        (given["html"], lambda: _page(made)),
    ]
    for path, text in writers:
        if path is not None:
            write_lines(path, [text()])
    if given["as_json"]:
        emit(made)
    else:
        _bench_show.show(made)
    if measured.interrupted:
        interrupt = KeyboardInterrupt()
        interrupt.add_note("what was measured until then is kept")
        raise interrupt
    rows = [*measured.rows, *(measured.capacity.trials if measured.capacity else [])]
    if not any(row.tally.answered for row in rows):
        complain("nothing was answered" if rows else "nothing was measured")
        context.exit(1)


def _page(made: dict[str, Any]) -> str:
    from onrecord._bench.page import render

    return render(made)
