"""The server's side of models in processes of their own."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from onrecord_server.domain.errors import ConfigError, ModelError, ModelUnusable
from onrecord_server.domain.types import ModelInfo, Span, TaggedAttribution
from onrecord_server.domain.weighing import Weighing
from onrecord_server.nli.base import EncodedPair, FloatArray
from onrecord_server.nli.calibration import Calibration, choose_calibration
from onrecord_server.nli.files import weighing_beside
from onrecord_server.nli.models import Hand, ModelChoice, Models
from onrecord_server.nli.processes.messages import (
    Document,
    Failure,
    pack_document,
    pack_pairs,
    pack_texts,
    unpack_answer,
    unpack_attributions,
)
from onrecord_server.nli.tokens import PairTokenizer

_log = logging.getLogger(__name__)

_END_SECONDS = 5.0  # for the processes to end by themselves; a batch takes less
_WORD_SECONDS = 1.0  # for the keeper's word on a hand that is gone
_LOOK_SECONDS = 1.0  # how often for a hand that is stuck
# A batch or a document may take so long, and a second more for each so many bytes of it (of which a token has four):
# more than the slowest machine that could be of any use
_STUCK_SECONDS = 60.0
_BYTES_PER_SECOND = 256
# One thread in a process that forks, and that has one core: libraries would start theirs as they are loaded
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


class RemoteFailure(Exception):
    """A model failed otherwise than with a ModelError; the text is the traceback of its process."""


class Line:
    """A socket to one hand. Any thread may ask; one at a time is served."""

    def __init__(self, connection: Connection, why_gone: Callable[[], str]) -> None:
        """why_gone: what to say when nobody is at the other end any more; may block for a moment."""
        self.padding_tokens = 0
        self.under_way: tuple[int, float] | None = None
        """A number for the batch that is being waited for, and the seconds that it may take."""
        self._count = 0
        self._connection = connection
        self._why_gone = why_gone
        self._turn = threading.Lock()

    def exchange(self, request: bytes) -> bytes:
        """The answer. Gone when the process is."""
        with self._turn:
            self._count += 1
            self.under_way = self._count, _STUCK_SECONDS + len(request) / _BYTES_PER_SECOND
            try:
                self._connection.send_bytes(request)
                return self._connection.recv_bytes()
            except (EOFError, OSError, TypeError):  # the last when it is closed between two parts of an answer
                raise Gone(self._why_gone()) from None
            finally:
                self.under_way = None

    def ask(self, request: bytes) -> FloatArray:
        """The rows of the answer. ModelError, RemoteFailure; Gone when the process is."""
        answer = unpack_answer(self.exchange(request))
        if isinstance(answer, Failure):
            raise _error(answer)
        rows, padding = answer
        self.padding_tokens += padding
        return rows

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class Gone(BaseException):
    """No failure of an input, which another try could show: it ends the thread that asked."""


def _error(failure: Failure) -> Exception:
    """What the other process met, as it is raised here."""
    kinds = {"ModelError": ModelError, "ModelUnusable": ModelUnusable}
    return kinds[failure.kind](failure.message) if failure.kind in kinds else RemoteFailure(failure.trace)


class RemoteScorer:
    """A CalibratedScorer that tokenises here and scores in another process."""

    def __init__(
        self,
        info: ModelInfo,
        tokenizer: PairTokenizer,
        calibration: Calibration,
        weighing: Weighing | None,
        line: Line,
    ) -> None:
        """calibration: what the other process applies."""
        self.info = info
        self.calibration = calibration
        self.weighing = weighing
        self._tokenizer = tokenizer
        self._line = line

    @property
    def padding_tokens(self) -> int:
        """Padding that has been computed so far."""
        return self._line.padding_tokens

    def on(self, line: Line) -> RemoteScorer:
        """The same model at another hand."""
        return RemoteScorer(self.info, self._tokenizer, self.calibration, self.weighing, line)

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[EncodedPair]:
        """See PairScorer."""
        return self._tokenizer(pairs)

    def score(self, batch: Sequence[EncodedPair]) -> FloatArray:
        """See PairScorer."""
        return self._line.ask(pack_pairs(batch))

    def uncalibrated(self) -> RemoteScorer:
        """Not to be had: the scores come calibrated."""
        raise NotImplementedError("load the model in this process for that")


class RemoteEncoder:
    """A TextEncoder in another process."""

    def __init__(self, info: ModelInfo, dimension: int, line: Line) -> None:
        self.info = info
        self.dimension = dimension
        self._line = line

    @property
    def padding_tokens(self) -> int:
        """Padding that has been computed so far."""
        return self._line.padding_tokens

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """See TextEncoder."""
        return self._line.ask(pack_texts(texts))


class RemoteTagger:
    """A Tagger in another process."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._loaded = False

    def tag(self, text: str, sentences: Sequence[Span], hints: Sequence[TaggedAttribution]) -> list[TaggedAttribution]:
        """See Tagger. Raises what LazyTagger.tag does, and ModelUnusable when the process is gone."""
        try:
            answer = unpack_attributions(self._line.exchange(pack_document(Document(text, sentences, hints))))
        except Gone as error:
            raise ModelUnusable(str(error)) from None
        if isinstance(answer, Failure):
            raise _error(answer)
        if not self._loaded:  # its own process has no log
            self._loaded = True
            _log.info("attribution tagger loaded")
        return answer


