"""Whatever is put in comes out once, within the budget, urgent first."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from onrecord_server.checking.batching import Job, JobQueue, Priority

entries = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(1, 60),
        st.sampled_from(["pair", "text"]),
        st.booleans(),
        st.sampled_from(Priority),
    ),
    min_size=1,
)


@given(entries=entries, budget=st.integers(1, 100), small=st.integers(1, 100), hurried=st.booleans())
def test_every_live_job_comes_out_once_within_the_budget(
    entries: list[tuple[int, int, str, bool, Priority]], budget: int, small: int, hurried: bool
) -> None:
    queue: JobQueue[Job] = JobQueue(budget, small)
    queue.hurry(math.inf if hurried else -math.inf)
    due: dict[str, tuple[Priority, float]] = {}
    for i, (when, tokens, kind, dead, priority) in enumerate(entries):
        job = Job(kind, str(i), tokens, dead=dead)
        queue.put([(float(when), job), (float(when) - 1, job)], priority)
        if not dead:
            due[job.item] = (priority, float(when) - 1)
    out: list[str] = []
    while len(queue):
        batch = queue.take()
        assert len({job.kind for job in batch}) == 1
        (priority,) = {due[job.item][0] for job in batch}
        limit = min(budget, small) if hurried and priority is Priority.BULK else budget
        assert len(batch) == 1 or sum(job.tokens for job in batch) <= limit
        waiting = [due[name][1] for name in due if name not in out and due[name][0] is priority]
        assert due[batch[0].item][1] == min(waiting)
        out += [job.item for job in batch]
    assert sorted(out) == sorted(due)
