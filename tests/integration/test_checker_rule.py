"""Parts of the rule end to end on the declared fakes: compound claims, times, reporters, joined premises, switches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from onrecord_server.app import Engine
from onrecord_server.checking.checker import Checker
from onrecord_server.checking.worker import ScoredPairs, Seat
from onrecord_server.domain.errors import Overloaded
from onrecord_server.domain.switches import Switches
from onrecord_server.domain.types import (
    CheckOptions,
    CheckResult,
    Claim,
    Reason,
    Relation,
    Source,
    Speaker,
    StatementDraft,
    Verdict,
)

PARENT = "collections/default"


async def put(engine: Engine, *drafts: tuple[str, str] | StatementDraft) -> None:
    made = [d if isinstance(d, StatementDraft) else StatementDraft(text=d[1], speaker=Speaker(d[0])) for d in drafts]
    await engine.record.import_statements(PARENT, made)


async def check(engine: Engine, claim: str | Claim, *without: str, **options: float) -> CheckResult:
    checker = Checker(engine.store, engine.worker, switches=Switches().without(without))
    asked = claim if isinstance(claim, Claim) else Claim(claim)
    return await checker.check(PARENT, asked, CheckOptions(**{"topic_threshold": 0.2, **options}))


def day(number: int) -> datetime:
    return datetime(2021, 8, number, tzinfo=UTC)


class Asked:
    """The engine's worker, keeping the pairs that it is asked for."""

    def __init__(self, engine: Engine) -> None:
        self.pairs: list[tuple[str, str]] = []
        self._score = engine.worker.score
        engine.worker.score = self.score  # type: ignore[method-assign]

    async def score(self, pairs: Sequence[tuple[str, str]], *, seat: Seat) -> ScoredPairs:
        self.pairs += pairs
        return await self._score(pairs, seat=seat)


# compound claims

BRIDGE = ("Ann Lee", "The bridge is safe.")
TUNNEL = ("Bo Roe", "The tunnel is open.")
CLAIM = "The bridge is safe and the tunnel is open."


async def test_parts_that_different_statements_support_support_the_whole(engine: Engine) -> None:
    await put(engine, BRIDGE, TUNNEL)
    result = await check(engine, CLAIM)
    assert result.verdict is Verdict.SUPPORTED
    assert [(p.text, CLAIM[p.span.start : p.span.end], p.verdict) for p in result.parts] == [
        ("The bridge is safe.", "The bridge is safe", Verdict.SUPPORTED),
        ("The tunnel is open.", "the tunnel is open", Verdict.SUPPORTED),
    ]
    assert sorted(result.supporting_speakers) == ["Ann Lee", "Bo Roe"]
    for number, part in enumerate(result.parts, start=1):
        deciding = [result.evidence[place] for place in part.deciding]
        assert [(e.part, e.relation, e.quote) for e in deciding] == [(number, Relation.SUPPORTS, part.text)]
    assert result.explanation == "The record supports all 2 parts of it."


async def test_one_contradicted_part_contradicts_the_whole(engine: Engine) -> None:
    await put(engine, BRIDGE, ("Bo Roe", "The tunnel is not open."))
    result = await check(engine, CLAIM)
    assert result.verdict is Verdict.CONTRADICTED
    assert [p.verdict for p in result.parts] == [Verdict.SUPPORTED, Verdict.CONTRADICTED]
    assert result.explanation == "The record contradicts part 2."
    # no part without evidence, the part that decides first
    assert [e.part for e in result.evidence[:2]] == [2, 1]


async def test_one_undecided_part_leaves_the_whole_undecided(engine: Engine) -> None:
    await put(engine, BRIDGE)
    result = await check(engine, CLAIM)
    assert result.verdict is Verdict.NOT_ENOUGH_EVIDENCE
    assert result.explanation == "The record supports part 1, and does not decide part 2."


