"""Models in processes of their own: what they answer, how one of them fails, and that none outlives its server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.helpers import brittle_models

from onrecord_server.checking.worker import InferenceWorker
from onrecord_server.domain.errors import ConfigError, ModelError, ModelUnusable
from onrecord_server.domain.types import Span, TaggedAttribution
from onrecord_server.nli import ModelChoice, Models, start_models
from onrecord_server.nli.models import Here
from onrecord_server.nli.processes.host import Apart, RemoteFailure

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere models run in threads")

COMMAND = [sys.executable, "-P", brittle_models.__file__]
PATIENCE = 20.0
PLAIN = ("plain", "plain")


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Callable[..., Apart]]:
    """Starts a host of brittle models; ends those that are left."""
    hosts: list[Apart] = []

    def start(model: str = "good", hands: int = 2, *, tagger: bool = False) -> Apart:
        hosts.append(Apart(ModelChoice(model, str(tmp_path)), hands, COMMAND, tagger=tagger))
        return hosts[-1]

    yield start
    for host in hosts:
        host.close()


def score(models: Models, hand: int, *words: str) -> tuple[int, bool]:
    """Tokens and unread, of a pair with these words for a hypothesis."""
    scorer = models.hands[hand].scorer
    tokens, unread, _ = scorer.score(scorer.encode([("plain", " ".join(words))]))[0]
    return round(100 * tokens), bool(unread)


def processes_of(models: Models) -> list[int]:
    """Of the hands."""
    return [int(hand.encoder.encode([""])[0, 0]) for hand in models.hands]


def is_running(process: int) -> bool:
    """Whether there is such a process, and not just its status for a parent that has not asked."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ended(*processes: int) -> bool:
    """Whether all of them end within PATIENCE."""
    until = time.monotonic() + PATIENCE
    while any(map(is_running, processes)):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def test_each_hand_is_a_process_and_answers(apart: Callable[..., Apart]) -> None:
    models = apart().load()
    assert [score(models, hand, "plain", "plain") for hand in (0, 1, 0)] == [(3, False)] * 3
    processes = processes_of(models)
    assert processes == processes_of(models)
    assert len({os.getpid(), *processes}) == 3
    assert list(models.processes[1:]) == processes
    assert score(models, 0, "unheard")[1]
    vectors = models.hands[1].encoder.encode(["ab", "", "\ud800"])
    assert vectors.tolist() == [[processes[1], n] for n in (2, 0, 1)]
    assert models.scorer.info == models.encoder.info == brittle_models.INFO
    assert models.batch_tokens == 32


def test_models_that_cannot_be_shared_have_one_process(apart: Callable[..., Apart]) -> None:
    models = apart("single", hands=3).load()
    assert len(models.hands) == 1
    assert list(models.processes) == processes_of(models)
    assert score(models, 0, "plain")[0] == 2


@pytest.mark.parametrize("hands", [1, 2])
def test_the_tagger_has_a_process_of_its_own(apart: Callable[..., Apart], hands: int) -> None:
    models = apart(hands=hands, tagger=True).load()
    assert models.tagger is not None
    hint = TaggedAttribution(Span(3, 4), Span(5, 7), (Span(8, 9), Span(10, 12)), 0.1)
    text = "plain \ud800 text"
    first, *others = models.tagger.tag(text, [Span(0, 5), Span(6, 12)], [hint])
    assert first.cue == Span(0, 5)
    assert others == [hint]
    processes = {*processes_of(models), int(first.confidence)}
    assert len(processes) == hands + 1
    assert processes == {*models.processes[1:]}


def test_a_document_that_the_tagger_fails_on_says_why_and_the_next_is_read(apart: Callable[..., Apart]) -> None:
    models = apart(tagger=True).load()
    assert models.tagger is not None
    for text, kind in (("sick", ModelError), ("unusable", ModelUnusable), ("wrong", RemoteFailure)):
        with pytest.raises(kind):
            models.tagger.tag(text, [Span(0, 4)], [])
    assert len(models.tagger.tag("plain", [Span(0, 5)], [])) == 1


def test_a_tagger_that_dies_is_told_of(apart: Callable[..., Apart]) -> None:
    host = apart(tagger=True)
    models = host.load()
    assert models.tagger is not None
    told: list[BaseException] = []
    heard = threading.Event()
    host.watch(lambda error: (told.append(error), heard.set()))
    with pytest.raises(ModelUnusable, match="was ended by SIGKILL"):
        models.tagger.tag("killed", [Span(0, 6)], [])
    assert heard.wait(PATIENCE)
    assert "was ended by SIGKILL" in str(told[0])


def test_where_nothing_can_be_forked_the_tagger_has_no_process(apart: Callable[..., Apart]) -> None:
    models = apart("single", tagger=True).load()
    assert models.tagger is None
    assert score(models, 0, "plain")[0] == 2


