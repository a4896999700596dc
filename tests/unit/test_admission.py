"""Who gets in: room in tokens, deadlines by the measured pace, two priorities."""

from __future__ import annotations

import contextlib

import pytest

from onrecord_server.checking.admission import BULK_LIMIT, Admission
from onrecord_server.checking.batching import PAIR, TEXT, Priority
from onrecord_server.domain.errors import DeadlineTooShort, DeadlineUnreachable, Overloaded

INTERACTIVE, BULK = Priority.INTERACTIVE, Priority.BULK


def at_pace(tokens_per_second: float, max_tokens: int = 10_000, batch_tokens: int = 1_000) -> Admission:
    """One whose model has been seen to work at this pace."""
    admission = Admission(max_tokens, batch_tokens)
    for tokens in (200, 600, 1_000):
        for kind in (PAIR, TEXT):
            admission.pace[kind].saw(tokens, tokens / tokens_per_second)
    return admission


def test_a_reservation_becomes_jobs_and_is_never_counted_twice() -> None:
    admission = Admission(10_000, 1_000)
    seat = admission.open(500, INTERACTIVE, None, 0.0)
    admission.began(seat, TEXT, 20)
    admission.began(seat, PAIR, 300)
    assert (admission.backlog, seat.reserved, seat.used) == (500, 180, 320)
    admission.finished(INTERACTIVE, TEXT, 20)
    admission.began(seat, PAIR, 400)  # more than was foreseen
    assert (admission.backlog, seat.reserved) == (700, 0)
    for tokens in (300, 400):
        admission.finished(INTERACTIVE, PAIR, tokens)
    admission.close(seat)
    assert (admission.backlog, admission.seats) == (0, 0)


def test_what_was_reserved_and_not_needed_is_free_when_the_caller_leaves() -> None:
    admission = Admission(1_000, 1_000)
    seat = admission.open(1_000, INTERACTIVE, None, 0.0)
    with pytest.raises(Overloaded):
        admission.open(1, INTERACTIVE, None, 0.0)
    admission.close(seat)
    admission.close(seat)
    assert admission.open(1_000, INTERACTIVE, None, 0.0)


def test_an_idle_engine_takes_a_request_of_any_size_and_a_busy_one_does_not() -> None:
    admission = Admission(1_000, 1_000)
    admission.open(3_000, INTERACTIVE, None, 0.0)
    with pytest.raises(Overloaded) as caught:
        admission.open(1, INTERACTIVE, None, 0.0)
    assert 0.1 <= caught.value.retry_after <= 60


def fill(admission: Admission, priority: Priority, *, patient: bool = False) -> None:
    """Callers of 100 tokens come until one is refused."""
    with contextlib.suppress(Overloaded):
        while True:
            admission.open(100, priority, None, 0.0, patient=patient)


@pytest.mark.parametrize("flood", Priority)
def test_a_flood_of_one_priority_does_not_shut_out_the_other(flood: Priority) -> None:
    admission, other = Admission(10_000, 1_000), Priority(1 - flood)
    for _ in range(2):  # the first to come, then against the other's work
        fill(admission, flood)
        for _ in range(5):
            assert admission.open(100, other, None, 0.0).priority is other
    kept = {INTERACTIVE: 0.25, BULK: 0.1}[other]
    fill(admission, other)
    assert admission.tokens(other) == kept * 10_000


def test_who_can_wait_leaves_room_for_who_cannot() -> None:
    admission = Admission(10_000, 1_000)
    fill(admission, BULK, patient=True)
    taken = admission.tokens(BULK)
    assert admission.open(100, BULK, None, 0.0)
    assert taken == pytest.approx(0.9 * BULK_LIMIT * 10_000, abs=100)


def told(admission: Admission, tokens: int, priority: Priority = INTERACTIVE, now: float = 0.0) -> float:
    """When one who finds no room is told to come back."""
    with pytest.raises(Overloaded) as caught:
        admission.open(tokens, priority, None, now)
    return caught.value.retry_after


