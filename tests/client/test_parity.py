"""Client and AsyncClient: the same names, signatures and docstrings, and the same behaviour."""

from __future__ import annotations

import dataclasses
import inspect
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

import onrecord
from onrecord import AsyncClient, Client, Statement, errors
from onrecord.testing import FakeServer

pytestmark = pytest.mark.usefixtures("short_pauses")

ROOT = Path(__file__).parents[2]
ONLY = {"__aenter__": "__enter__", "__aexit__": "__exit__"}
SHARED = [name for name in dir(AsyncClient) if not name.startswith("_")]


def plain(text: str) -> str:
    """A signature or docstring as the waiting client has it."""
    for pattern, other in (
        (r"AsyncIterator", "Iterator"),
        (r"AnyIterable", "Iterable"),
        (r"Async(?=Client|Transport)", ""),
        (r"in another thread or task", "in another thread"),
    ):
        text = re.sub(pattern, other, text)
    return text


def test_both_have_the_same_names() -> None:
    assert [name for name in dir(Client) if not name.startswith("_")] == SHARED
    for awaiting, waiting in ONLY.items():
        assert hasattr(AsyncClient, awaiting)
        assert hasattr(Client, waiting)


@pytest.mark.parametrize("name", [*SHARED, "__init__"])
def test_signatures_and_docstrings_are_the_same(name: str) -> None:
    awaiting, waiting = getattr(AsyncClient, name), getattr(Client, name)
    assert plain(inspect.getdoc(awaiting) or "") == inspect.getdoc(waiting)
    if callable(awaiting):
        assert plain(str(inspect.signature(awaiting))) == str(inspect.signature(waiting))


@pytest.mark.parametrize("name", SHARED)
def test_a_method_is_awaited_or_iterated_exactly_where_the_other_waits(name: str) -> None:
    awaiting = getattr(AsyncClient, name)
    if isinstance(awaiting, property) or name == "over":
        return
    iterates = "AsyncIterator" in str(inspect.signature(awaiting).return_annotation)
    assert inspect.iscoroutinefunction(awaiting) is not iterates
    assert not inspect.iscoroutinefunction(getattr(Client, name))


def test_the_waiting_client_is_generated_and_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "generate_client.py"), "--check"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


