"""Whatever is put in comes out once, within the budget, urgent first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from onrecord_server.checking.batching import Job, JobQueue

entries = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 60), st.sampled_from(["pair", "text"]), st.booleans()), min_size=1
)


@given(entries=entries, budget=st.integers(1, 100))
def test_every_live_job_comes_out_once_within_the_budget(
    entries: list[tuple[int, int, str, bool]], budget: int
) -> None:
    queue: JobQueue[Job] = JobQueue(budget)
    due: dict[str, float] = {}
    for i, (when, tokens, kind, dead) in enumerate(entries):
        job = Job(kind, str(i), tokens, dead=dead)
        queue.put([(float(when), job), (float(when) - 1, job)])
        if not dead:
            due[job.item] = float(when) - 1
    out: list[str] = []
    while len(queue):
        batch = queue.take()
        assert len({job.kind for job in batch}) == 1
        assert len(batch) == 1 or sum(job.tokens for job in batch) <= budget
        waiting = [due[name] for name in due if name not in out]
        assert due[batch[0].item] == min(waiting)
        out += [job.item for job in batch]
    assert sorted(out) == sorted(due)
