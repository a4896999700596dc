"""The queue before the model: order, budget, and what is left out."""

from __future__ import annotations

import math
import threading

from onrecord_server.checking.batching import Job, JobQueue, Priority, due_time


def job(name: str, tokens: int = 10, kind: str = "pair") -> Job:
    return Job(kind, name, tokens)


def names(batch: list[Job]) -> list[str]:
    return [j.item for j in batch]


def test_a_batch_is_the_most_urgent_jobs_that_fit_the_budget() -> None:
    queue: JobQueue[Job] = JobQueue(25)
    queue.put([(3.0, job("c")), (1.0, job("a")), (2.0, job("b"))])
    assert names(queue.take()) == ["a", "b"]
    assert names(queue.take()) == ["c"]


def test_long_jobs_of_one_request_go_together() -> None:
    queue: JobQueue[Job] = JobQueue(40)
    queue.put((1.0, job(str(n), n)) for n in (5, 20, 6, 20))
    assert names(queue.take()) == ["20", "20"]
    assert names(queue.take()) == ["6", "5"]


def test_a_job_over_the_budget_goes_alone() -> None:
    queue: JobQueue[Job] = JobQueue(10)
    queue.put([(1.0, job("huge", 500)), (1.0, job("small", 1))])
    assert names(queue.take()) == ["huge"]
    assert names(queue.take()) == ["small"]


def test_kinds_never_share_a_batch_and_the_urgent_kind_goes_first() -> None:
    queue: JobQueue[Job] = JobQueue(100)
    queue.put([(2.0, job("p1")), (4.0, job("p2")), (1.0, job("t1", kind="text")), (3.0, job("t2", kind="text"))])
    assert names(queue.take()) == ["t1", "t2"]
    assert names(queue.take()) == ["p1", "p2"]


def test_a_job_put_again_earlier_comes_forward_and_is_handed_out_once() -> None:
    queue: JobQueue[Job] = JobQueue(10)
    late = job("late")
    queue.put([(9.0, late), (5.0, job("mid"))])
    queue.put([(1.0, late)])
    assert names(queue.take()) == ["late"]
    assert names(queue.take()) == ["mid"]
    assert len(queue) == 0


def test_dead_jobs_cost_nothing() -> None:
    queue: JobQueue[Job] = JobQueue(100)
    dead = job("dead", 99)
    queue.put([(1.0, dead), (2.0, job("live", 99))])
    dead.dead = True
    assert len(queue) == 1
    assert names(queue.take()) == ["live"]


def test_take_waits_for_work_and_close_wakes_it() -> None:
    queue: JobQueue[Job] = JobQueue(100)
    taken: list[list[str]] = []
    first = threading.Event()

    def consume() -> None:
        while batch := queue.take():
            taken.append(names(batch))
            first.set()

    consumer = threading.Thread(target=consume)
    consumer.start()
    queue.put([(1.0, job("a"))])
    assert first.wait(5)
    queue.close()
    consumer.join(5)
    assert not consumer.is_alive()
    assert taken == [["a"]]


def test_small_requests_are_due_before_large_ones_and_large_ones_do_not_starve() -> None:
    large = due_time(now=0.0, work_seconds=30.0, deadline=None)
    assert due_time(now=1.0, work_seconds=0.1, deadline=None) < large
    assert due_time(now=31.0, work_seconds=0.1, deadline=None) > large


def test_a_deadline_pulls_work_forward_and_never_back() -> None:
    assert due_time(now=0.0, work_seconds=2.0, deadline=3.0) == 1.0
    assert due_time(now=0.0, work_seconds=2.0, deadline=100.0) == 2.0


def test_interactive_jobs_go_before_bulk_ones_whatever_is_due() -> None:
    queue: JobQueue[Job] = JobQueue(100)
    queue.put([(1.0, job("bulk"))], Priority.BULK)
    queue.put([(9.0, job("interactive"))])
    assert names(queue.take()) == ["interactive"]
    assert names(queue.take()) == ["bulk"]


def test_bulk_jobs_get_their_tenth_while_interactive_ones_never_end() -> None:
    queue: JobQueue[Job] = JobQueue(100, small_batch_tokens=20)
    queue.put(((0.0, job(f"bulk {i}", 20)) for i in range(500)), Priority.BULK)
    queue.hurry(math.inf)
    tokens = {"bulk": 0, "interactive": 0}
    for i in range(400):
        queue.put([(float(i), job("interactive", 50))])
        for taken in queue.take():
            tokens[taken.item.split()[0]] += taken.tokens
    assert 0.08 < tokens["bulk"] / sum(tokens.values()) < 0.12


