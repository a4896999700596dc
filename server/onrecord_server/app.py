"""Puts the server together, and takes it apart in the right order.

Start: the ports are taken and health says NOT_SERVING; a log line says what is loaded; the store is opened, first, so
that what is wrong with it is said at once; the encoder and the NLI model are loaded; then health says SERVING and one
line on stdout gives the address. Stop (SIGTERM, SIGINT; a log line says which): health says NOT_SERVING, balancers get
a moment to see it, no new calls are taken, calls in flight have `drain_seconds` to finish, the worker stops, the store
closes, the metrics' port closes. When a thread of the worker dies, the same happens at once, and the exit status is 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from grpc.aio import Server

from onrecord_server.checking.checker import Checker
from onrecord_server.checking.indexing import Indexer
from onrecord_server.checking.inspection import inspect
from onrecord_server.checking.meter import Meter
from onrecord_server.checking.record import Record
from onrecord_server.checking.worker import InferenceWorker
from onrecord_server.config import FAKE, MEMORY, ServerConfig
from onrecord_server.domain.errors import ConfigError, OnrecordError
from onrecord_server.domain.types import ModelInfo
from onrecord_server.logs import configure_logging
from onrecord_server.nli import ModelChoice, ModelHost, Tagger, find_tagger, identify_encoder, start_models
from onrecord_server.nli.calibration import revision_of
from onrecord_server.rpc.backend import Backend, BackendSlot, ServerInfo
from onrecord_server.rpc.health import Health
from onrecord_server.rpc.interceptors import CallGuard
from onrecord_server.rpc.server import METHODS, build_server, make_servicers, methods_of
from onrecord_server.rpc.tls import TlsFiles, server_credentials
from onrecord_server.store import open_store
from onrecord_server.store.base import StatementStore
from onrecord_server.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from onrecord_server.http import HttpDoor

# Between NOT_SERVING and the refusal of new calls, so that callers who watch health have left by then.
PROPAGATION_SECONDS = 0.25
# After the last handler has returned, for its answer to leave.
FLUSH_SECONDS = 0.5
# In a drain, who takes nothing of an answer, or sends nothing of a request, for this long is waited for no longer.
STALLED_SECONDS = 5.0

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Engine:
    """Everything that answers, without the wire: what the server serves and the CLI uses in process."""

    record: Record
    checker: Checker
    worker: InferenceWorker
    store: StatementStore
    model: ModelInfo
    encoder: ModelInfo
    died: asyncio.Future[BaseException]  # done when a thread or process with models has died, with what killed it
    processes: Sequence[int] = ()  # that hold the models

    @property
    def backend(self) -> Backend:
        """What the servicers call."""
        return Backend(self.record, self.checker, self.model, self.describe)

    async def describe(self) -> ServerInfo:
        """What runs here."""
        return ServerInfo(
            version=version(),
            model=self.model,
            encoder=self.encoder,
            store=self.store.kind,
            statement_count=await asyncio.to_thread(self.store.count),
            default_options=self.checker.defaults,
            pending_count=await asyncio.to_thread(self.store.pending_count),
        )


def version() -> str:
    """Version of the installed distribution; "unknown" when run from a source tree that is not installed."""
    try:
        return metadata.version("onrecord")
    except metadata.PackageNotFoundError:
        return "unknown"


@asynccontextmanager
async def open_engine(config: ServerConfig, meter: Meter | None = None) -> AsyncIterator[Engine]:
    """Open the store and load the models, off the event loop; on exit stop the worker and close the store.

    meter: told of the engine's work. Uses of `config` only what concerns models and store. Errors: ModelUnusable,
    StoreUnusable, ConfigError.
    """
    tagger = _tagger(config)
    async with _model_host(config, tagger=tagger is not None) as host, _open_store(config) as store:
        models = await asyncio.to_thread(host.load)
        scorer, encoder = models.scorer, models.encoder
        loop = asyncio.get_running_loop()
        died: asyncio.Future[BaseException] = loop.create_future()
        worker = InferenceWorker(
            scorer,
            encoder,
            hands=models.hands,
            max_batch_tokens=min(models.batch_tokens, config.max_queue_tokens),
            max_queue_tokens=config.max_queue_tokens,
            cache_pairs=config.cache_pairs,
            on_death=lambda error: None if died.done() else died.set_result(error),
            meter=meter,
        )
        await worker.start()
        host.watch(lambda error: _soon(loop, worker.die, error))
        try:
            checker = Checker(
                store,
                worker,
                switches=config.switches,
                weighing=scorer.weighing,
                calibration=revision_of(scorer.calibration),
                version=version(),
            )
            indexer = Indexer(store, worker)
            indexer.start()
            record = Record(store, worker, models.tagger or tagger, deferred=indexer.put)
            try:
                yield Engine(record, checker, worker, store, scorer.info, encoder.info, died, models.processes)
            finally:
                await indexer.stop()
        finally:
            await worker.stop(config.drain_seconds)


@asynccontextmanager
async def _open_store(config: ServerConfig) -> AsyncIterator[StatementStore]:
    """The record, closed on exit."""
    encoder_id, dimension = await asyncio.to_thread(identify_encoder, config.encoder, revision=config.encoder_revision)
    store = await asyncio.to_thread(open_store, _store_path(config), dimension=dimension, encoder_id=encoder_id)
    try:
        yield store
    finally:
        await asyncio.to_thread(store.close)


@asynccontextmanager
async def _model_host(config: ServerConfig, *, tagger: bool) -> AsyncIterator[ModelHost]:
    """Where the models will run, loading already if in processes of their own; ended on exit."""
    choice = ModelChoice(
        model=config.model,
        encoder=config.encoder,
        model_revision=config.model_revision,
        encoder_revision=config.encoder_revision,
        precision=config.precision,
        threads=config.threads,
        calibration=config.calibration,
        device=config.device,
        batch_tokens=config.max_batch_tokens,
    )
    host = await asyncio.to_thread(start_models, choice, config.inference, tagger=tagger)
    try:
        yield host
    finally:
        await asyncio.to_thread(host.close)


async def serve(config: ServerConfig) -> int:
    """Serve until SIGTERM, SIGINT or the worker's death. Returns the exit status, 0 or 1; raises what stops a start."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _stop_for, number, stop, config.drain_seconds)
    token = config.read_token()
    async with AsyncExitStack() as stack:
        telemetry = Telemetry(
            version(),
            METHODS,
            traces=config.traces,
            metrics_listen=config.metrics_listen,
            metrics_address=config.metrics_address,
            queue_limit=config.max_queue_tokens,
        )
        stack.push_async_callback(asyncio.to_thread, telemetry.close)
        slot = BackendSlot()
        guard = CallGuard(token, telemetry.observers)
        servicers = make_servicers(slot)
        server, health = build_server(slot, guard, servicers)
        address = _bind(server, config)
        http = _http_door(config, servicers, guard, health)
        await server.start()
        # a failed start refuses at once; after a drain this finds nothing left to stop
        stack.push_async_callback(server.stop, None)
        if http:
            await http.start()
            stack.push_async_callback(http.stop, 0)
        record = "in memory" if config.store_path == MEMORY else config.store_path
        logger.info("loading the model %s; the record is %s", config.model, record)
        if telemetry.metrics_url:
            logger.info("metrics at %s", telemetry.metrics_url)
        if http:
            logger.info("HTTP/JSON at %s", http.url)
        engine = await _unless_stopped(stop, stack.enter_async_context(open_engine(config, telemetry.meter)))
        if engine is None or stop.is_set():  # both may have come at once
            return 0
        _spare_collections()
        slot.fill(engine.backend)
        telemetry.watch(engine.worker, engine.store, engine.model, engine.encoder, engine.processes)
        await health.serving()
        telemetry.serving(True)
        with _ready(config.ready_file, address):
            click.echo(f"onrecord {version()} serving on {address} ({engine.model.model_id})")
            inspecting = asyncio.create_task(inspect(engine.store), name="inspection")
            failure = await _unless_stopped(stop, engine.died)
            inspecting.cancel()
            if failure is not None:
                _say(config, f"the inference worker died ({failure}); stopping")
            telemetry.serving(False)
            await drain(server, slot, health, guard, config.drain_seconds, http)
        return 0 if failure is None else 1