class _StuckBatches:
    """Batches and documents that are waited for longer than they may take: a process is stopped, or a GPU hangs.

    It counts its own looks, not the clock: a machine that was asleep meanwhile has not let anybody compute.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._seen: dict[Line, tuple[int, int]] = {}  # the batch, and at how many looks it was there

    def longest(self) -> float:
        """Look once. Seconds that one has been there too long; 0 when there is none."""
        for line in self._lines:
            batch = line.under_way
            number, looks = self._seen.get(line, (0, 0))
            if batch is None or batch[0] != number:
                self._seen[line] = batch[0] if batch else 0, 0
                continue
            self._seen[line] = number, looks + 1
            if (looks + 1) * _LOOK_SECONDS > batch[1]:
                return (looks + 1) * _LOOK_SECONDS
        return 0.0


class Apart:
    """A ModelHost whose models run in processes of their own. Loading begins at once.

    tagger: have one for the attribution tagger, too. command: what the keeper runs, which is given the numbers of its
    sockets (see child.keep).
    """

    def __init__(
        self, choice: ModelChoice, hands: int, command: Sequence[str] | None = None, *, tagger: bool = False
    ) -> None:
        self._choice = choice
        pairs = [socket.socketpair() for _ in range(1 + tagger + hands)]
        theirs = [there for _, there in pairs]
        numbers = [str(there.fileno()) for there in theirs]
        if not tagger:
            numbers.insert(1, "")
        given = command or [sys.executable, "-P", "-m", "onrecord_server.nli.processes.child"]
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
        try:
            self._keeper = subprocess.Popen(  # noqa: S603 - this program, in this interpreter
                [*given, *numbers],
                pass_fds=[there.fileno() for there in theirs],
                env={**_ENVIRONMENT, **os.environ, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                # the server's own stdout says where it serves, no more; with stderr closed, 2 is something else
                stdout=subprocess.DEVNULL if sys.stderr is None else 2,
                stderr=subprocess.DEVNULL if sys.stderr is None else None,
                process_group=0,  # Ctrl-C is for the server
            )
        finally:
            for there in theirs:
                there.close()
        control, *lines = (Connection(here.detach()) for here, _ in pairs)
        self._control = control
        self._lines = [Line(line, self._why_gone) for line in lines]
        self._documents = self._lines.pop(0) if tagger else None
        self._forked: list[int] = []
        self._end = "is gone"  # how the first process ended that did
        self._ended = threading.Event()
        self._loaded = False
        self._closed = threading.Event()
        self._watcher: threading.Thread | None = None
        control.send_bytes(json.dumps(asdict(choice)).encode("ascii"))

    def load(self) -> Models:
        """See ModelHost."""
        hello = self._hear()
        if hello is None:
            if self._closed.is_set():
                raise ModelUnusable("the server stopped before its models were loaded")
            raise ModelUnusable(f"the process that loads the models {_end(self._keeper.wait())}")
        for name, level, message in hello["log"]:
            logging.getLogger(name).log(level, "%s", message)
        if "error" in hello:
            raise (ConfigError if hello["error"] == "ConfigError" else ModelUnusable)(hello["message"])
        for line in self._lines[hello["hands"] :]:
            line.close()
        self._lines = self._lines[: hello["hands"]]
        if self._documents and not hello["tagger"]:
            self._documents.close()
            self._documents = None
        self._loaded = True
        self._forked = hello["forked"]
        return self._models(hello)

    def _models(self, hello: dict[str, Any]) -> Models:
        model, encoder = (
            ModelInfo(**{**hello[name], "labels": tuple(hello[name]["labels"])}) for name in ("model", "encoder")
        )
        folder = Path(hello["folder"])
        scorer = RemoteScorer(
            model,
            PairTokenizer.from_json(hello["tokenizer"], model.max_tokens),
            choose_calibration(self._choice.calibration, "", folder),  # the other process has compared the revision
            weighing_beside(folder) if self._choice.calibration is None else None,
            self._lines[0],
        )
        both = [(scorer.on(line), RemoteEncoder(encoder, hello["dimension"], line)) for line in self._lines]
        hands = [Hand(*one, one) for one in both]
        tagger = RemoteTagger(self._documents) if self._documents else None
        return Models(scorer, both[0][1], hands, hello["batch_tokens"], [self._keeper.pid, *self._forked], tagger)

    def watch(self, on_death: Callable[[BaseException], None]) -> None:
        """See ModelHost."""
        self._watcher = threading.Thread(target=self._watch, args=(on_death,), name="model-watch", daemon=True)
        self._watcher.start()

    def _watch(self, on_death: Callable[[BaseException], None]) -> None:
        looking, stuck = _StuckBatches(self._all_lines()), 0.0
        while not stuck and not self._control.poll(_LOOK_SECONDS):
            stuck = looking.longest()
        said = None if stuck else self._hear()
        if self._closed.is_set():
            return
        self._kill()  # the others, too: whoever waits for one of them is to hear of it, and not at the end of its work
        if stuck:
            self._end = f"has not answered for {stuck:.0f} s"
        else:
            self._end = _end(said["died"] if said else self._keeper.wait())
        self._ended.set()
        on_death(ModelUnusable(self._why_gone()))

    def _why_gone(self) -> str:
        self._ended.wait(_WORD_SECONDS)
        return f"a process with the models {self._end}"

    def _hear(self) -> dict[str, Any] | None:
        """What the keeper says next; None when it is gone."""
        try:
            said: dict[str, Any] = json.loads(self._control.recv_bytes())
        except (EOFError, OSError):
            return None
        return said

    def close(self) -> None:
        """See ModelHost. Batches that run are let finish."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._ended.set()  # nothing more will be said of it
        if self._documents and self._documents.under_way:  # nobody waits any more, and a document may take minutes
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._forked[-1], signal.SIGKILL)
        for line in self._all_lines():
            line.close()
        if not self._loaded:  # it hears nothing before it has loaded
            self._keeper.kill()
        try:
            self._keeper.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:  # one of them is stopped, say, or the machine has no time for it
            _log.warning("the models' processes do not end; killing them")
            self._kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # a GPU's driver may hold it for ever
                self._keeper.wait(_END_SECONDS)
        if self._watcher:
            self._watcher.join(_END_SECONDS)
        self._control.close()

    def _all_lines(self) -> list[Line]:
        return [*self._lines, *([self._documents] if self._documents else ())]

    def _kill(self) -> None:
        """All of them: they are a group, whose number stays the keeper's until it has been waited for."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._keeper.pid, signal.SIGKILL)


def _end(status: int) -> str:
    """How a process ended, by its exit status; negative for a signal."""
    if status >= 0:
        return f"ended with status {status}"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
    return f"was ended by {name}" + ("; was there memory enough?" if name == "SIGKILL" else "")
