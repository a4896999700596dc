"""Checks end to end inside one process, on the declared fakes: who said it, what was denied, what is too long."""

from __future__ import annotations

import asyncio

import pytest

from onrecord_server.app import Engine, open_engine
from onrecord_server.config import ServerConfig
from onrecord_server.domain.errors import InvalidInput, Overloaded
from onrecord_server.domain.types import (
    CheckOptions,
    CheckResult,
    Claim,
    Reason,
    Relation,
    Speaker,
    Stance,
    Statement,
    StatementDraft,
    Verdict,
)

PARENT = "collections/default"


async def put(engine: Engine, *drafts: tuple[str, str] | StatementDraft) -> None:
    statements = [
        d if isinstance(d, StatementDraft) else StatementDraft(text=d[1], speaker=Speaker(d[0])) for d in drafts
    ]
    stored = await engine.record.import_statements(PARENT, statements)
    assert all(isinstance(s, Statement) for s in stored)


async def check(engine: Engine, claim: str, speaker: str = "", **options: float) -> CheckResult:
    # the fake encoder's similarities are word overlap; the default topic threshold is the built-in encoder's
    options.setdefault("topic_threshold", 0.3)
    return await engine.checker.check(PARENT, Claim(claim, speaker), CheckOptions(**options))


async def test_the_result_names_who_supports_and_who_contradicts(engine: Engine) -> None:
    await put(engine, ("Ann Lee", "The bridge is safe."), ("Bo Roe", "The bridge is not safe."))
    result = await check(engine, "The bridge is safe.")
    assert result.verdict is Verdict.CONFLICTING
    assert result.supporting_speakers == ("Ann Lee",)
    assert result.contradicting_speakers == ("Bo Roe",)
    assert {e.statement.speaker.name: e.relation for e in result.evidence} == {
        "Ann Lee": Relation.SUPPORTS,
        "Bo Roe": Relation.CONTRADICTS,
    }


@pytest.mark.parametrize(
    ("claim", "verdict", "reason"),
    [
        ("Ann Lee said that the bridge is safe.", Verdict.SUPPORTED, Reason.NONE),
        ("According to Lee, the bridge is safe.", Verdict.SUPPORTED, Reason.NONE),
        ("Ann Lee said that the bridge is not safe.", Verdict.CONTRADICTED, Reason.NONE),
        ("Bo Roe said that the bridge is safe.", Verdict.NOT_ENOUGH_EVIDENCE, Reason.OTHER_SPEAKER),
        ("It was Bo Roe who said that the bridge is safe.", Verdict.CONTRADICTED, Reason.EXCLUSIVE_ATTRIBUTION),
        ("Ann Lee denied that the bridge is safe.", Verdict.CONTRADICTED, Reason.NONE),
        ("Ann Lee asked whether the bridge is safe.", Verdict.NOT_ENOUGH_EVIDENCE, Reason.NOT_ASSERTED),
    ],
)
async def test_who_said_it_is_part_of_the_verdict(engine: Engine, claim: str, verdict: Verdict, reason: Reason) -> None:
    await put(engine, ("Ann Lee", "The bridge is safe."))
    result = await check(engine, claim)
    assert (result.verdict, result.reason) == (verdict, reason)
    assert result.explanation


async def test_a_speaker_given_by_the_caller_is_not_read_from_the_text(engine: Engine) -> None:
    await put(engine, ("Ann Lee", "The bridge is safe."))
    assert (await check(engine, "The bridge is safe.", speaker="Lee")).verdict is Verdict.SUPPORTED
    assert (await check(engine, "The bridge is safe.", speaker="Roe")).reason is Reason.OTHER_SPEAKER


async def test_a_denied_statement_speaks_against_its_text(engine: Engine) -> None:
    await put(engine, StatementDraft(text="The bridge is safe.", speaker=Speaker("Ann Lee"), stance=Stance.DENIED))
    result = await check(engine, "The bridge is safe.")
    assert result.verdict is Verdict.CONTRADICTED
    assert result.evidence[0].notes == ("statement_denied",)


async def test_his_country_is_named_when_the_record_tells_which_it_is(engine: Engine) -> None:
    speaker = Speaker("Ann Lee", ("the Norwegian president",))
    await put(engine, StatementDraft(text="Norway will build the bridge.", speaker=speaker))
    result = await check(engine, "Ann Lee said that her country will build the bridge.")
    assert result.attribution.content == "Norway will build the bridge."
    assert result.verdict is Verdict.SUPPORTED