def test_bulk_batches_are_small_while_an_interactive_caller_is_in() -> None:
    queue: JobQueue[Job] = JobQueue(100, small_batch_tokens=25)
    queue.put(((1.0, job(str(i))) for i in range(20)), Priority.BULK)
    assert len(queue.take()) == 10
    queue.hurry(math.inf)
    assert len(queue.take()) == 2
    queue.put([(1.0, job("interactive", 90))])
    assert len(queue.take()) == 1  # and no bulk job fills it up: it would only take longer


def test_what_could_only_come_too_late_is_left_out() -> None:
    now = [10.0]
    queue: JobQueue[Job] = JobQueue(100, clock=lambda: now[0])
    late, in_time = job("late"), job("in time")
    late.latest, in_time.latest = 11.0, 13.0
    queue.put([(1.0, late), (2.0, in_time)])
    now[0] = 12.0
    assert names(queue.take()) == ["in time"]


def test_a_bulk_job_that_an_interactive_caller_wants_too_comes_forward() -> None:
    queue: JobQueue[Job] = JobQueue(10)
    shared = job("shared")
    queue.put([(1.0, job("bulk")), (2.0, shared)], Priority.BULK)
    queue.put([(5.0, shared)], Priority.INTERACTIVE)
    assert names(queue.take()) == ["shared"]
    assert names(queue.take()) == ["bulk"]
    assert len(queue) == 0


def test_an_idle_taker_leaves_the_other_idle_ones_their_part() -> None:
    queue: JobQueue[Job] = JobQueue(1_000, takers=2)
    taken: list[list[str]] = []
    sleeping = threading.Event()
    other = threading.Thread(target=lambda: (sleeping.set(), taken.append(names(queue.take()))))
    other.start()
    assert sleeping.wait(5)
    while not queue.others_idle:
        pass
    queue.put([(1.0, job("a", 60)), (1.0, job("b", 50)), (1.0, job("c", 50)), (1.0, job("d", 40))])
    other.join(5)
    taken.append(names(queue.take()))
    assert sorted(map(sorted, taken)) in ([["a"], ["b", "c", "d"]], [["a", "b"], ["c", "d"]])


def test_where_all_are_busy_what_is_left_is_shared_in_batches_worth_it() -> None:
    queue: JobQueue[Job] = JobQueue(512, takers=2)
    queue.put((1.0, job(str(i), 50)) for i in range(40))
    sizes = []
    while len(queue):
        sizes.append(sum(taken.tokens for taken in queue.take()))
    assert sizes[:2] == [500, 500]  # enough for everybody: full batches
    assert sum(sizes) == 2_000
    assert all(size >= 100 for size in sizes)
    assert sorted(sizes, reverse=True) == sizes


def test_what_would_come_too_late_makes_room_for_what_would_not() -> None:
    given_up: list[Job] = []
    queue: JobQueue[Job] = JobQueue(20, clock=lambda: 100.0, lead=lambda kind, tokens: {"pair": 0.5, "text": 0.1}[kind])
    queue.given_up = given_up.extend
    tight, loose, later = job("tight"), job("loose"), job("later")
    tight.latest, loose.latest = 100.4, 100.6
    queue.put([(1.0, tight), (2.0, loose), (3.0, later)])
    assert names(queue.take()) == ["loose", "later"]
    assert given_up == [tight]
    assert tight.dead
    assert len(queue) == 0
    text = job("text", kind="text")
    text.latest = 100.4
    queue.put([(1.0, text), (2.0, job("more", kind="text"))])
    assert names(queue.take()) == ["text", "more"]


def test_with_nothing_else_to_do_even_the_late_one_is_tried() -> None:
    given_up: list[Job] = []
    queue: JobQueue[Job] = JobQueue(20, clock=lambda: 100.0, lead=lambda kind, tokens: 0.5)
    queue.given_up = given_up.extend
    tight = [job(str(n)) for n in range(3)]
    for one in tight:
        one.latest = 100.4
    queue.put((float(n), one) for n, one in enumerate(tight))
    assert names(queue.take()) == ["0", "1"]
    assert names(queue.take()) == ["2"]
    assert given_up == []
