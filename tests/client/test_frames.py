"""`check_frame` on pandas and polars: the same rows, in a frame of the same kind, with what came of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas
import polars
import pytest

from onrecord import Speaker, Statement, errors
from onrecord.testing import FakeServer

NEW = [
    "verdict",
    "confidence",
    "reason",
    "evidence",
    "evidence_speaker",
    "evidence_relation",
    "evidence_name",
    "error",
]


@pytest.fixture(autouse=True)
def _scripted(fake: FakeServer) -> None:
    said = Statement("Rain falls.", name="collections/default/statements/s", speaker=Speaker("Ada"))
    fake.says("It rains.", "SUPPORTED", confidence=0.75, evidence=[said])
    fake.says("It snows.", "NOT_ENOUGH_EVIDENCE", confidence=0.5, reason="EVIDENCE_NEUTRAL")


ROWS = {"claim": ["It rains.", None, "It snows."], "n": [1, 2, 3]}
FILLED = [
    ("SUPPORTED", 0.75, None, "Rain falls.", "Ada", "SUPPORTS", "collections/default/statements/s", None),
    (None, None, None, None, None, None, None, "claims[1].text: needs a str, not NoneType"),
    ("NOT_ENOUGH_EVIDENCE", 0.5, "EVIDENCE_NEUTRAL", None, None, None, None, None),
]


async def test_pandas(either: Any) -> None:
    frame = pandas.DataFrame(ROWS, index=["x", "y", "y"])
    filled = await either.check_frame(frame)
    assert list(filled.columns) == ["claim", "n", *NEW]
    assert list(filled.index) == ["x", "y", "y"]
    assert list(frame.columns) == ["claim", "n"]  # as it was
    rows = filled[NEW].astype(object)
    assert [tuple(row) for row in rows.where(rows.notna(), None).itertuples(index=False)] == FILLED
    assert filled["confidence"].dtype == "float64"
    assert filled["reason"].dtype == "string"


async def test_polars(either: Any) -> None:
    frame = polars.DataFrame(ROWS)
    filled = await either.check_frame(frame)
    assert isinstance(filled, polars.DataFrame)
    assert filled.columns == ["claim", "n", *NEW]
    assert filled.select(NEW).rows() == FILLED
    assert filled.schema["confidence"] == polars.Float64
    assert filled.schema["error"] == polars.String


@pytest.mark.parametrize("library", [pandas, polars])
async def test_speakers_times_and_other_names(either: Any, fake: FakeServer, library: Any) -> None:
    frame = library.DataFrame(
        {
            "text": ["It rains.", "It rains.", "It rains."],
            "who": ["Ada", None, ""],
            "day": [dt.date(2021, 8, 29), None, dt.datetime(2021, 8, 29, 12, tzinfo=dt.UTC)]
            if library is pandas
            else [dt.date(2021, 8, 29), None, dt.date(2021, 8, 30)],
            "verdict": ["mine", "mine", "mine"],
        }
    )
    with pytest.raises(errors.InvalidArgument, match="prefix: the frame has 'verdict' already"):
        await either.check_frame(frame, column="text")
    filled = await either.check_frame(
        frame, column="text", speaker_column="who", as_of_column="day", prefix="onrecord_", collection="weather"
    )
    assert list(filled["verdict"]) == ["mine"] * 3
    assert list(filled["onrecord_verdict"]) == ["SUPPORTED"] * 3
    claims = [call.claim for call in fake.checks]
    assert [claim.speaker for claim in claims] == ["Ada", "", ""]
    end = dt.datetime(2021, 8, 29, 23, 59, 59, 999_999, tzinfo=dt.UTC)
    assert claims[0].as_of == end
    assert claims[1].as_of is None
    assert claims[2].as_of is not None
    assert {call.collection for call in fake.checks} == {"weather"}


async def test_pandas_times_with_and_without_a_zone(either: Any, fake: FakeServer) -> None:
    zoned = pandas.DataFrame({"claim": ["It rains."], "t": pandas.to_datetime(["2021-08-29T12:00:00Z"])})
    filled = await either.check_frame(zoned, as_of_column="t")
    assert fake.checks[0].claim.as_of == dt.datetime(2021, 8, 29, 12, tzinfo=dt.UTC)
    naive = pandas.DataFrame({"claim": ["It rains."], "t": pandas.to_datetime(["2021-08-29T12:00:00"])})
    filled = await either.check_frame(naive, as_of_column="t")
    assert fake.checks[1].claim.as_of == dt.datetime(2021, 8, 29, 12, tzinfo=dt.UTC)
    days = pandas.DataFrame({"claim": ["It rains."], "t": pandas.to_datetime(["2021-08-29"])})
    filled = await either.check_frame(days, as_of_column="t")
    assert fake.checks[2].claim.as_of == dt.datetime.combine(dt.date(2021, 8, 29), dt.time.max, dt.UTC)
    texts = pandas.DataFrame({"claim": ["It rains."] * 2, "t": ["2021-08-29", "yesterday"]})
    filled = await either.check_frame(texts, as_of_column="t")
    assert list(filled["verdict"].fillna("")) == ["SUPPORTED", ""]
    assert "as_of" in filled["error"][1]


@pytest.mark.parametrize("frame", [pandas.DataFrame({"claim": []}), polars.DataFrame({"claim": []})])
async def test_a_frame_without_rows(either: Any, frame: Any) -> None:
    filled = await either.check_frame(frame)
    assert list(filled.columns) == ["claim", *NEW]
    assert len(filled) == 0


@pytest.mark.parametrize(
    ("frame", "field", "message"),
    [
        ([{"claim": "x"}], "frame", "needs a pandas or polars DataFrame, not list"),
        (polars.LazyFrame({"claim": ["x"]}), "frame", r"LazyFrame; collect\(\) it first"),
        (pandas.DataFrame({"text": ["x"]}), "column", "the frame has no column 'claim'"),
        (polars.DataFrame({"text": ["x"]}), "column", "the frame has no column 'claim'"),
        (pandas.DataFrame([["x", "y"]], columns=["claim", "claim"]), "column", "several columns 'claim'"),
    ],
)
async def test_what_is_no_frame_of_claims(either: Any, frame: Any, field: str, message: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=message) as caught:
        await either.check_frame(frame)
    assert [violation.field for violation in caught.value.violations] == [field]