async def test_each_part_keeps_its_speaker(engine: Engine) -> None:
    await put(engine, BRIDGE, TUNNEL)
    result = await check(engine, "Ann Lee said that the bridge is safe and Bo Roe said that the tunnel is open.")
    assert result.verdict is Verdict.SUPPORTED
    assert [p.attribution.speaker for p in result.parts] == ["Ann Lee", "Bo Roe"]
    swapped = await check(engine, "Bo Roe said that the bridge is safe and Ann Lee said that the tunnel is open.")
    assert [p.reason for p in swapped.parts] == [Reason.OTHER_SPEAKER, Reason.OTHER_SPEAKER]
    assert swapped.reason is Reason.OTHER_SPEAKER


async def test_a_claim_that_one_statement_supports_whole_is_not_split(engine: Engine) -> None:
    await put(engine, ("Ann Lee", CLAIM))
    asked = Asked(engine)
    result = await check(engine, CLAIM)
    assert (result.verdict, result.parts) == (Verdict.SUPPORTED, ())
    assert len(asked.pairs) == 1


async def test_without_compounds_the_claim_stays_whole(engine: Engine) -> None:
    await put(engine, BRIDGE, TUNNEL)
    result = await check(engine, CLAIM, "compounds", "joined_premises")
    assert (result.verdict, result.parts) == (Verdict.NOT_ENOUGH_EVIDENCE, ())
    assert result.provenance.switched_off == ("compounds", "joined_premises")


async def test_an_error_of_a_part_is_the_claims(engine: Engine) -> None:
    await put(engine, BRIDGE, TUNNEL)
    embed = engine.worker.embed

    async def full(texts: Sequence[str], **kwargs: object) -> object:
        if "tunnel" in texts[0] and "bridge" not in texts[0]:
            raise Overloaded(5.0)
        return await embed(texts)

    engine.worker.embed = full  # type: ignore[method-assign, assignment]
    with pytest.raises(Overloaded):
        await check(engine, CLAIM)


# times


async def test_the_record_as_it_stood_then(engine: Engine) -> None:
    said = StatementDraft(text="The bridge is safe.", speaker=Speaker("Ann Lee"), stated_time=day(20))
    await put(engine, said)
    assert (await check(engine, "The bridge is safe.")).verdict is Verdict.SUPPORTED
    assert (await check(engine, Claim("The bridge is safe.", as_of=day(20)))).verdict is Verdict.SUPPORTED
    before = await check(engine, Claim("The bridge is safe.", as_of=day(19)))
    assert (before.verdict, before.reason) == (Verdict.NOT_ENOUGH_EVIDENCE, Reason.NOT_VALID_THEN)
    assert [(e.relation, e.notes) for e in before.evidence] == [(Relation.NEUTRAL, ("not_yet_stated",))]
    assert before.provenance.as_of == day(19)
    assert (await check(engine, Claim("The bridge is safe.", as_of=day(19)), "validity")).verdict is Verdict.SUPPORTED


async def test_what_has_ended_does_not_speak_now(engine: Engine) -> None:
    await put(
        engine,
        StatementDraft(text="The bridge is safe.", speaker=Speaker("Ann Lee"), valid_until=day(20)),
        StatementDraft(text="The bridge is not safe.", speaker=Speaker("Bo Roe"), valid_from=day(21)),
    )
    now = await check(engine, "The bridge is safe.")
    assert (now.verdict, now.contradicting_speakers, now.supporting_speakers) == (
        Verdict.CONTRADICTED,
        ("Bo Roe",),
        (),
    )
    assert "no_longer_valid" in now.evidence[1].notes
    assert (await check(engine, Claim("The bridge is safe.", as_of=day(20)))).verdict is Verdict.SUPPORTED


async def test_later_statements_take_no_places_from_earlier_ones(engine: Engine) -> None:
    crowd = [
        StatementDraft(text="The bridge is not safe.", speaker=Speaker(f"Person {i}"), stated_time=day(25))
        for i in range(200)
    ]
    early = StatementDraft(text="I find that the bridge is safe.", speaker=Speaker("Ann Lee"), stated_time=day(1))
    await put(engine, *crowd, early)
    result = await check(engine, Claim("The bridge is safe.", as_of=day(2)))
    assert (result.verdict, result.supporting_speakers) == (Verdict.SUPPORTED, ("Ann Lee",))