def test_a_failure_says_what_it_was_and_the_next_batch_is_answered(apart: Callable[..., Apart]) -> None:
    models = apart(hands=1).load()
    with pytest.raises(ModelError, match="the model does not like this"):
        score(models, 0, "sick")
    with pytest.raises(RemoteFailure, match=r"(?s)Traceback.*ValueError: of no use to a caller"):
        score(models, 0, "wrong")
    with pytest.raises(RemoteFailure, match="PanicException"):
        score(models, 0, "panic")
    assert score(models, 0, "plain")[0] == 2


async def test_a_poisoned_pair_fails_alone(apart: Callable[..., Apart], caplog: pytest.LogCaptureFixture) -> None:
    models = await asyncio.to_thread(apart().load)
    worker = InferenceWorker(models.scorer, models.encoder, hands=models.hands, max_batch_tokens=100)
    await worker.start()
    try:
        outcomes = (await worker.score_each([PLAIN, ("plain", "wrong"), ("plain", "sick"), ("plain", "slow")])).outcomes
    finally:
        await worker.stop(PATIENCE)
    assert [isinstance(one, ModelError) for one in outcomes] == [False, True, True, False]
    assert [str(one) for one in outcomes[1:3]] == [
        "the model failed on this input; it is logged",
        "the model does not like this",
    ]
    assert "of no use to a caller" in caplog.text


@pytest.mark.parametrize(("word", "said"), [("killed", "was ended by SIGKILL"), ("fatal", "ended with status 1")])
async def test_a_process_that_dies_ends_the_worker(apart: Callable[..., Apart], word: str, said: str) -> None:
    host = apart()
    models = await asyncio.to_thread(host.load)
    processes = processes_of(models)
    deaths: asyncio.Queue[BaseException] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    host.watch(lambda error: loop.call_soon_threadsafe(deaths.put_nowait, error))
    worker = InferenceWorker(models.scorer, models.encoder, hands=models.hands, on_death=deaths.put_nowait)
    await worker.start()
    try:
        with pytest.raises(ModelUnusable, match="the model has stopped working"):
            await asyncio.wait_for(worker.score([("plain", word)]), PATIENCE)
        told = [str(await asyncio.wait_for(deaths.get(), PATIENCE)) for _ in range(2)]
    finally:
        await worker.stop(PATIENCE)
    assert all(said in one for one in told), told  # also what the thread says that was waiting for it
    host.close()
    assert ended(*processes)


@pytest.mark.parametrize("hands", [1, 2])
def test_a_process_that_dies_while_nothing_is_asked_of_it_is_told_of(apart: Callable[..., Apart], hands: int) -> None:
    host = apart(hands=hands)
    models = host.load()
    told: list[BaseException] = []
    heard = threading.Event()

    def hear(error: BaseException) -> None:
        told.append(error)
        heard.set()

    host.watch(hear)
    os.kill(processes_of(models)[0], signal.SIGKILL)
    assert heard.wait(PATIENCE)
    assert "was ended by SIGKILL; was there memory enough?" in str(told[0])