def filled(used: int, pace: float = 1_000) -> Admission:
    """So many interactive tokens are in, and the queue is full."""
    admission = at_pace(pace, max_tokens=1_000, batch_tokens=1_000_000)
    admission.open(used, INTERACTIVE, None, 0.0)
    return admission


def test_the_fuller_the_queue_the_later_one_is_told_to_come_back() -> None:
    times = [told(filled(used), 500) for used in (900, 1_900, 3_900, 7_900)]
    assert times == sorted(set(times))
    assert times[:2] == pytest.approx([0.5, 1.5], rel=0.1)  # until so much is done that 500 tokens fit


def test_a_slower_model_says_later() -> None:
    assert told(filled(3_900, pace=500), 500) == pytest.approx(2 * told(filled(3_900), 500), rel=0.1)


def test_those_who_are_refused_are_told_to_come_back_one_after_another() -> None:
    admission = filled(3_900)
    times = [told(admission, 500) for _ in range(20)]
    assert times[:3] == pytest.approx([3.5, 4.0, 4.5], rel=0.1)
    assert max(times) == pytest.approx(3.9 + 3.5, rel=0.1)  # many never come back: no later than what is there allows
    assert told(admission, 500, now=100.0) == pytest.approx(3.5, rel=0.1)  # their time is over


def test_it_is_never_less_than_a_tenth_of_a_second_nor_more_than_a_minute() -> None:
    assert told(filled(900, pace=1e6), 500) == pytest.approx(0.1)
    assert told(filled(900_000, pace=10), 500) == pytest.approx(60)


def test_bulk_work_is_told_to_wait_for_what_goes_before_it() -> None:
    admission = at_pace(1_000, max_tokens=10_000)
    admission.open(7_500, BULK, None, 0.0)
    alone = told(admission, 1_000, BULK)
    admission = at_pace(1_000, max_tokens=10_000)
    admission.open(7_500, BULK, None, 0.0)
    admission.open(2_500, INTERACTIVE, None, 0.0)
    assert told(admission, 1_000, BULK) == pytest.approx(alone + 2.5, rel=0.1)


def test_one_bulk_request_of_any_size_gets_in_and_keeps_only_bulk_work_out() -> None:
    admission = Admission(1_000, 100)
    admission.open(200, INTERACTIVE, None, 0.0)
    admission.open(50_000, BULK, None, 0.0)
    with pytest.raises(Overloaded):
        admission.open(1, BULK, None, 0.0)
    assert admission.open(50, INTERACTIVE, None, 0.0)
    with pytest.raises(Overloaded):
        admission.open(1, INTERACTIVE, None, 0.0)


def test_bulk_work_leaves_room_for_interactive_callers() -> None:
    admission = Admission(10_000, 1_000)
    for _ in range(int(BULK_LIMIT * 20)):
        admission.open(500, BULK, None, 0.0)
    with pytest.raises(Overloaded):
        admission.open(500, BULK, None, 0.0)
    assert admission.open(500, INTERACTIVE, None, 0.0)


def test_a_large_request_is_bulk_work_whatever_it_says() -> None:
    admission = Admission(100_000, 1_000)
    assert admission.open(4_000, INTERACTIVE, None, 0.0).priority is INTERACTIVE
    assert admission.open(4_001, INTERACTIVE, None, 0.0).priority is BULK


def test_a_deadline_that_the_queue_would_outlast_is_refused_at_once_and_says_when_to_come_back() -> None:
    admission = at_pace(1_000)
    admission.open(3_000, INTERACTIVE, None, 0.0)
    with pytest.raises(DeadlineUnreachable) as caught:
        admission.open(500, INTERACTIVE, 2.0, 0.0)
    assert caught.value.needed == pytest.approx(3.5, rel=0.05)
    assert caught.value.retry_after == pytest.approx(1.5, rel=0.05)
    assert admission.open(500, INTERACTIVE, 4.0, 0.0)
    assert admission.backlog == 3_500


