"""The weighted average of several weights of one line of descent: often better than the best of them, at no cost.

Runs that start from one another end in one basin, where what they have in common is kept and what each has by chance
cancels. Source: Wortsman et al., "Model soups", ICML 2022 (arXiv 2203.05482).

Example: average.py OUT STAGE1:0.2 STAGE2:0.3 STAGE3:0.5
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from packed import load_model, load_tokenizer


def part(text: str) -> tuple[Path, float]:
    """ "FOLDER:SHARE" -> both; ValueError for anything else."""
    folder, _, share = text.rpartition(":")
    return Path(folder), float(share)


def main() -> None:
    """Average, write weights, config and tokenizer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write; the last part's config and tokenizer go with it")
    parser.add_argument("parts", type=part, nargs="+", metavar="FOLDER:SHARE", help="weights and what they count for")
    args = parser.parse_args()
    total = sum(share for _, share in args.parts)
    models = [(load_model(folder, torch.device("cpu")), share / total) for folder, share in args.parts]
    states = [(model.state_dict(), share) for model, share in models]
    last = models[-1][0]
    last.load_state_dict(
        {
            name: sum(share * state[name].float() for state, share in states) if value.is_floating_point() else value
            for name, value in states[-1][0].items()
        }
    )
    last.save_pretrained(args.out)
    load_tokenizer(args.parts[-1][0]).save_pretrained(args.out)
    print(
        f"{args.out}: "
        + ", ".join(f"{share:.2f} of {folder}" for (folder, _), (_, share) in zip(args.parts, models, strict=True))
    )


if __name__ == "__main__":
    main()
