"""The Python client against a real server, where what it says depends on both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import onrecord
from onrecord import CheckResult, _channel, errors


def test_answer_too_large_for_one_message(server: str, collection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The claims are asked for again in parts, not given up."""
    monkeypatch.setattr(_channel, "MAX_ANSWER_BYTES", 30_000)
    with onrecord.Client(server) as client:
        client.add_statement("rain " * 500, collection=collection)
        outcomes = client.check_batch([f"rain {number}" for number in range(12)], collection=collection)
    assert [type(outcome) for outcome in outcomes] == [CheckResult] * 12


def test_collection_is_called_what_the_caller_calls_it(client: onrecord.Client) -> None:
    with pytest.raises(errors.InvalidArgument, match=r"^collection: is not") as caught:
        client.check("It rains.", collection="No Such")
    assert [violation.field for violation in caught.value.violations] == ["collection"]


def test_interrupted_import_says_what_is_on_the_record(client: onrecord.Client, collection: str) -> None:
    def statements() -> Iterator[str]:
        yield from (f"It rains, {number}." for number in range(501))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        client.import_statements(statements(), collection=collection)
    assert caught.value.__notes__ == ["500 statements are on the record"]
    assert len(list(client.list_statements(collection))) == 500
