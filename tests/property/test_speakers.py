"""Names: who is the same speaker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onrecord_server.domain.speakers import read_name, same_name, same_speaker
from onrecord_server.domain.types import Speaker

PUTIN = Speaker("Vladimir Putin", ("Putin", "the Russian president", "the Russian leader"))
XI = Speaker("Xi Jinping")
_NAMES = st.sampled_from(
    [
        "Vladimir Putin", "Xi Jinping", "Bill Clinton", "Hillary Clinton", "People's Daily", "the Foreign Ministry",
        "Jane Q. Roe", "the Russian president", "Nguyen Van Minh", "Beijing", "OPEC",
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("written", "speaker"),
    [
        ("Putin", PUTIN),
        ("putin's", PUTIN),
        ("President Vladimir Putin", PUTIN),
        ("Russian President Putin", PUTIN),
        ("Vladimir V. Putin", PUTIN),
        ("V. Putin", PUTIN),
        ("Mr. Putin", PUTIN),
        ("Russia's president", PUTIN),
        ("the president of Russia", PUTIN),
        ("The Russian leader", PUTIN),
        ("Xi", XI),
        ("President Xi", XI),
        ("Clinton", Speaker("Bill Clinton")),
        ("Clinton", Speaker("Hillary Clinton")),
        ("William J. Clinton", Speaker("Bill Clinton")),
        ("People's Daily", Speaker("China's People's Daily")),
        ("China's foreign ministry", Speaker("the Chinese Foreign Ministry")),
        ("Martin Luther King Jr.", Speaker("Martin Luther King")),
    ],
)
def test_the_same(written: str, speaker: Speaker) -> None:
    assert same_speaker(written, speaker)


@pytest.mark.parametrize(
    ("written", "speaker"),
    [
        ("Bill Clinton", Speaker("Hillary Clinton", ("Clinton",))),
        ("Hillary Clinton", Speaker("Bill Clinton", ("Clinton",))),
        ("Sergei Putin", PUTIN),
        ("Xi", PUTIN),
        ("the Chinese president", PUTIN),
        ("Russia", PUTIN),
        ("China", XI),
        ("China", Speaker("China Daily")),
        ("Beijing", XI),
        ("Russian Foreign Ministry", Speaker("the Chinese Foreign Ministry")),
        ("Putin", Speaker()),
        ("", PUTIN),
        ("", Speaker()),
    ],
)
def test_not_the_same(written: str, speaker: Speaker) -> None:
    assert not same_speaker(written, speaker)


@given(_NAMES, _NAMES)
def test_symmetric(a: str, b: str) -> None:
    assert same_name(a, b) == same_name(b, a)


@given(_NAMES)
def test_case_article_and_possessive_change_nothing(name: str) -> None:
    core = name.removeprefix("the ")
    for written in (name, name.upper(), name.lower(), f"the {core}", f"{name}'s", f" {name} "):
        assert same_speaker(written, Speaker(name)), written


@given(_NAMES.filter(lambda n: read_name(n).core), st.sampled_from(["President", "Mr.", "former Senator"]))
def test_a_title_changes_nothing(name: str, title: str) -> None:
    assert same_name(f"{title} {name.removeprefix('the ')}", name)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_read(a: str, b: str) -> None:
    assert same_name(a, b) == same_name(b, a)
    assert isinstance(same_speaker(a, Speaker(b)), bool)