class TestBehaviour:
    """Each runs on both clients."""

    async def test_a_check(self, either: Any, fake: FakeServer) -> None:
        said = Statement("Rain falls.", speaker=onrecord.Speaker("Ada"))
        fake.says("It rains.", "SUPPORTED", confidence=0.75, evidence=[said], explanation="As Ada said.")
        result = await either.check("It rains.", as_of=date(2021, 8, 29), collection="weather")
        assert (result.verdict, result.confidence, result.explanation) == ("SUPPORTED", 0.75, "As Ada said.")
        assert result.supporting_speakers == ("Ada",)
        assert result.evidence[0].statement.text == "Rain falls."
        assert fake.checks[0].claim.as_of == datetime(2021, 8, 29, 23, 59, 59, 999_999, tzinfo=UTC)
        assert fake.checks[0].collection == "weather"

    async def test_a_filter_and_a_replay(self, either: Any, fake: FakeServer) -> None:
        narrowed = onrecord.StatementFilter(speakers=("Ada",), stated_from=datetime(2021, 8, 29, tzinfo=UTC))
        fake.says("It rains.", "SUPPORTED", evidence=["Rain falls."])
        then = await either.check("It rains.", filter=narrowed, options=onrecord.CheckOptions(explain=False))
        assert fake.checks[0].claim.filter == narrowed
        assert fake.checks[0].options.explain is False
        again = await either.replay("It rains.", then)
        assert (again.same, again.result.verdict, again.changes) == (True, "SUPPORTED", ())
        fake.says("It rains.", "CONTRADICTED")
        assert not (await either.replay("It rains.", then.to_dict())).same
        with pytest.raises(errors.InvalidArgument) as caught:
            await either.replay("It rains.", {"verdict": "MAYBE", "provenance": {"as_of": "once"}, "evidence": 5})
        fields = [violation.field for violation in caught.value.violations]
        assert fields == ["result.verdict", "result.provenance.as_of", "result.evidence"]

    async def test_searching_and_listing_what_passes(self, either: Any) -> None:
        await either.add_statement("Rain falls in May.", speaker="Ada")
        await either.add_statement("Rain falls in June.", speaker="Bob")
        await either.add_statement("Snow.", speaker="Bob")
        by_bob = onrecord.StatementFilter(speakers=("bob",))
        found = [result.statement.text async for result in either.search("rain in may", page_size=1)]
        assert found == ["Rain falls in May.", "Rain falls in June."]
        assert [r.statement.text async for r in either.search("rain", filter=by_bob)] == ["Rain falls in June."]
        assert [s.text async for s in either.list_statements(filter=by_bob)] == ["Rain falls in June.", "Snow."]

    async def test_a_batch_with_a_bad_claim(self, either: Any, fake: FakeServer) -> None:
        fake.says("b", "CONTRADICTED")
        first, bad, last = await either.check_batch(["a", "\ud800", "b"])
        assert first.verdict == "NOT_ENOUGH_EVIDENCE"
        assert isinstance(bad, errors.InvalidArgument)
        assert last.verdict == "CONTRADICTED"

    async def test_streams_keep_order_and_errors_in_their_places(self, either: Any, fake: FakeServer) -> None:
        fake.says(re.compile("^claim"), "SUPPORTED")
        fake.fails("claim 3", errors.ServerError("broken", code="INTERNAL", reason="MODEL_FAILED"))
        claims = [f"claim {i}" if i % 5 else "bad \ud800" for i in range(40)]
        for method in (either.check_stream, either.check_many):
            outcomes = [outcome async for outcome in method(iter(claims))]
            kinds = [type(outcome).__name__ for outcome in outcomes]
            wanted = ["InvalidArgument" if i % 5 == 0 else "CheckResult" for i in range(40)]
            wanted[3] = "ServerError"
            assert kinds == wanted
            assert outcomes[35].violations[0].field == "claims[35].text"

    async def test_pairs(self, either: Any) -> None:
        scores = await either.score_pairs([("a", "b")] * 300)
        assert len(scores) == 300
        with pytest.raises(errors.InvalidArgument, match=r"pairs\[1\]: needs \(premise, hypothesis\)"):
            await either.score_pairs([("a", "b"), "ab"])

    async def test_a_statement_from_its_birth_to_its_end(self, either: Any, fake: FakeServer) -> None:
        added = await either.add_statement("It rains.", speaker="Ada", collection="weather")
        assert await either.get_statement(added.name) == added
        changed = await either.update_statement(dataclasses.replace(added, text="It pours."), "text")
        assert (changed.text, changed.speaker.name, changed.etag != added.etag) == ("It pours.", "Ada", True)
        with pytest.raises(errors.Aborted) as caught:
            await either.update_statement(added, ["text"])
        assert caught.value.reason == "ETAG_MISMATCH"
        both = await either.supersede_statement(added.name, Statement("It snows."), state_time=date(2021, 8, 29))
        assert both.statement.state is onrecord.State.SUPERSEDED
        assert both.statement.superseded_by == both.successor.name
        assert both.statement.state_time == datetime(2021, 8, 29, tzinfo=UTC)
        assert (await either.reinstate_statement(added.name)).state is onrecord.State.ACTIVE
        assert (await either.retract_statement(added.name)).state is onrecord.State.RETRACTED
        await either.delete_statement(added.name)
        with pytest.raises(errors.NotFound) as missing:
            await either.get_statement(added.name)
        assert missing.value.resource_name == added.name

    async def test_many_statements_in_and_out(self, either: Any) -> None:
        report = await either.import_statements([f"s{i}" for i in range(600)] + [""], collection="c")
        assert (report.created_count, report.failed_count, report.failures[0].index) == (600, 1, 600)
        stored, bad = await either.add_statements(["one more", ""], collection="c")
        assert stored.text == "one more"
        assert isinstance(bad, errors.InvalidArgument)
        listed = [statement.text async for statement in either.list_statements("c", page_size=250)]
        assert listed == [f"s{i}" for i in range(600)] + ["one more"]
        assert [statement.text async for statement in either.export_statements("c")] == listed
        assert [len(page.statements) async for page in either.statement_pages("c", page_size=400)] == [400, 201]

    async def test_many_messages_keep_their_order(self, either: Any) -> None:
        given = [f"s{i}" for i in range(9_000)]
        given[7_500] = ""
        report = await either.import_statements(given, collection="c")
        assert (report.created_count, [failure.index for failure in report.failures]) == (8_999, [7_500])
        listed = [statement.text async for statement in either.list_statements("c", page_size=1_000)]
        assert listed == given[:7_500] + given[7_501:]

    async def test_an_import_without_a_token_or_with_a_wrong_collection(self, either: Any, fake: FakeServer) -> None:
        fake.fails_next(errors.Unauthenticated("no token", reason="UNAUTHENTICATED"))
        with pytest.raises(errors.Unauthenticated) as caught:
            await either.import_statements(["text"] * 5_000)
        assert caught.value.report == onrecord.ImportReport(0, 0, ())
        with pytest.raises(errors.InvalidArgument, match="collection"):
            await either.import_statements(["text"], collection=5)
        assert (await either.import_statements([])).created_count == 0

    async def test_collections(self, either: Any) -> None:
        made = await either.create_collection("weather", display_name="Weather")
        assert (made.name, made.display_name, made.statement_count) == ("collections/weather", "Weather", 0)
        with pytest.raises(errors.AlreadyExists):
            await either.create_collection("weather")
        await either.add_statement("It rains.", collection="weather")
        changed = await either.update_collection(dataclasses.replace(made, description="Rain."), "description")
        assert (changed.display_name, changed.description) == ("Weather", "Rain.")
        assert [c.statement_count async for c in either.list_collections()] == [1]
        with pytest.raises(errors.FailedPrecondition) as caught:
            await either.delete_collection("weather")
        assert caught.value.reason == "COLLECTION_NOT_EMPTY"
        assert await either.delete_collection("weather", force=True) == 1
        with pytest.raises(errors.NotFound):
            await either.get_collection("weather")

    async def test_a_request_id_is_good_for_one_request(self, either: Any) -> None:
        first = await either.add_statement("a", request_id="r1")
        assert await either.add_statement("a", request_id="r1") == first
        with pytest.raises(errors.AlreadyExists) as caught:
            await either.add_statement("b", request_id="r1")
        assert caught.value.reason == "REQUEST_ID_REUSED"

    async def test_errors_of_the_whole_call(self, either: Any, fake: FakeServer) -> None:
        busy = errors.Overloaded("busy", reason="OVERLOADED", retry_after=0.01)
        fake.fails_next(busy, busy)
        assert (await either.check("x")).verdict == "NOT_ENOUGH_EVIDENCE"  # asked again
        fake.fails_next(*[errors.Unavailable("drained", reason="SHUTTING_DOWN", retry_after=1.0)] * 4)
        with pytest.raises(errors.Unavailable) as caught:
            await either.check("x")
        assert (caught.value.reason, caught.value.retry_after) == ("SHUTTING_DOWN", 1.0)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None

    async def test_a_server_that_went_away_is_not_one_that_never_was(self, make: Any, fake: FakeServer) -> None:
        client = make(fake.target)
        await client.check("x")
        fake.stop()
        with pytest.raises(errors.Unavailable, match="is gone: it answered before"):
            await client.check("x")
        other = make(fake.target)
        with pytest.raises(errors.Unavailable, match=r"no server at .*, or it just stopped; start one"):
            await other.check("x")

    async def test_readiness(self, make: Any, either: Any, fake: FakeServer) -> None:
        await either.wait_ready(10)
        fake.serving(False)
        with pytest.raises(errors.Unavailable, match=r"says NOT_SERVING after 0\.3 s"):
            await either.wait_ready(0.3)
        with pytest.raises(errors.Unavailable, match=r"no server at 127\.0\.0\.1:1 after 0\.3 s"):
            await make("127.0.0.1:1").wait_ready(0.3)
        assert (await either.info()).model.fake

    async def test_a_deadline(self, either: Any, fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
        given_up, real = threading.Event(), fake.outcome
        monkeypatch.setattr(fake, "outcome", lambda *asked: given_up.wait(10) and real(*asked))
        try:
            with pytest.raises(errors.DeadlineExceeded, match=r"within 0\.01 s"):
                await either.check("x", timeout=0.01)
        finally:
            given_up.set()

    async def test_closing(self, make: Any, fake: FakeServer) -> None:
        client = make(fake.target)
        assert client.target == fake.target
        await client.close()
        await client.close()
        for use in (lambda: client.check("x"), lambda: client.wait_ready(1), lambda: client.info()):
            with pytest.raises(errors.ClientClosed):
                await use()
        with pytest.raises(errors.ClientClosed):
            [o async for o in client.check_many(["x"])]

    @pytest.mark.parametrize("items", ["abc", b"abc", {"text": "abc"}, None, 5])
    async def test_one_item_in_the_place_of_many(self, either: Any, items: Any) -> None:
        with pytest.raises(errors.InvalidArgument, match="claims: needs a list or another iterable"):
            either.check_many(items)
        with pytest.raises(errors.InvalidArgument, match="statements: needs a list or another iterable"):
            await either.import_statements(items)

    @pytest.mark.parametrize(
        ("option", "message"),
        [
            ({"in_flight": 0}, "in_flight: needs a number from 1 to 65,536"),
            ({"in_flight": 65_537}, "in_flight: needs a number from 1 to 65,536"),
            ({"in_flight": "9"}, "in_flight: needs an int"),
            ({"patience": 0}, "patience: needs a number of seconds above 0"),
            ({"timeout": -1}, "timeout: needs a number of seconds above 0"),
            ({"collection": 5}, "collection: needs a str"),
        ],
    )
    async def test_options_are_refused_before_anything_is_read(
        self, either: Any, option: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(errors.InvalidArgument, match=message):
            either.check_many(iter("x"), **option)
        assert [o async for o in either.check_many(iter("x"), in_flight=65_536)]


async def test_async_iterables_are_for_the_async_client_alone(fake: FakeServer) -> None:
    async def claims() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    async with fake.async_client() as client:
        assert len([o async for o in client.check_many(claims())]) == 2
        assert len(await client.check_batch(claims())) == 2
        assert (await client.import_statements(claims())).created_count == 2
    given = claims()
    with fake.client() as waiting, pytest.raises(errors.InvalidArgument, match="not async_generator"):
        waiting.check_batch(given)  # type: ignore[arg-type]
    await given.aclose()
