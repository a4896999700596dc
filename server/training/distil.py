"""Train on a GPU within minutes: teachers, then a student of their averaged word.

All tokens lie in the GPU's memory and batches are cut there. Weights and activations are bf16, the optimiser's copy is
fp32. Before a phase the hard negatives are chosen anew: of each claim's retrieved candidates the one most mistaken for
a contradiction, and sometimes one more. The student also learns what the teachers think of the candidates that may
decide their claim after all ("born-again networks", https://arxiv.org/abs/1805.04770). Phases follow the clock.

Example: distil.py MODEL WHOLE.npz CANDIDATES.npz DEV.npz OUT --teachers 135 135 --student 190
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from packed import CONTRADICTION, ENTAILMENT, NOT_ENTAILMENT, IntArray, Packed, load_tokenizer
from torch.nn.functional import log_softmax
from transformers import AutoModelForSequenceClassification

State = dict[str, torch.Tensor]
Probabilities = npt.NDArray[np.float32]
CHUNK = 32000  # rows sorted by length together
DROPOUT = 0.1


class OnDevice:
    """A pack in the device's memory, with soft labels where there are any.

    `soft` is (rows, 3), a teacher's probabilities; `trust` (rows,) is the share of the loss that follows them, the rest
    follows the label.
    """

    def __init__(self, pack: Packed, device: torch.device) -> None:
        self.pack, self.device = pack, device
        self.tokens = torch.from_numpy(pack.ids.astype(np.int32)).to(device)
        self.offsets = torch.from_numpy(pack.offsets).to(device)
        self.n = torch.from_numpy(pack.n.astype(np.int64)).to(device)
        self.h = torch.from_numpy(pack.h.astype(np.int64)).to(device)
        self.y = torch.from_numpy(pack.y.astype(np.int64)).to(device)
        self.soft = torch.zeros(len(pack), 3, device=device)
        self.trust = torch.zeros(len(pack), device=device)

    def inputs(self, rows: torch.Tensor, width: int) -> dict[str, torch.Tensor]:
        """What the model takes, (rows, width); the mask is (rows, 1, 1, width), so that nobody has to look into it."""
        at = torch.arange(width, device=self.device)
        n, h = self.n[rows][:, None], self.h[rows][:, None]
        inside = at < n
        ids = self.tokens[(self.offsets[rows][:, None] + at).clamp(max=len(self.tokens) - 1)] * inside
        return {
            "input_ids": ids,
            "token_type_ids": ((at >= n - h) & inside).int(),
            "attention_mask": inside[:, None, None, :].expand(-1, 1, width, width),
        }


def join(packs: list[Packed]) -> Packed:
    """One pack of several, sources renumbered."""
    src = [p.src.astype(np.int64) + sum(len(q.names) for q in packs[:k]) for k, p in enumerate(packs)]
    return Packed(
        np.concatenate([p.ids for p in packs]),
        np.concatenate([p.n for p in packs]),
        np.concatenate([p.h for p in packs]),
        np.concatenate([p.y for p in packs]),
        np.concatenate(src).astype(np.uint8),
        [name for p in packs for name in p.names],
    )


def cut(lengths: npt.NDArray[Any], rows: IntArray, tokens: int) -> Iterator[tuple[int, int, int]]:
    """(first, end, width) of batches of rows sorted by length, at most `tokens` padded tokens each."""
    widths = (lengths[rows].astype(np.int64) + 7) // 8 * 8
    i = 0
    while i < len(rows):
        ahead = widths[i : i + tokens // widths[i]]
        k = int(np.searchsorted(ahead * np.arange(1, len(ahead) + 1), tokens, side="right"))
        k = max(k, 1)
        yield i, i + k, int(widths[i + k - 1])
        i += k


def batches(
    data: OnDevice, rows: IntArray, tokens: int, rng: np.random.Generator
) -> Iterator[tuple[torch.Tensor, int]]:
    """One pass over rows: shuffled, sorted by length within chunks, the batches of a chunk shuffled."""
    rows = rng.permutation(rows)
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        chunk = chunk[np.argsort(data.pack.n[chunk], kind="stable")]
        there = torch.from_numpy(chunk).to(data.device)
        parts = list(cut(data.pack.n, chunk, tokens))
        for p in rng.permutation(len(parts)):
            first, end, width = parts[p]
            yield there[first:end], width


@torch.inference_mode()
def probabilities(model: Any, data: OnDevice, rows: IntArray, tokens: int = 131072) -> Probabilities:
    """(len(rows), 3), in the order of rows."""
    model.eval()
    order = np.argsort(data.pack.n[rows], kind="stable")
    there = torch.from_numpy(rows[order]).to(data.device)
    parts = [
        model(**data.inputs(there[first:end], width)).logits.float().softmax(-1)
        for first, end, width in cut(data.pack.n, rows[order], tokens)
    ]
    found = np.zeros((len(rows), 3), np.float32)
    found[order] = torch.cat(parts).cpu().numpy()
    return found


class Candidates:
    """The rows of a pack that hold retrieved statements, and which of them to train on."""

    def __init__(self, pack: Packed) -> None:
        of = [k for k, name in enumerate(pack.names) if name.startswith("candidates_")]
        kinds = np.array([name.removeprefix("candidates_") for name in pack.names])
        self.rows: IntArray = np.flatnonzero(np.isin(pack.src, of)).astype(np.int64)
        self.kinds = kinds[pack.src[self.rows]]
        claims: dict[bytes, int] = {}
        hypotheses = (pack.row(i)[-int(pack.h[i]) :].tobytes() for i in self.rows)
        self.claim = np.array([claims.setdefault(text, len(claims)) for text in hypotheses], np.int64)

    def vetoed(self, p: Probabilities) -> npt.NDArray[np.bool_]:
        """Where the presumption of neutrality is too risky; as mine.veto."""
        too_near = p[:, ENTAILMENT] > np.where(self.kinds == "undecided", 0.9, 0.7)
        return too_near | ((self.kinds == "refuted_covered") & (p[:, CONTRADICTION] > 0.8))

    def choose(self, p: Probabilities, second: float, rng: np.random.Generator) -> IntArray:
        """Of each claim the row most mistaken for a contradiction and, with probability `second`, another."""
        safe = np.flatnonzero(~self.vetoed(p))
        hardest = safe[np.lexsort((-p[safe, CONTRADICTION], self.claim[safe]))]
        first = np.unique(self.claim[hardest], return_index=True)[1]
        rest = rng.permutation(np.delete(hardest, first))
        other = rest[np.unique(self.claim[rest], return_index=True)[1]]
        other = other[rng.random(len(other)) < second]
        return self.rows[np.concatenate([hardest[first], other])]


class Master:
    """AdamW on an fp32 copy of bf16 weights; no decay on biases and norms."""

    def __init__(self, model: Any, lr: float, fused: bool) -> None:
        self._lr = lr
        self._live = [p for p in model.parameters() if p.requires_grad]
        self._own = [p.detach().float().clone() for p in self._live]
        groups = [
            {"params": [p for p in self._own if p.ndim > 1], "weight_decay": 0.01},
            {"params": [p for p in self._own if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self._adam = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98), fused=fused)

    def step(self, share: float) -> None:
        """Take the gradients, clip them at norm 1, step at a share of the rate, write the weights back."""
        for own, live in zip(self._own, self._live, strict=True):
            own.grad = live.grad.float() if live.grad is not None else None
            live.grad = None
        torch.nn.utils.clip_grad_norm_(self._own, 1.0)
        for group in self._adam.param_groups:
            group["lr"] = self._lr * share
        self._adam.step()
        with torch.no_grad():
            torch._foreach_copy_(self._live, self._own)

    def state(self, model: Any) -> State:
        """The model's weights in fp32, on the CPU."""
        found = {name: p.detach().float().cpu() for name, p in model.state_dict().items()}
        names = [name for name, p in model.named_parameters() if p.requires_grad]
        return found | {name: own.cpu() for name, own in zip(names, self._own, strict=True)}