async def drain(
    server: Server,
    slot: BackendSlot,
    health: Health,
    guard: CallGuard,
    seconds: float,
    http: HttpDoor | None = None,
) -> None:
    """Say NOT_SERVING, take no new calls, let those in flight finish for at most `seconds`; streams read no more.

    Callers who have stalled are waited for no longer than STALLED_SECONDS.
    """
    await health.not_serving()
    await asyncio.sleep(min(PROPAGATION_SECONDS, seconds))
    slot.draining.set()
    stopping = asyncio.create_task(server.stop(seconds))
    closing = asyncio.create_task(http.stop(seconds, STALLED_SECONDS)) if http else None
    cutting = asyncio.create_task(guard.cut_stalled(STALLED_SECONDS))
    idle = asyncio.create_task(guard.idle())
    await asyncio.wait({stopping, idle}, return_when=asyncio.FIRST_COMPLETED)
    idle.cancel()
    cutting.cancel()
    # health watchers never finish by themselves; without calls in flight nothing else is worth the wait
    await server.stop(min(FLUSH_SECONDS, seconds))
    await stopping
    if closing:
        await closing


def run(config: ServerConfig) -> int:
    """Serve with signals and logging set up; a failed start is one line on stderr and status 1."""
    configure_logging(config.log_level, config.log_format)
    try:
        return asyncio.run(serve(config))
    except OnrecordError as error:
        _say(config, error.message)
        return 1