def test_a_request_too_large_for_its_deadline_is_told_that_waiting_does_not_help() -> None:
    with pytest.raises(DeadlineUnreachable) as caught:
        at_pace(1_000).open(3_000, INTERACTIVE, 1.0, 0.0)
    assert caught.value.retry_after is None
    assert "less" in caught.value.message


def test_a_pace_that_keeps_everybody_out_is_measured_anew_after_a_while() -> None:
    admission = at_pace(1_000)
    admission.pace[PAIR].saw(1_000, 3_600.0)  # the machine stood still for an hour
    for now in (0.0, 2.0, 4.0):
        with pytest.raises(DeadlineUnreachable):
            admission.open(500, INTERACTIVE, now + 5, now)
    seat = admission.open(500, INTERACTIVE, 11.0, 6.0)
    admission.began(seat, PAIR, 500)
    for tokens in (100, 500, 900):
        admission.pace[PAIR].saw(tokens, tokens / 1_000)
    admission.finished(INTERACTIVE, PAIR, 500)
    admission.close(seat)
    assert admission.open(500, INTERACTIVE, 11.0, 7.0)


def test_a_slow_model_that_works_is_not_doubted() -> None:
    admission = at_pace(1_000, max_tokens=1_000_000)
    admission.began(admission.open(100_000, BULK, None, 0.0), PAIR, 100_000)
    for now in (0.0, 10.0, 20.0):
        with pytest.raises(DeadlineUnreachable):
            admission.open(500, BULK, now + 5, now)


def test_nobody_is_refused_on_a_guess_of_the_pace() -> None:
    admission = Admission(1_000_000, 1_000)
    admission.open(500_000, BULK, None, 0.0)
    assert admission.open(100, INTERACTIVE, 0.1, 0.0)


def test_a_deadline_that_has_passed() -> None:
    with pytest.raises(DeadlineTooShort):
        Admission(1_000, 100).open(0, INTERACTIVE, 1.0, 1.0)


def test_interactive_callers_do_not_wait_for_the_bulk_work_before_them() -> None:
    admission = at_pace(1_000, max_tokens=1_000_000)
    admission.open(300_000, BULK, None, 0.0)
    assert admission.wait_seconds(BULK) == pytest.approx(300, rel=0.05)
    assert admission.wait_seconds(INTERACTIVE) == pytest.approx(1.0, rel=0.05)  # the batch that runs
    assert admission.open(500, INTERACTIVE, 2.0, 0.0)
    with pytest.raises(DeadlineUnreachable):
        admission.open(500, BULK, 2.0, 0.0)


def test_deadlines_are_judged_by_how_long_callers_were_really_in() -> None:
    admission = at_pace(1_000, max_tokens=1_000_000)
    for i in range(50):  # three times as long as the queue alone would keep them
        seat = admission.open(100 + 10 * i, INTERACTIVE, None, 0.0)
        admission.began(seat, PAIR, 100 + 10 * i)
        admission.close(seat, 3 * seat.expected)
        admission.finished(INTERACTIVE, PAIR, 100 + 10 * i)
    admission.open(500, INTERACTIVE, None, 0.0)
    with pytest.raises(DeadlineUnreachable):
        admission.open(500, INTERACTIVE, 2.0, 0.0)
    assert admission.open(500, INTERACTIVE, 4.0, 0.0)


def test_what_those_before_met_with_does_not_keep_out_the_first_one_of_an_idle_engine() -> None:
    admission = at_pace(1_000)
    for _ in range(50):
        seat = admission.open(100, INTERACTIVE, None, 0.0)
        admission.began(seat, PAIR, 100)
        admission.close(seat, 60.0)  # a machine that stood still
        admission.finished(INTERACTIVE, PAIR, 100)
    assert admission.open(500, INTERACTIVE, 1.0, 0.0)