def loss_of(logits: torch.Tensor, data: OnDevice, rows: torch.Tensor) -> torch.Tensor:
    """Cross-entropy with label and soft label; "not entailment" counts what neutral and contradiction have together."""
    log_p = log_softmax(logits.float(), -1)
    four = torch.cat([log_p, torch.logsumexp(log_p[:, 1:], -1, keepdim=True)], 1)
    hard = -four.gather(1, data.y[rows][:, None])[:, 0]
    soft = -(data.soft[rows] * log_p).sum(-1)
    trust = data.trust[rows]
    return ((1 - trust) * hard + trust * soft).mean()


class Lab:
    """The data on a device and what is done with it."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.device = torch.device(args.device)
        self.data = OnDevice(join([Packed.load(args.pack), Packed.load(args.candidates)]), self.device)
        self.dev = OnDevice(Packed.load(args.dev), self.device)
        self.candidates = Candidates(self.data.pack)
        self.plain: IntArray = np.setdiff1d(np.arange(len(self.data.pack)), self.candidates.rows)
        self.model: Any = AutoModelForSequenceClassification.from_pretrained(
            args.model,
            dtype=torch.bfloat16,
            attn_implementation="sdpa",
            hidden_dropout_prob=DROPOUT,
            attention_probs_dropout_prob=DROPOUT,
        ).to(self.device)
        self.tally: dict[str, Any] = {}

    def put(self, state: State) -> None:
        """Make these the model's weights."""
        self.model.load_state_dict(state)

    def say(self, *words: object) -> None:
        """A line of the log."""
        print(*words, flush=True)

    def train(self, state: State, rows_of: Any, lr: float, seconds: float, seed: int) -> State:
        """From `state` for so many seconds; `rows_of(rng)` gives the rows of each pass."""
        rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        self.put(state)
        master = Master(self.model, lr, fused=self.device.type == "cuda")
        begun, steps, seen, sums = time.monotonic(), 0, 0, torch.zeros((), device=self.device)
        while True:
            rows = rows_of(rng)
            for batch, width in batches(self.data, rows, self.args.tokens, rng):
                fraction = (time.monotonic() - begun) / seconds
                if fraction >= 1:
                    self.say(f"  end: {steps} steps, {seen} pairs, {seen / len(rows):.2f} passes")
                    return master.state(self.model)
                self.model.train()
                loss = loss_of(self.model(**self.data.inputs(batch, width)).logits, self.data, batch)
                loss.backward()
                master.step(min(1.0, (steps + 1) / self.args.warmup) * (1 - fraction))
                steps, seen, sums = steps + 1, seen + len(batch), sums + loss.detach()
                if steps % self.args.log_every == 0:
                    pace = seen / (time.monotonic() - begun)
                    self.say(
                        f"  step {steps} done {fraction:.3f} {pace:.0f} pairs/s loss {sums / self.args.log_every:.4f}"
                    )
                    sums.zero_()

    def judge(self, name: str, state: State) -> float:
        """The mean accuracy over the dev sets, in per cent; a two-way set is scored two-way."""
        self.put(state)
        pack = self.dev.pack
        p = probabilities(self.model, self.dev, np.arange(len(pack)))
        sets = {}
        for k, source in enumerate(pack.names):
            rows = np.flatnonzero(pack.src == k)
            if not len(rows):
                continue
            gold, q = pack.y[rows], p[rows]
            two = (gold == NOT_ENTAILMENT).any()
            right = (q[:, ENTAILMENT] < 0.5) == (gold != ENTAILMENT) if two else q.argmax(1) == gold
            sets[source] = round(100 * float(right.mean()), 1)
        mean = float(np.mean(list(sets.values())))
        self.tally[name] = {"mean": round(mean, 2), **sets}
        self.say(name, f"{mean:.2f}", json.dumps(sets))
        return mean

    def choice(self, states: list[State]) -> Probabilities:
        """What the mean of some weights' probabilities says of every row."""
        found = np.zeros((len(self.data.pack), 3), np.float32)
        for state in states:
            self.put(state)
            found += probabilities(self.model, self.data, np.arange(len(self.data.pack)))
        return found / len(states)

    def presumed(self, p: Probabilities) -> Any:
        """Passes of the labelled rows and of hard negatives chosen by the probabilities of the candidates."""
        return lambda rng: np.concatenate([self.plain, self.candidates.choose(p, self.args.second, rng)])

    def taught(self, p: Probabilities) -> Any:
        """Soft labels for all rows, and passes that see the doubtful candidates, too, by their soft label alone."""
        self.data.soft = torch.from_numpy(p).to(self.device)
        self.data.trust = torch.full((len(p),), self.args.trust, device=self.device)
        own = p[self.candidates.rows]
        doubtful = self.candidates.rows[self.candidates.vetoed(own)]
        self.data.trust[torch.from_numpy(doubtful).to(self.device)] = 1.0
        chosen = self.presumed(own)
        return lambda rng: np.concatenate([chosen(rng), rng.permutation(doubtful)[: len(doubtful) // 2]])

    def save(self, state: State) -> None:
        """The weights in OUT/model, fp16."""
        self.put(state)
        self.model.config.hidden_dropout_prob = self.model.config.attention_probs_dropout_prob = DROPOUT
        whole = type(self.model)(self.model.config)
        whole.load_state_dict(state)
        whole.half().save_pretrained(self.args.out / "model")
        load_tokenizer(self.args.model).save_pretrained(self.args.out / "model")
        (self.args.out / "scores.json").write_text(json.dumps(self.tally, indent=1) + "\n", encoding="utf-8")


def average(parts: list[tuple[float, State]]) -> State:
    """The weighted mean of weights that descend from one another."""
    return {name: sum(share * state[name] for share, state in parts) for name in parts[0][1]}  # type: ignore[misc]


def run(args: argparse.Namespace) -> None:
    """All phases; OUT/model is written after the teachers and again at the end."""
    begun = time.monotonic()
    lab = Lab(args)
    first = {name: p.float().cpu() for name, p in lab.model.state_dict().items()}
    lab.say(f"{len(lab.plain)} pairs, {len(lab.candidates.rows)} candidates, {time.monotonic() - begun:.0f} s")
    scores = {"first": lab.judge("first", first)}
    seen = probabilities(lab.model, lab.data, lab.candidates.rows)
    teachers: list[State] = []
    for k, (seconds, lr) in enumerate(zip(args.teachers, args.lr, strict=True)):
        lab.say(f"teacher {k} at {time.monotonic() - begun:.0f} s")
        teachers.append(lab.train(first, lab.presumed(seen), lr, seconds, args.seed + k))
        scores[f"teacher {k}"] = lab.judge(f"teacher {k}", teachers[k])
        seen = probabilities(lab.model, lab.data, lab.candidates.rows)
    mean = average([(1 / len(teachers), state) for state in teachers])
    scores["teachers' mean"] = lab.judge("teachers' mean", mean)
    lab.save(mean)
    best = int(np.argmax([scores[f"teacher {k}"] for k in range(len(teachers))]))
    rows_of = lab.taught(lab.choice(teachers))
    lab.say(f"student at {time.monotonic() - begun:.0f} s, from teacher {best}")
    student = lab.train(teachers[best], rows_of, args.lr[best], args.student, args.seed + 99)
    mixes = {"student": student}
    for share in (0.85, 0.7, 0.5):
        mixes[f"student {share}, teachers' mean"] = average([(share, student), (1 - share, mean)])
    mixes["student 0.8, first"] = average([(0.8, student), (0.2, first)])
    judged = {name: lab.judge(name, state) for name, state in mixes.items()}
    pick = max(judged, key=lambda name: judged[name])
    lab.save(mixes[pick])
    lab.say(f"kept: {pick}, {judged[pick]:.2f}, at {time.monotonic() - begun:.0f} s")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="weights to start from, with config and tokenizer")
    parser.add_argument("pack", type=Path, help="pack.py --mixture whole")
    parser.add_argument("candidates", type=Path, help="pack.py --mixture candidates, of mine.py --unscored")
    parser.add_argument("dev", type=Path, help="pack.py --mixture dev: what to judge by")
    parser.add_argument("out", type=Path, help="folder for model/ and scores.json")
    parser.add_argument("--teachers", type=float, nargs="+", default=[135, 135], help="seconds of each")
    parser.add_argument("--lr", type=float, nargs="+", default=[2e-4, 1e-4], help="peak rate of each teacher")
    parser.add_argument("--student", type=float, default=190, help="seconds")
    parser.add_argument("--trust", type=float, default=0.6, help="share of the student's loss that the teachers have")
    parser.add_argument("--second", type=float, default=0.5, help="how often a claim has a second hard negative")
    parser.add_argument("--tokens", type=int, default=32768, help="padded tokens in a batch")
    parser.add_argument("--warmup", type=int, default=100, help="steps")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-every", type=int, default=100, help="steps between log lines")
    parser.add_argument("--device", default="cuda")
    return parser.parse_args()


def main() -> None:
    """Parse, prepare torch, run."""
    torch.backends.cuda.enable_cudnn_sdp(False)  # it plans anew for every shape of batch
    run(arguments())


if __name__ == "__main__":
    main()
