"""The keeper, which loads the models, and the hands and the tagger's process, which it forks.

The keeper is exec'd, so that it starts without any thread of the server, and it has one thread only when it forks. It
ends when the server hangs up, or when a hand has died, which it tells first. Signals that mean the server (Ctrl-C in a
terminal, a supervisor's SIGTERM to the whole group) are the server's to act upon: it lets batches finish first.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from onrecord_server.domain.errors import ConfigError, ModelUnusable, OnrecordError
from onrecord_server.nli.base import PairScorer, TextEncoder, padding_tokens
from onrecord_server.nli.memory import give_back
from onrecord_server.nli.models import ModelChoice
from onrecord_server.nli.processes.messages import (
    Failure,
    pack_attributions,
    pack_failure,
    pack_rows,
    unpack_document,
    unpack_request,
)

if TYPE_CHECKING:
    from onrecord_server.nli import Tagger
    from onrecord_server.nli.encoder import SentenceEncoder
    from onrecord_server.nli.scorer import ClassifierScorer

_MOST_PREPARED = 4  # times the usual tokens of a batch; what larger ones need is made when they come
_PANIC = "PanicException"  # how a tokeniser written in Rust fails on an input that it was not made for; no Exception


@dataclass(frozen=True, slots=True)
class Loaded:
    """The models, how many hands may share them, whether this process may fork, and what the server is told of them."""

    scorer: PairScorer
    encoder: TextEncoder
    hands: int
    forks: bool
    about: dict[str, Any]


Load = Callable[[ModelChoice, int], Loaded]
"""From the choice and the number of sockets. Raises ConfigError, ModelUnusable."""


class _Kept(logging.Handler):
    """Keeps what is logged, for the server to log in its own form."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record."""
        self.lines.append((record.name, record.levelno, record.getMessage()))


def keep(arguments: Sequence[str], load: Load, find_tagger: Callable[[], Tagger | None]) -> int:
    """Load, fork a hand for each socket, and wait. Returns the exit status.

    arguments: the file descriptors of the control socket, of the tagger's ("" for none) and of one for each hand.
    """
    control, *sockets = (Connection(int(number)) for number in arguments if number)
    documents = sockets.pop(0) if arguments[1] else None
    _call_it("onrecord-keeper")
    choice = ModelChoice(**json.loads(control.recv_bytes()))
    kept = _Kept()
    logger = logging.getLogger("onrecord_server")
    logger.addHandler(kept)
    logger.setLevel(logging.INFO)
    try:
        loaded = load(choice, len(sockets))
    except OnrecordError as error:
        kind = "ConfigError" if isinstance(error, ConfigError) else "ModelUnusable"
        _tell(control, {"error": kind, "message": error.message, "log": kept.lines})
        return 0
    logger.removeHandler(kept)
    hello = {**loaded.about, "hands": loaded.hands, "log": kept.lines}
    for socket in sockets[loaded.hands :]:
        socket.close()
    compute = partial(_compute, loaded.scorer, loaded.encoder)
    if not loaded.forks:
        if documents:
            documents.close()
        _tell(control, {**hello, "forked": [], "tagger": False})
        return attend(sockets[0], compute)
    work = [(f"onrecord-hand-{number}", socket, compute) for number, socket in enumerate(sockets[: loaded.hands])]
    if documents:
        work.append(("onrecord-tagger", documents, partial(_tag, find_tagger())))
    pids = _fork(control, work)
    _tell(control, {**hello, "forked": pids, "tagger": documents is not None})
    return _wait(control, set(pids))


def attend(socket: Connection, answer: Callable[[bytes], bytes]) -> int:
    """Answer the requests on a socket until the other end hangs up."""
    while True:
        try:
            message = socket.recv_bytes()
        except (EOFError, OSError):
            return 0
        try:
            said = answer(message)
        except BaseException as error:
            if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
                raise
            text = error.message if isinstance(error, OnrecordError) else str(error)
            said = pack_failure(Failure(type(error).__name__, text, traceback.format_exc()))
        with contextlib.suppress(OSError):  # gone meanwhile: the next read says so, too
            socket.send_bytes(said)


