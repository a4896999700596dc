"""Train the attribution tagger: cues, then the source and the content of each cue.

One encoder reads a window of sentences. Its upper layers exist twice: one copy tags cues ("said", "according to"); the
other reads the lower layers' output around one cue, that cue marked, and tags its source and its content. So nested
attributions cost no tricks, and most of the work is shared by all cues of a window. Word embeddings stay as they are
and are not saved: the retrieval encoder has them.

Example: attribution.py ENCODER DATA.jsonl.gz RUN          (again with the same RUN to resume)
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from packed import half, pick_device, read_lines
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import BertModel

from onrecord_server.domain.types import Span, TaggedAttribution
from onrecord_server.ingest.scan import read_all
from onrecord_server.ingest.text import readable, sentences
from onrecord_server.nli.tokens import read_tokenizer
from onrecord_server.nli.windows import CLS, FEATURES, OWN, SEP, Pieces, around, own_hint, read_pieces

CUE_TAGS = ("O", "B", "I")
ARGUMENT_TAGS = ("O", "B-source", "I-source", "B-content", "I-content")
LONGEST = 224  # pieces of a training window


@dataclass
class Example:
    """A document: pieces, cue tag of each piece (-1 where it is not a word's first), and its attributions.

    An attribution is (first and last piece of the cue, its words [first, last), argument tag of each word).
    """

    pieces: Pieces
    cues: npt.NDArray[np.int8]
    attributions: list[tuple[int, int, tuple[int, int], npt.NDArray[np.int8]]]


@dataclass
class Batch:
    """Padded windows, and stretches of them around cues, several of which share a row.

    ids (N, L), features (N, L, F), mask (N, L), cues (N, L). All else (M, R). places: where in the windows, counted
    through all rows, each place of the stretches lies; marks: 0 before, 1 in, 2 after the cue; own: what the rules say
    of the cue; owners: number of the stretch in its row, 0 for padding. Tags are -1 where there is nothing to learn.
    """

    ids: Tensor
    features: Tensor
    mask: Tensor
    cues: Tensor
    places: Tensor
    marks: Tensor
    own: Tensor
    owners: Tensor
    tags: Tensor


class Tagger(nn.Module):
    """See the module's docstring.

    shared: layers that cues and arguments have in common. frozen: of these, the lowest, which stay as they are.
    Features are added to what comes out of them.
    """

    def __init__(self, encoder: Path, shared: int, frozen: int) -> None:
        super().__init__()
        self.frozen = frozen

        def upper() -> tuple[BertModel, nn.ModuleList]:
            bert = BertModel.from_pretrained(
                encoder,
                dtype=torch.float32,
                attn_implementation="eager",  # the fused one's backward pass in bf16 is slow on a CPU
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
                add_pooling_layer=False,
            )
            return bert, nn.ModuleList(bert.encoder.layer[shared:])

        bert, self.cue_layers = upper()
        _, self.argument_layers = upper()
        self.config = bert.config
        width = self.config.hidden_size
        self.embeddings = bert.embeddings.requires_grad_(False)
        self.trunk = nn.ModuleList(bert.encoder.layer[:shared])
        for layer in self.trunk[:frozen]:
            layer.requires_grad_(False)
        self.features = nn.ModuleList(nn.Embedding(size, width) for size in FEATURES)
        self.marks = nn.Embedding(3, width)
        self.own = nn.Embedding(OWN, width)
        for table in (*self.features, self.marks, self.own):
            nn.init.normal_(table.weight, std=0.01)
        self.cue_head = nn.Linear(width, len(CUE_TAGS))
        self.argument_head = nn.Linear(width, len(ARGUMENT_TAGS))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits of the cue tags (N, L, 3) and of the argument tags (M, R, 5)."""
        mask = _additive(batch.mask[:, None, :])
        with torch.no_grad():
            states = self.embeddings(input_ids=batch.ids)
            for layer in self.trunk[: self.frozen]:
                states = layer(states, mask)
        for number, table in enumerate(self.features):
            states = states + table(batch.features[:, :, number])
        for layer in self.trunk[self.frozen :]:
            states = layer(states, mask)
        around_cues = states.flatten(0, 1)[batch.places] + self.marks(batch.marks) + self.own(batch.own)
        for layer in self.cue_layers:
            states = layer(states, mask)
        mask = _additive(batch.owners[:, :, None] == batch.owners[:, None, :])
        for layer in self.argument_layers:
            around_cues = layer(around_cues, mask)
        return self.cue_head(states), self.argument_head(around_cues)


def _additive(mask: Tensor) -> Tensor:
    return (1.0 - mask[:, None].float()) * -30000.0


def read_example(tokenizer: Any, row: dict[str, Any]) -> Example:
    """One line of the data: `text`, and `attributions` of `source`, `cue`, `content` as lists of [start, end)."""
    text = readable(row["text"])
    parts = sentences(text)
    hints = [TaggedAttribution(a.source, a.cue, a.content, 1.0) for a in read_all(parts, rare=True)]
    pieces = read_pieces(tokenizer, text, [Span(s.start, s.end) for s in parts], hints)
    cues = np.full(len(pieces.ids), -1, np.int8)
    cues[pieces.first] = 0
    found = []
    for a in row["attributions"]:
        held = np.flatnonzero(_within(pieces, a["cue"]))
        if not len(held):
            continue
        cues[pieces.first[held]] = 2
        cues[pieces.first[held[0]]] = 1
        tags = np.zeros(len(pieces.starts), np.int8)
        for base, spans in ((1, a["source"]), (3, a["content"])):
            for span in spans:
                words = np.flatnonzero(_within(pieces, [span]))
                if len(words):
                    tags[words] = base + 1
                    tags[words[0]] = base
        last = int(pieces.first[held[-1] + 1]) if held[-1] + 1 < len(pieces.first) else len(pieces.ids)
        cue = int(held[0]), int(held[-1]) + 1
        found.append((int(pieces.first[held[0]]), last, cue, tags))
    return Example(pieces, cues, found)


def _within(pieces: Pieces, spans: list[list[int]]) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(pieces.starts), bool)
    for start, end in spans:
        inside |= (pieces.starts >= start) & (pieces.starts < end)
    return inside


