"""The model card's block of numbers: written by the run that made the file, read by its test.

Here lives the block's form alone. The rest of the card is written by hand and left as it is.
"""

import json
import re
from pathlib import Path
from typing import Any

from training.measure import Outcome

BEGIN = "<!-- numbers: written by training.train, do not edit -->"
END = "<!-- end of numbers -->"
DATA = re.compile(r"```json\n(.*?)\n```", re.DOTALL)
SETS = {
    "renders": "Renders drawn as for training, with a seed of their own",
    "plant": "Shots of the simulated plant, as `make demo` has them",
}


def block(facts: dict[str, Any], results: dict[str, dict[str, Outcome]]) -> str:
    """The block: facts of the run and a section for each set of pictures, then the same as JSON."""
    rows = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items())]
    parts = ["\n".join(rows)]
    for name, kinds in results.items():
        parts.append(f"### {SETS[name]}")
        parts += [_section(kind, outcome) for kind, outcome in kinds.items()]
    data = json.dumps(facts | {name: _plain_kinds(kinds) for name, kinds in results.items()})
    summary = "<details><summary>The same for programs</summary>"
    parts.append(f"{summary}\n\n```json\n{data}\n```\n\n</details>")
    return "\n\n".join(parts)


def _section(kind: str, of: Outcome) -> str:
    heads = [f"says {name}" for name in of.labels]
    lines = [
        f"**{kind}**: accuracy {of.accuracy:.4f} over {of.count} pictures; "
        f"mean confidence {of.confidence:.4f}, "
        f"expected calibration error {of.error:.4f} (15 bins); "
        f"{of.unknown:.1%} come out as `unknown`",
        "",
        f"| shown | {' | '.join(heads)} | right |",
        "|---" * (len(heads) + 2) + "|",
    ]
    for name, row in zip(of.labels, of.confusion.tolist(), strict=True):
        if sum(row):
            lines.append(f"| {name} | {' | '.join(map(str, row))} | {of.recalls[name]:.3f} |")
    return "\n".join(lines)


def _plain_kinds(kinds: dict[str, Outcome]) -> dict[str, Any]:
    return {kind: _plain(outcome) for kind, outcome in kinds.items()}


def _plain(of: Outcome) -> dict[str, Any]:
    return {
        "labels": of.labels,
        "count": of.count,
        "accuracy": round(of.accuracy, 4),
        "error": round(of.error, 4),
        "confidence": round(of.confidence, 4),
        "unknown": round(of.unknown, 4),
        "confusion": of.confusion.tolist(),
    }


def write(card: Path, text: str) -> None:
    """Put a block between the card's markers."""
    before, _, rest = card.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    card.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def read(card: Path) -> dict[str, Any]:
    """The numbers that a card holds."""
    _, _, rest = card.read_text(encoding="utf-8").partition(BEGIN)
    found = DATA.search(rest.partition(END)[0])
    if found is None:
        raise ValueError(f"{card} has no block of numbers: python -m training.train writes it")
    numbers: dict[str, Any] = json.loads(found[1])
    return numbers