def _say(config: ServerConfig, message: str) -> None:
    """Why it ends: a line of the log where that is for programs, else one for whoever started it."""
    if config.log_format == "json":
        logger.critical("%s", message)
    else:
        click.echo(f"onrecord: {message}", err=True)


def _spare_collections() -> None:
    """Take what was loaded out of the garbage collector's sight.

    It stays anyway, and looking it through takes some 80 ms, in which nothing is answered, not even a health check.
    """
    gc.collect()
    gc.freeze()


def _stop_for(number: signal.Signals, stop: asyncio.Event, drain_seconds: float) -> None:
    """Set `stop`, and say once that a signal did."""
    if not stop.is_set():
        logger.info("stopping on %s; calls in flight have %g s to finish", number.name, drain_seconds)
    stop.set()


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[BaseException], None], error: BaseException) -> None:
    """From another thread: call it on the loop, where there is one still."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, error)


async def _unless_stopped(stop: asyncio.Event, work: Awaitable[_T]) -> _T | None:
    """The work's result, or None when `stop` is set first; then the work is cancelled."""
    doing, stopping = asyncio.ensure_future(work), asyncio.create_task(stop.wait())
    await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if doing.done():
        return doing.result()
    doing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await doing
    return None


def _bind(server: Server, config: ServerConfig) -> str:
    """Take the port; returns host:port with the real port. ConfigError says why it cannot be had."""
    host, port = config.address
    shown = f"[{host}]" if ":" in host else host
    try:
        # gRPC's own failure names no cause and logs on stderr, so ask the system first
        family, kind, proto, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
            probe.listen()
    except OSError as error:
        raise ConfigError(f"--listen {config.listen}: {error.strerror or error}; choose another address") from error
    try:
        if config.tls_cert is not None and config.tls_key is not None:
            credentials = server_credentials(TlsFiles(config.tls_cert, config.tls_key, config.tls_client_ca))
            return f"{shown}:{server.add_secure_port(f'{shown}:{port}', credentials)}"
        return f"{shown}:{server.add_insecure_port(f'{shown}:{port}')}"
    except RuntimeError as error:
        raise ConfigError(f"--listen {config.listen}: cannot listen there; choose another address") from error


def _http_door(config: ServerConfig, servicers: Mapping[str, Any], guard: CallGuard, health: Health) -> HttpDoor | None:
    """The HTTP door where one is asked for, with its port taken. ConfigError says why it cannot be had."""
    if config.http is None:
        return None
    try:
        from onrecord_server.http import open_door
    except ModuleNotFoundError as error:
        message = (
            f"--http {config.http}: {error.name} is missing; pip install ./server/models '.[server,http]' in a checkout"
        )
        raise ConfigError(message) from error
    return open_door(methods_of(servicers), guard, health, config.http, *config.http_address)


def _tagger(config: ServerConfig) -> Tagger | None:
    """Who helps the rules of ingest. Nobody with "rules"; with "auto" nobody beside a fake model or without weights."""
    if config.attribution == "rules" or (config.attribution == "auto" and FAKE in (config.model, config.encoder)):
        return None
    tagger = find_tagger()
    if tagger is None and config.attribution == "tagger":
        raise ConfigError(
            "--attribution tagger: its weights are not installed; pip install ./server/models '.[server]' in a checkout"
        )
    return tagger


def _store_path(config: ServerConfig) -> str:
    """The store's path; the default one's folder is made when it is missing."""
    if config.store is None:
        folder = Path(config.store_path).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{folder}: {error.strerror}; give --store a file you can write") from error
    return config.store_path


@contextlib.contextmanager
def _ready(path: str | None, address: str) -> Iterator[None]:
    """While inside, `path` holds the address; it appears whole, so that a script can wait for it."""
    if path is None:
        yield
        return
    ready, draft = Path(path), Path(f"{path}.{os.getpid()}")
    try:
        draft.write_text(f"{address}\n", encoding="utf-8")
        draft.replace(ready)
    except OSError as error:
        raise ConfigError(f"--ready-file {path}: {error.strerror}; give a file in a folder you can write") from error
    try:
        yield
    finally:
        ready.unlink(missing_ok=True)