def _compute(scorer: PairScorer, encoder: TextEncoder, message: bytes) -> bytes:
    request = unpack_request(message)
    model = encoder if request.pairs is None else scorer
    before = padding_tokens(model)
    rows = encoder.encode(request.texts or ()) if request.pairs is None else scorer.score(request.pairs)
    return pack_rows(rows, padding_tokens(model) - before)


def _tag(tagger: Tagger | None, message: bytes) -> bytes:
    assert tagger is not None  # noqa: S101 - the server knows what is installed, and asks for no other
    document = unpack_document(message)
    found = tagger.tag(document.text, document.sentences, document.hints)
    give_back()  # the next document may be long in coming
    return pack_attributions(found)


def _fork(control: Connection, work: Sequence[tuple[str, Connection, Callable[[bytes], bytes]]]) -> list[int]:
    """A process for each name, socket and answer to what comes there. Returns their numbers."""
    sockets = [socket for _, socket, _ in work]
    gc.collect()
    gc.freeze()  # a collection would write on pages that the hands share
    pids = []
    for name, own, answer in work:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                _call_it(name)
                control.close()
                for other in sockets:  # or nobody would hear that the server has hung up on another one
                    if other is not own:
                        other.close()
                status = attend(own, answer)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        pids.append(pid)
    for socket in sockets:
        socket.close()
    return pids


def _wait(control: Connection, pids: set[int]) -> int:
    """Until all hands have ended; tells of each that did not end by itself."""
    while pids:
        pid, status = os.wait()
        pids.discard(pid)
        if status:
            _tell(control, {"died": os.waitstatus_to_exitcode(status)})
    return 0


def _call_it(name: str) -> None:
    """Name this process, for `ps -o comm` and `top`."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name)


def _tell(control: Connection, what: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        control.send_bytes(json.dumps(what).encode("ascii"))


def load(choice: ModelChoice, sockets: int) -> Loaded:
    """See Load."""
    from onrecord_server.nli import batch_tokens
    from onrecord_server.nli.loading import find_classifier
    from onrecord_server.nli.models import load_both
    from onrecord_server.nli.precision import find_device

    both = load_both(replace(choice, threads=1))
    scorer, encoder = cast("ClassifierScorer", both[0]), cast("SentenceEncoder", both[1])  # no fakes, these
    usual, on_cpu = batch_tokens(choice.model, choice.device), find_device(choice.device).type == "cpu"
    tokens = choice.batch_tokens or usual
    try:
        for model in (scorer, encoder):  # all hands share what is made now
            model.prepare(min(tokens, _MOST_PREPARED * usual))
    except RuntimeError as error:  # no memory, usually
        why = str(error).partition("\n")[0]
        raise ModelUnusable(f"cannot compute a batch of {tokens:,} tokens; lower --max-batch-tokens ({why})") from error
    # a fork takes one thread along: others might have held a lock, and a GPU's context does not survive it
    forks = on_cpu and _threads() == 1
    count = sockets if forks else 1
    about = {
        "model": asdict(scorer.info),
        "encoder": asdict(encoder.info),
        "dimension": encoder.dimension,
        "folder": str(find_classifier(choice.model, choice.model_revision).folder),
        "tokenizer": scorer.tokenizer.to_json(),
        "batch_tokens": tokens,
    }
    each = sockets // count if on_cpu else 1  # a GPU is not shared out
    return Loaded(scorer.on_cores(each), encoder.on_cores(each), count, forks, about)


def _threads() -> int:
    """Threads of this process; 0 where that cannot be told."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 0


def main() -> None:
    """Entry point; see `keep` for the arguments."""
    from onrecord_server.nli import find_tagger

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(keep(sys.argv[1:], load, find_tagger))


if __name__ == "__main__":
    main()