async def test_what_a_speaker_said_later_takes_no_places_from_what_was_said_before(engine: Engine) -> None:
    later = [
        StatementDraft(text=f"The bridge is safe, says report {i}.", speaker=Speaker("Ann Lee"), stated_time=day(25))
        for i in range(20)
    ]
    others = [
        StatementDraft(text="The bridge is safe.", speaker=Speaker(f"Person {i}"), stated_time=day(1))
        for i in range(80)
    ]
    early = StatementDraft(
        text="I can tell that the old iron bridge is safe for all who walk.",
        speaker=Speaker("Ann Lee"),
        stated_time=day(1),
    )
    await put(engine, *later, *others, early)
    result = await check(engine, Claim("The bridge is safe.", "Ann Lee", day(2)))
    assert early.text in {e.statement.text for e in result.evidence}


# reporters


@pytest.mark.parametrize(
    "draft",
    [
        StatementDraft(text="The bridge is safe.", speaker=Speaker("Ann Lee"), relayed_by="the Daily Bugle"),
        StatementDraft(
            text="The bridge is safe.", speaker=Speaker("Ann Lee"), source=Source(publisher="The Daily Bugle")
        ),
    ],
)
async def test_who_reported_it_is_found_as_its_speaker(engine: Engine, draft: StatementDraft) -> None:
    await put(engine, draft)
    for claim in (
        "The Daily Bugle reported that the bridge is safe.",
        "According to the Daily Bugle, the bridge is safe.",
    ):
        result = await check(engine, claim)
        assert (result.verdict, result.evidence[0].notes) == (Verdict.SUPPORTED, ("relayed",))
        assert result.supporting_speakers == ("Ann Lee",)
        assert result.explanation.endswith("reported that Ann Lee said so.")
    # one may report both sides, so reporting the opposite refutes nothing
    against = await check(engine, "The Daily Bugle reported that the bridge is not safe.")
    assert against.verdict is Verdict.NOT_ENOUGH_EVIDENCE
    said_by = await check(engine, "The Daily Bugle reported that Ann Lee said that the bridge is safe.")
    assert (said_by.verdict, said_by.attribution.speaker) == (Verdict.SUPPORTED, "Ann Lee")
    other = await check(engine, "The Daily Bugle reported that the bridge is safe.", "relays")
    assert other.reason is Reason.OTHER_SPEAKER


# several statements


async def test_statements_that_decide_only_together_are_cited_together(engine: Engine) -> None:
    await put(engine, ("Ann Lee", "The bridge is safe and dry."), ("Ann Lee", "The bridge has lamps that burn."))
    claim = "The bridge is safe with lamps."
    result = await check(engine, claim)
    assert result.verdict is Verdict.SUPPORTED
    assert [(e.relation, e.notes) for e in result.evidence] == [(Relation.SUPPORTS, ("joined",))] * 2
    assert (await check(engine, claim, "joined_premises")).verdict is Verdict.NOT_ENOUGH_EVIDENCE


async def test_words_of_two_speakers_are_not_put_together(engine: Engine) -> None:
    await put(engine, ("Ann Lee", "The bridge is safe and dry."), ("Bo Roe", "The bridge has lamps that burn."))
    assert (await check(engine, "The bridge is safe with lamps.")).verdict is Verdict.NOT_ENOUGH_EVIDENCE


async def test_a_claim_that_is_plainly_decided_asks_the_model_once(engine: Engine) -> None:
    await put(engine, BRIDGE, ("Bo Roe", "The bridge is old."))
    asked = Asked(engine)
    assert (await check(engine, "The bridge is safe.")).verdict is Verdict.SUPPORTED
    assert {hypothesis for _, hypothesis in asked.pairs} == {"The bridge is safe."}
    assert len(asked.pairs) == 2