async def test_one_speaker_is_found_among_hundreds_who_said_the_same(engine: Engine) -> None:
    crowd = [(f"Person Number{i}", f"The bridge is safe, says report {i}.") for i in range(300)]
    await put(engine, *crowd, ("Zoe Quill", "I can tell that the old iron bridge is safe for all who walk on it."))
    result = await check(engine, "Zoe Quill said that the bridge is safe.")
    assert result.evidence[0].statement.speaker.name == "Zoe Quill"
    assert any(e.statement.speaker.name != "Zoe Quill" for e in result.evidence)


async def test_a_long_statement_is_read_whole_in_windows(engine: Engine) -> None:
    filler = " ".join(f"The committee met in room {i} to hear the minutes of the meeting before." for i in range(90))
    text = f"{filler} The bridge is safe."
    await put(engine, ("Ann Lee", text))
    result = await check(engine, "The bridge is safe.", topic_threshold=-1.0)
    (evidence,) = result.evidence
    assert not evidence.truncated
    assert evidence.quote.endswith("The bridge is safe.")
    assert len(evidence.quote) < len(text)
    assert text[evidence.quote_span.start : evidence.quote_span.end] == evidence.quote


async def test_an_empty_record_and_an_unrelated_one_say_so(engine: Engine) -> None:
    assert (await check(engine, "The bridge is safe.")).reason is Reason.NO_STATEMENTS_IN_SCOPE
    await put(engine, ("Ann Lee", "Wheat prices fell on Monday."))
    result = await check(engine, "Bo painted his boat yellow.")
    assert result.reason is Reason.NO_RELEVANT_STATEMENT
    assert result.timings.inference_ms == 0.0  # what is off the topic never reaches the model


async def test_collections_do_not_see_each_other(engine: Engine) -> None:
    await put(engine, ("Ann Lee", "The bridge is safe."))
    result = await engine.checker.check("collections/other", Claim("The bridge is safe."), CheckOptions())
    assert result.reason is Reason.NO_STATEMENTS_IN_SCOPE


async def test_thresholds_of_the_call_decide_and_stand_in_the_provenance(engine: Engine) -> None:
    await put(engine, ("Ann Lee", "The bridge is safe."))
    strict = await check(engine, "The bridge is safe.", support_threshold=1.0)
    assert strict.verdict is Verdict.NOT_ENOUGH_EVIDENCE
    assert strict.provenance.options.support_threshold == 1.0
    assert strict.provenance.options.contradiction_threshold == engine.checker.defaults.contradiction_threshold
    assert strict.provenance.store_revision == 1


async def test_a_bad_claim_of_a_batch_fails_alone(engine: Engine) -> None:
    await put(engine, ("Ann Lee", "The bridge is safe."))
    claims = [Claim("The bridge is safe."), Claim("  "), Claim("x" * 2_001), Claim("The bridge is not safe.")]
    outcomes = await engine.checker.check_many(PARENT, claims, CheckOptions())
    assert [type(o) for o in outcomes] == [CheckResult, InvalidInput, InvalidInput, CheckResult]
    violations = [o.violations[0] for o in outcomes if isinstance(o, InvalidInput)]
    assert [v.field for v in violations] == ["claims[1].text", "claims[2].text"]
    assert violations[1].reason == "CLAIM_TOO_LONG"


async def test_bad_options_are_everybodys(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="support_threshold"):
        await engine.checker.check_many(PARENT, [Claim("A.")], CheckOptions(support_threshold=2.0))


async def test_a_batch_does_not_refuse_itself() -> None:
    """Its claims are long enough to fill the queue: those that find it full wait for the others."""
    config = ServerConfig(
        store=":memory:", model="fake", encoder="fake", max_batch_tokens=256, max_queue_tokens=256, cache_pairs=0
    )
    async with open_engine(config) as engine:
        await put(engine, ("Ann Lee", "The bridge is safe. " * 20))
        claims = [Claim(f"{number} " + "the bridge is safe " * 20) for number in range(12)]
        options = CheckOptions(topic_threshold=-1)
        outcomes = await engine.checker.check_many(PARENT, claims, options)
        assert [type(outcome) for outcome in outcomes] == [CheckResult] * 12


async def test_a_batch_that_finds_no_room_at_all_is_refused_as_one() -> None:
    config = ServerConfig(store=":memory:", model="fake", encoder="fake")
    async with open_engine(config) as engine:

        async def full(*args: object, **kwargs: object) -> None:
            raise Overloaded(5.0)

        engine.worker.embed = full  # type: ignore[method-assign, assignment]
        soon = asyncio.get_running_loop().time() + 1
        with pytest.raises(Overloaded):
            await engine.checker.check_many(PARENT, [Claim("a"), Claim("b")], CheckOptions(), deadline=soon)