def cut(example: Example, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Windows (first and last piece) that cover the document once; where they begin differs from epoch to epoch."""
    units = example.pieces.units
    at, most = 0, int(rng.integers(LONGEST // 3, LONGEST + 1))
    while at < len(units) - 1:
        end = at + 1
        while end < len(units) - 1 and units[end + 1] - units[at] <= most:
            end += 1
        yield int(units[at]), int(units[end])
        at, most = end, LONGEST


def epoch_batches(examples: list[Example], size: int, seed: int, epoch: int) -> list[list[tuple[int, int, int]]]:
    """Batches of (document, first, last), `size` pieces each: a function of seed and epoch alone."""
    rng = np.random.default_rng([seed, epoch])
    every = [(i, *w) for i, example in enumerate(examples) for w in cut(example, rng)]
    order = rng.permutation(len(every))
    batches: list[list[tuple[int, int, int]]] = []
    for start in range(0, len(order), 256):  # like lengths together, within a shuffled stretch
        some = sorted((every[i] for i in order[start : start + 256]), key=lambda w: w[2] - w[1])
        held: list[tuple[int, int, int]] = []
        for window in some:
            if held and (window[2] - window[1] + 2) * (len(held) + 1) > size:
                batches.append(held)
                held = []
            held.append(window)
        batches.append(held)
    return [batches[i] for i in rng.permutation(len(batches))]


def collate(examples: list[Example], batch: list[tuple[int, int, int]]) -> Batch:
    """Pad windows and stretches; [CLS] stands at 0, so a piece stands one place after its number in the window."""
    width = max(last - first for _, first, last in batch) + 2
    shape = (len(batch), width)
    ids, mask, cues = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
    features = np.zeros((*shape, len(FEATURES)), np.int64)
    stretches: list[_Stretch] = []
    for row, (number, first, last) in enumerate(batch):
        example = examples[number]
        pieces, n = example.pieces, last - first
        ids[row, : n + 2] = [CLS, *pieces.ids[first:last], SEP]
        mask[row, : n + 2] = 1
        features[row, 1 : n + 1] = pieces.features[first:last]
        cues[row, 1 : n + 1] = example.cues[first:last]
        for start, end, cue, tags in example.attributions:
            if first <= start and end <= last:
                low, high = around(pieces, (start, end), (first, last))
                words = pieces.word[low:high]
                learn = np.where(pieces.first[words] == np.arange(low, high), tags[words], -1)
                places = np.arange(low, high) - first + 1 + row * width
                marks = np.repeat([0, 1, 2], [start - low, end - start, high - end])
                stretches.append((places, marks, own_hint(pieces, cue, (low, high)), learn))
    rows = _packed(stretches)
    shape = (len(rows), max((sum(len(one[0]) for one in row) for row in rows), default=1))
    places, marks, own, owners, tags_ = (np.zeros(shape, np.int64) for _ in range(5))
    tags_ -= 1
    for k, row_ in enumerate(rows):
        at = 0
        for number, (place, mark, hint, learn) in enumerate(row_, start=1):
            here = slice(at, at + len(place))
            places[k, here], marks[k, here], own[k, here] = place, mark, hint
            owners[k, here], tags_[k, here] = number, learn
            at = here.stop
    arrays = (ids, features, mask, cues, places, marks, own, owners, tags_)
    return Batch(*(torch.from_numpy(a) for a in arrays))


_Stretch = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]


def _packed(stretches: list[_Stretch]) -> list[list[_Stretch]]:
    """Stretches in rows of like length, so that little is padding: the longest first, each into the first with room."""
    rows: list[list[_Stretch]] = []
    room: list[int] = []
    for one in sorted(stretches, key=lambda one: -len(one[0])):
        n = len(one[0])
        k = next((k for k, free in enumerate(room) if free >= n), -1)
        if k < 0:
            rows.append([])
            room.append(max(200, n))
            k = len(rows) - 1
        rows[k].append(one)
        room[k] -= n
    return rows


def loss_of(cue_logits: Tensor, argument_logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of all tags, per thousand pieces read."""
    entropy = nn.functional.cross_entropy
    cues = entropy(cue_logits.float().flatten(0, 1), batch.cues.flatten(), ignore_index=-1, reduction="sum")
    tags = entropy(argument_logits.float().flatten(0, 1), batch.tags.flatten(), ignore_index=-1, reduction="sum")
    return (cues + 0.5 * tags) / max(1, int(batch.mask.sum())) * 10


def optimizer_for(model: Tagger, lr: float) -> torch.optim.AdamW:
    """AdamW; what begins from nothing learns five times as fast."""
    fresh = [*model.features.parameters(), *model.marks.parameters(), *model.own.parameters()]
    fresh += [*model.cue_head.parameters(), *model.argument_head.parameters()]
    known = {id(p) for p in fresh}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    groups = [{"params": rest, "share": 1.0}, {"params": fresh, "share": 5.0}]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True)