async def test_a_process_that_does_not_answer_any_more_ends_the_worker(
    apart: Callable[..., Apart], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onrecord_server.nli.processes.host._STUCK_SECONDS", 3 * brittle_models.SLOW_SECONDS)
    monkeypatch.setattr("onrecord_server.nli.processes.host._LOOK_SECONDS", 0.1)
    host = apart(hands=1)
    models = await asyncio.to_thread(host.load)
    deaths: asyncio.Queue[BaseException] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    host.watch(lambda error: loop.call_soon_threadsafe(deaths.put_nowait, error))
    for _ in range(4):  # one after the other they take longer than one may
        await asyncio.to_thread(score, models, 0, "slow")
    assert deaths.empty()
    os.kill(models.processes[-1], signal.SIGSTOP)
    asking = asyncio.create_task(asyncio.to_thread(score, models, 0, "plain"))
    assert "a process with the models has not answered for 2 s" in str(await asyncio.wait_for(deaths.get(), PATIENCE))
    await asyncio.to_thread(host.close)
    assert ended(*models.processes)
    with pytest.raises(BaseException, match="has not answered"):
        await asyncio.wait_for(asking, PATIENCE)


def test_a_tagger_that_does_not_answer_any_more_is_told_of_and_nobody_waits_for_it(
    apart: Callable[..., Apart], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onrecord_server.nli.processes.host._STUCK_SECONDS", 0.5)
    monkeypatch.setattr("onrecord_server.nli.processes.host._LOOK_SECONDS", 0.1)
    host = apart(tagger=True)
    models = host.load()
    assert models.tagger is not None
    heard = threading.Event()
    host.watch(lambda error: heard.set())
    os.kill(models.processes[-1], signal.SIGSTOP)
    with pytest.raises(ModelUnusable, match="has not answered for 1 s"):
        models.tagger.tag("plain", [Span(0, 5)], [])
    assert heard.wait(PATIENCE)
    assert ended(*models.processes[1:])


@pytest.mark.parametrize("victim", [0, 1], ids=["keeper", "hand"])
def test_when_another_process_dies_nobody_waits_for_the_rest_of_a_document(
    apart: Callable[..., Apart], monkeypatch: pytest.MonkeyPatch, victim: int
) -> None:
    monkeypatch.setenv("BRITTLE_SLOW_SECONDS", "60")
    host = apart(tagger=True)
    models = host.load()
    assert models.tagger is not None
    host.watch(lambda error: None)
    threading.Timer(0.2, os.kill, (models.processes[victim], signal.SIGKILL)).start()
    with pytest.raises(ModelUnusable, match="was ended by SIGKILL"):
        models.tagger.tag("slow", [Span(0, 4)], [])
    host.close()
    assert ended(*models.processes)


def test_who_waits_for_a_document_is_told_at_once_when_the_server_stops(apart: Callable[..., Apart]) -> None:
    host = apart(tagger=True)
    tagger = host.load().tagger
    assert tagger is not None
    told: list[str] = []

    def ask() -> None:
        with contextlib.suppress(ModelUnusable):
            tagger.tag("slow", [Span(0, 4)], [])
            return
        told.append("gone")

    asking = [threading.Thread(target=ask) for _ in range(6)]
    for thread in asking:
        thread.start()
    time.sleep(brittle_models.SLOW_SECONDS / 2)
    began = time.monotonic()
    host.close()
    for thread in asking:
        thread.join(PATIENCE)
    assert time.monotonic() - began < 4  # not a second for each
    assert len(told) >= 5


def test_the_keeper_s_death_is_told_and_ends_the_hands(apart: Callable[..., Apart]) -> None:
    host = apart()
    models = host.load()
    processes = processes_of(models)
    heard = threading.Event()
    host.watch(lambda _: heard.set())
    keeper = models.processes[0]
    os.kill(keeper, signal.SIGKILL)
    assert heard.wait(PATIENCE)
    host.close()
    assert ended(keeper, *processes)


def test_an_orderly_end_is_no_death(apart: Callable[..., Apart]) -> None:
    host = apart()
    models = host.load()
    processes = processes_of(models)
    told: list[BaseException] = []
    host.watch(told.append)
    host.close()
    host.close()
    assert ended(*processes)
    assert told == []


def test_signals_for_the_server_do_not_stop_a_batch(apart: Callable[..., Apart]) -> None:
    models = apart(hands=1).load()
    process = processes_of(models)[0]
    for number in (signal.SIGTERM, signal.SIGINT):
        sending = threading.Timer(brittle_models.SLOW_SECONDS / 2, os.kill, (process, number))
        sending.start()
        assert score(models, 0, "slow")[0] == 2
        sending.join()


@pytest.mark.parametrize(
    ("model", "kind", "said"),
    [
        ("unusable", ModelUnusable, "nothing there"),
        ("config", ConfigError, "no such device"),
        ("killed", ModelUnusable, "the process that loads the models was ended by SIGKILL"),
    ],
)
def test_a_load_that_fails_says_why(apart: Callable[..., Apart], model: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        apart(model).load()


def test_a_load_can_be_given_up(apart: Callable[..., Apart]) -> None:
    host = apart("slow")
    threading.Timer(0.2, host.close).start()
    with pytest.raises(ModelUnusable, match="stopped before its models were loaded"):
        host.load()


def test_a_server_that_is_killed_takes_its_processes_along(tmp_path: Path) -> None:
    code = """
import sys, time
from onrecord_server.nli import ModelChoice
from onrecord_server.nli.processes.host import Apart
models = Apart(ModelChoice("good", sys.argv[1]), 2, sys.argv[2:]).load()
print(*(int(hand.encoder.encode([""])[0, 0]) for hand in models.hands), flush=True)
time.sleep(60)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    server = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), *COMMAND], stdout=subprocess.PIPE, text=True, env=environment
    )
    with server:
        assert server.stdout is not None
        processes = [int(word) for word in server.stdout.readline().split()]
        server.kill()
    assert len(processes) == 2
    assert ended(*processes)


def test_fakes_and_whoever_asks_for_it_stay_in_the_server() -> None:
    assert isinstance(start_models(ModelChoice("fake", "fake"), "processes"), Here)
    assert isinstance(start_models(ModelChoice("builtin", "builtin"), "threads"), Here)


def test_elsewhere_than_on_linux_models_run_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert isinstance(start_models(ModelChoice("builtin", "builtin")), Here)
    with pytest.raises(ConfigError, match="--inference processes: is for Linux; choose threads"):
        start_models(ModelChoice("builtin", "builtin"), "processes")


def test_what_was_logged_while_loading_is_logged_here(
    apart: Callable[..., Apart], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    apart("talks").load()
    assert ("onrecord_server.brittle", logging.INFO, "loaded as asked") in caplog.record_tuples


def test_a_process_that_is_stopped_is_killed_at_the_end(apart: Callable[..., Apart]) -> None:
    host = apart()
    processes = processes_of(host.load())
    os.kill(processes[0], signal.SIGSTOP)
    host.close()
    assert ended(*processes)
