"""Fine-tune the classifier on a pack: warm-up, constant rate, decay to zero, resumable.

The schedule runs on wall-clock time or on steps. By time (--end or --minutes) suits a machine shared with others: the
process may be stopped for minutes and still ends its decay in time. By steps (--epochs) is exactly repeatable.
The data order depends on the seed and the position alone, so a resumed run goes on where it was.

Example: train.py MODEL PACK.npz RUN --minutes 90 --freeze 4        (again with the same RUN to resume)
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from packed import (
    NEUTRAL,
    IntArray,
    Packed,
    collate,
    half,
    load_model,
    load_tokenizer,
    pick_device,
    token_batches,
)

CHUNK = 16000  # rows sorted by length together; small enough that a stretch of training sees all sources


@dataclass
class Position:
    """Where a run is: epoch and batch within it, and what the log and the schedule need."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seen: int = 0
    loss: float = 0.0
    started: float = 0.0


def epoch_batches(lengths: npt.NDArray[Any], tokens: int, seed: int, epoch: int) -> list[IntArray]:
    """One epoch's batches: shuffled, sorted by length within chunks, then the batches of a chunk shuffled."""
    rng = np.random.default_rng([seed, epoch])
    rows = rng.permutation(len(lengths))
    batches: list[IntArray] = []
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
        cut = list(token_batches(lengths, chunk, tokens, max(96, tokens // 32)))
        batches += [cut[i] for i in rng.permutation(len(cut))]
    return batches


def batches_from(pack: Packed, args: argparse.Namespace, at: Position) -> Iterator[tuple[int, int, IntArray]]:
    """Endless (epoch, batch number, rows), from a position on."""
    epoch, first = at.epoch, at.batch
    while True:
        for number, rows in enumerate(epoch_batches(pack.n, args.tokens, args.seed, epoch)):
            if number >= first:
                yield epoch, number, rows
        epoch, first = epoch + 1, 0


def make_batch(
    pack: Packed, rows: IntArray, shuffle: float, rng: np.random.Generator
) -> tuple[list[npt.NDArray[np.uint16]], list[int], list[int]]:
    """Token rows, hypothesis lengths, labels.

    A few rows get another row's hypothesis and become neutral: the plainest "not mentioned".
    """
    donors = np.where(rng.random(len(rows)) < shuffle, rng.permutation(rows), -1)
    tokens, lengths, labels = [], [], []
    for i, donor in zip(rows, donors, strict=True):
        row, h, label = pack.row(i), int(pack.h[i]), int(pack.y[i])
        if donor >= 0 and donor != i:
            other = int(pack.h[donor])
            row, h, label = np.concatenate([row[:-h], pack.row(donor)[-other:]])[-512:], other, NEUTRAL
        tokens.append(row)
        lengths.append(h)
        labels.append(label)
    return tokens, lengths, labels


def loss_of(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy; a two-way "not entailment" counts what neutral and contradiction have together."""
    log_p = torch.log_softmax(logits.float(), -1)
    four = torch.cat([log_p, torch.logsumexp(log_p[:, 1:], -1, keepdim=True)], 1)
    return -four.gather(1, labels[:, None]).mean()


def _one_core() -> None:
    """Settings that belong to a thread: no threads of its own, and no denormals."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


class Lanes:
    """Forward and backward of a step's batch, dealt out in slices to threads of one core each.

    Threads that share each product wait for the slowest at every one of them; slices wait once a step, which counts
    most where other work takes a core now and then. Gradients add up under autograd's own lock; with more than one
    lane the order of that sum, and so the last bits, vary from run to run.
    """

    def __init__(self, count: int, bf16: bool, device: torch.device) -> None:
        self._count, self._bf16, self._device = count, bf16, device
        self._pool = ThreadPoolExecutor(count, initializer=_one_core) if count > 1 else None

    def step(self, model: Any, tokens: list[Any], lengths: list[int], labels: list[int]) -> float:
        """Leaves gradients of the mean loss behind and returns it."""
        if self._pool is None:
            return self._slice(model, tokens, lengths, labels, len(labels))
        size = -(-len(labels) // self._count)
        parts = [slice(i, i + size) for i in range(0, len(labels), size)]
        done = [self._pool.submit(self._slice, model, tokens[p], lengths[p], labels[p], len(labels)) for p in parts]
        return sum(one.result() for one in done)

    def _slice(self, model: Any, tokens: list[Any], lengths: list[int], labels: list[int], total: int) -> float:
        inputs = collate(tokens, lengths, self._device)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            logits = model(**inputs).logits
        loss = loss_of(logits, torch.tensor(labels, device=self._device)) * (len(labels) / total)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()


def rate(fraction: float, steps_here: int, warmup: int, decay: float) -> float:
    """Share of the learning rate: warm-up by steps (also after a resume), decay to zero over the last part."""
    up = min(1.0, (steps_here + 1) / warmup)
    down = max(0.0, 1.0 - fraction) / decay if fraction > 1 - decay else 1.0
    return up * down


def make_optimizer(model: Any, lr: float) -> torch.optim.AdamW:
    """AdamW on what is not frozen; no decay on biases and norms."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98), fused=True)


def freeze(model: Any, layers: int) -> None:
    """Freeze embeddings and the lowest layers; -1 trains everything."""
    if layers < 0:
        return
    model.bert.embeddings.requires_grad_(False)
    for layer in model.bert.encoder.layer[:layers]:
        layer.requires_grad_(False)


def save_checkpoint(path: Path, model: Any, optimizer: Any, at: Position, rng: np.random.Generator) -> None:
    """Tensors and plain values only, so that loading never unpickles code; written aside, then moved into place."""
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "position": json.dumps(asdict(at)),
        "rng": json.dumps(rng.bit_generator.state),
    }
    aside = path.with_suffix(".tmp")
    torch.save(state, aside)
    os.replace(aside, path)


def load_checkpoint(path: Path, model: Any, optimizer: Any, rng: np.random.Generator) -> Position:
    """Put a run back where its last checkpoint was."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    rng.bit_generator.state = json.loads(state["rng"])
    return Position(**json.loads(state["position"]))


def fraction_done(args: argparse.Namespace, at: Position, rows: int) -> float:
    """How much of the run is over, by the clock or by rows seen."""
    if args.epochs:
        return at.seen / float(args.epochs * rows)
    end: float = args.end.timestamp() if args.end else at.started + 60 * args.minutes
    return (time.time() - at.started) / (end - at.started)


class Stop:
    """Set by SIGTERM, so that stopping a run costs no work: the loop then writes its checkpoint and leaves."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True


def save_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """The weights in fp32 for evaluate.py and export.py."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def train(args: argparse.Namespace) -> None:
    """The run; returns with the decayed weights in OUT/model."""
    device = pick_device(args.device)
    torch.manual_seed(args.seed)
    pack, model = Packed.load(args.pack), load_model(args.model, device)
    if args.bf16 and device.type == "cpu":
        model.set_attn_implementation("eager")  # the fused one's backward pass in bf16 is slow on a CPU
    freeze(model, args.freeze)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer, rng, at = make_optimizer(model, args.lr), np.random.default_rng(args.seed), Position(started=time.time())
    args.out.mkdir(parents=True, exist_ok=True)
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        at = load_checkpoint(checkpoint, model, optimizer, rng)
        print(f"resumed at step {at.step}", flush=True)
    lanes, stop = Lanes(args.lanes, args.bf16, device), Stop()
    first_step, first_seen, begun, saved = at.step, at.seen, time.time(), time.time()
    model.train()
    for epoch, number, rows in batches_from(pack, args, at):
        fraction = fraction_done(args, at, len(pack))
        if fraction >= 1:
            break
        share = rate(fraction, at.step - first_step, args.warmup, args.decay)
        for group in optimizer.param_groups:
            group["lr"] = args.lr * share
        loss = lanes.step(model, *make_batch(pack, rows, args.shuffle, rng))
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        at.loss = loss if at.step == 0 else 0.99 * at.loss + 0.01 * loss
        at.epoch, at.batch, at.step, at.seen = epoch, number + 1, at.step + 1, at.seen + len(rows)
        if at.step % args.log_every == 0:
            speed = (at.seen - first_seen) / (time.time() - begun)
            print(
                f"step {at.step} epochs {at.seen / len(pack):.3f} pairs {at.seen} {speed:.1f}/s loss {at.loss:.4f} "
                f"lr {args.lr * share:.2e} done {fraction:.3f}",
                flush=True,
            )
        if time.time() - saved > 60 * args.save_every:
            saved = time.time()
            save_checkpoint(checkpoint, model, optimizer, at, rng)
        if stop.asked:
            save_checkpoint(checkpoint, model, optimizer, at, rng)
            print(f"stopped at step {at.step}; run again to go on", flush=True)
            return
    save_checkpoint(checkpoint, model, optimizer, at, rng)
    save_model(model, load_tokenizer(args.model), args.out / "model")
    print(f"finished: {at.seen} pairs, {at.step} steps, loss {at.loss:.4f}", flush=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="weights to start from, with config and tokenizer")
    parser.add_argument("pack", type=Path, help="pack.py's output")
    parser.add_argument("out", type=Path, help="run folder: checkpoint.pt, then model/")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, help="length of the run by the clock")
    length.add_argument("--end", type=datetime.fromisoformat, help="when the decay must have reached zero")
    length.add_argument("--epochs", type=float, help="length of the run in passes over the pack")
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--decay", type=float, default=0.25, help="last part of the run that decays to zero")
    parser.add_argument("--warmup", type=int, default=150, help="steps")
    parser.add_argument("--freeze", type=int, default=4, help="lowest layers frozen with the embeddings; -1: none")
    parser.add_argument("--tokens", type=int, default=3072, help="padded tokens in a batch (65536 on a GPU)")
    parser.add_argument("--shuffle", type=float, default=0.02, help="share of rows that get a foreign hypothesis")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save-every", type=float, default=10, help="minutes between checkpoints")
    parser.add_argument("--log-every", type=int, default=100, help="steps between log lines")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of one lane; 0 leaves torch's choice")
    parser.add_argument("--lanes", type=int, default=1, help="threads that share a batch, one core each")
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, help="autocast; by default where it is fast")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    if args.bf16 is None:
        args.bf16 = half(pick_device(args.device))
    if args.end and args.end.tzinfo is None:
        args.end = args.end.astimezone()
    return args


def main() -> None:
    """Parse, prepare torch, run."""
    args = arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)  # vanishing Adam moments become denormals, which CPUs compute slowly
    train(args)


if __name__ == "__main__":
    main()