def rate(fraction: float, step: int, warmup: int) -> float:
    """Share of the learning rate: warm-up, then a straight line to zero."""
    return min(1.0, (step + 1) / warmup) * max(0.0, 1.0 - fraction)


def export(model: Tagger, out: Path, older: dict[str, Tensor] | None = None, mix: float = 0.0) -> None:
    """Write what is not in the retrieval encoder, in fp16, and the config. older: weights that count for `mix`."""
    out.mkdir(parents=True, exist_ok=True)
    states = {k: v.detach() for k, v in model.state_dict().items() if "embeddings." not in k}
    if older:
        states = {k: torch.lerp(v.float().cpu(), older[k].float(), mix) for k, v in states.items()}
    tensors = {k: v.half().contiguous() for k, v in states.items()}
    save_file(tensors, out / "model.safetensors")
    keys = ("hidden_size", "intermediate_size", "num_attention_heads", "layer_norm_eps", "hidden_act", "model_type")
    config = {key: getattr(model.config, key) for key in keys}
    config |= {
        "shared_layers": len(model.trunk),
        "upper_layers": len(model.cue_layers),
        "features_after": model.frozen,
        "cue_tags": CUE_TAGS,
        "argument_tags": ARGUMENT_TAGS,
        "feature_sizes": FEATURES,
    }
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def train(args: argparse.Namespace) -> None:
    """Run, or resume, to the end."""
    device = pick_device(args.device)
    tokenizer = read_tokenizer(args.encoder)
    rows = read_lines(args.data)
    kept = rows if args.all else [row for i, row in enumerate(rows) if i % args.hold_out]
    examples = [read_example(tokenizer, row) for row in kept]
    print(f"{len(examples)} articles, {sum(len(e.pieces.ids) for e in examples)} pieces", flush=True)
    torch.manual_seed(args.seed)
    model = Tagger(args.encoder, args.shared, args.frozen).to(device)
    if args.init:
        model.load_state_dict(
            {k: v.float() for k, v in load_file(args.init / "model.safetensors").items()}, strict=False
        )
    optimizer = optimizer_for(model, args.lr)
    epochs = [epoch_batches(examples, args.pieces, args.seed, e) for e in range(args.epochs)]
    plan = [batch for batches in epochs for batch in batches]
    args.out.mkdir(parents=True, exist_ok=True)
    checkpoint, began, average = args.out / "checkpoint.pt", 0, 0.0
    started = time.time()
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        began, started = state["step"], state["started"]
        print(f"resumed at step {began} of {len(plan)}", flush=True)
    model.train()
    saved = begun = time.time()
    end = args.end.astimezone().timestamp() if args.end else 0.0
    for step in range(began, len(plan)):
        done = step / len(plan)
        if end:
            done = max(done, (time.time() - started) / (end - started))
        if done >= 1:
            break
        share = rate(done, step, args.warmup)
        for group in optimizer.param_groups:
            group["lr"] = args.lr * share * group["share"]
        batch = collate(examples, plan[step])
        batch = Batch(*(getattr(batch, name).to(device) for name in Batch.__dataclass_fields__))
        with torch.autocast(device.type, torch.bfloat16, enabled=half(device)):
            logits = model(batch)
        loss = loss_of(*logits, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average = loss.item() if step == began else 0.95 * average + 0.05 * loss.item()
        if step % 20 == 0:
            each = (time.time() - begun) / (step - began + 1)
            print(f"step {step} of {len(plan)} loss {average:.4f} done {done:.3f} {each:.2f} s a step", flush=True)
        if time.time() - saved > 60 * args.save_every or step + 1 == len(plan):
            saved = time.time()
            state = {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step + 1,
                "started": started,
            }
            torch.save(state, checkpoint.with_suffix(".tmp"))
            os.replace(checkpoint.with_suffix(".tmp"), checkpoint)
            export(model, args.out / "model")
    older = load_file(args.init / "model.safetensors") if args.mix else None
    export(model, args.out / "model", older, args.mix)


def main() -> None:
    """Parse, prepare torch, run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder", type=Path, help="the retrieval encoder's folder")
    parser.add_argument("data", type=Path, help="annotated articles, gzipped JSON lines")
    parser.add_argument("out", type=Path, help="run folder: checkpoint.pt, model/")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument(
        "--end", type=datetime.fromisoformat, help="end by the clock, if the epochs are not done before"
    )
    parser.add_argument("--lr", type=float, default=2.5e-4)
    parser.add_argument("--warmup", type=int, default=60, help="steps")
    parser.add_argument("--shared", type=int, default=4, help="layers that cues and arguments share")
    parser.add_argument("--frozen", type=int, default=3, help="lowest of these that stay as they are")
    parser.add_argument("--init", type=Path, help="folder of a trained tagger to go on from")
    parser.add_argument(
        "--mix", type=float, default=0.0, help="share of --init's weights in what is written at the end"
    )
    parser.add_argument("--pieces", type=int, default=1024, help="padded pieces in a batch")
    parser.add_argument("--hold-out", type=int, default=14, help="every N-th article is kept for decisions")
    parser.add_argument("--all", action="store_true", help="hold nothing out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save-every", type=float, default=3, help="minutes between checkpoints")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)  # vanishing Adam moments become denormals, which CPUs compute slowly
    train(args)


if __name__ == "__main__":
    main()
