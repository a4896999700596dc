"""What is drawn fits, and nothing of it is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onrecord.cli._draw import Table, Text, cells

SIGNS = ["a", "b", "-", " ", "é", "“", "中", "が", "🙂", "e\u0301", "☁\ufe0f", "👩\u200d🚀"]
WORDS = st.lists(st.sampled_from(SIGNS), max_size=60).map("".join)


@given(st.lists(st.tuples(WORDS, st.sampled_from(["", "bold", "bold green"])), max_size=4), st.integers(2, 30))
def test_wrapped_lines_fit_and_hold_everything(pieces: list[tuple[str, str]], width: int) -> None:
    text = Text.of(*pieces)
    lines = text.wrapped(width)
    assert all(line.width() <= width for line in lines)
    assert "".join(line.plain for line in lines).replace(" ", "") == text.plain.replace(" ", "")


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=4), st.integers(12, 60), st.booleans())
def test_tables_fit_and_hold_everything(rows: list[tuple[str, str, str]], width: int, right: bool) -> None:
    table = Table()
    table.column("id", fixed=True)
    table.column("number", right=right, least=4)
    table.column("text", most=10)
    for row in rows:
        table.row(*row)
    lines = list(table.lines(width))
    assert all(line.width() <= width for line in lines)
    shown = "".join(line.plain for line in lines)
    assert sorted(shown.replace(" ", "")) == sorted(
        "".join("".join(row) for row in [("id", "number", "text"), *rows]).replace(" ", "")
    )


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("plain", 5),
        ("é", 1),
        ("e\u0301", 1),
        ("中国", 4),
        ("“quoted”", 8),
        ("🙂", 2),
        ("👩\u200d🚀", 2),
        ("☁\ufe0f", 2),
        ("", 0),
    ],
)
def test_cells_of_a_terminal(text: str, taken: int) -> None:
    assert cells(text) == taken


def test_words_stay_whole_where_they_fit_and_marks_stay_on_their_letter() -> None:
    assert [line.plain for line in Text("supports     Vladimir Putin").wrapped(21)] == [
        "supports     Vladimir",
        "Putin",
    ]
    assert [line.plain for line in Text("中国中国").wrapped(5)] == ["中国", "中国"]
    assert [line.plain for line in Text("e\u0301" * 4).wrapped(2)] == ["e\u0301" * 2] * 2


def test_colours_follow_their_words_over_the_end_of_a_line() -> None:
    first, second = Text.of("one ", ("two three", "bold red")).wrapped(8)
    assert first.render(colour=True) == "one \x1b[1;31mtwo\x1b[0m"
    assert second.render(colour=True) == "\x1b[1;31mthree\x1b[0m"
    assert second.render(colour=False) == "three"
    assert Text.of("name", "   ").render(colour=True) == "name"
