"""The model card's block of numbers: written by the run that made the file, read by its test.

Here lives the block's form alone. The rest of the card is written by hand and left as it is.
"""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from training.limits import Altered, Foreign, Likeness
from training.measure import Outcome

BEGIN = "<!-- numbers: written by training.train, do not edit -->"
END = "<!-- end of numbers -->"
DATA = re.compile(r"```json\n(.*?)\n```", re.DOTALL)
SETS = {
    "renders": "Renders drawn as for training, with a seed of their own",
    "plant": "Shots of the simulated plant, as `make demo` has them",
}


class Limits(NamedTuple):
    """What the file cannot do.

    Attributes:
        unfamiliar: share of pictures of the kinds it learned from that count as unfamiliar, by set.
        altered: renders that something happened to, by what it was.
        foreign: pictures that show no crop of this farm, by set.
        likeness: of parts of the photographs.
    """

    unfamiliar: dict[str, float]
    altered: dict[str, Altered]
    foreign: dict[str, Foreign]
    likeness: Likeness


def block(
    facts: dict[str, Any], results: dict[str, dict[str, Outcome]], limits: Limits | None = None
) -> str:
    """The block: facts of the run and a section for each set of pictures, then the same as JSON."""
    rows = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items())]
    parts = ["\n".join(rows)]
    for name, kinds in results.items():
        parts.append(f"### {SETS[name]}")
        parts += [_section(kind, outcome) for kind, outcome in kinds.items()]
    numbers = facts | {name: _plain_kinds(kinds) for name, kinds in results.items()}
    if limits is not None:
        parts += [_altered(limits), _foreign(limits), _likeness(limits.likeness)]
        numbers["limits"] = {
            "unfamiliar": _rounded(limits.unfamiliar),
            "altered": {name: _rounded(asdict(of)) for name, of in limits.altered.items()},
            "foreign": {name: _rounded(asdict(of)) for name, of in limits.foreign.items()},
            "likeness": _rounded(asdict(limits.likeness)),
        }
    data = json.dumps(numbers, ensure_ascii=False)
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


def _altered(limits: Limits) -> str:
    """The table of what may happen to a picture."""
    lines = [
        "### What it cannot do: altered pictures",
        "",
        "| the renders, but | stage right | p | wrong, p > 0.9 | condition right | p "
        "| wrong, p > 0.9 | unfamiliar | misled |",
        "|---" * 9 + "|",
    ]
    for name, of in limits.altered.items():
        cells = []
        for kind in ("stage", "condition"):
            cells += [of.accuracy[kind], of.confidence[kind], of.wrong[kind]]
        cells += [of.unfamiliar, of.misled]
        lines.append(f"| {name} | {' | '.join(f'{share:.3f}' for share in cells)} |")
    return "\n".join(lines)


def _foreign(limits: Limits) -> str:
    """The table of pictures from elsewhere, after those that it learned from."""
    lines = [
        "### What it cannot do: pictures from elsewhere",
        "",
        "| pictures | number | unfamiliar | AUROC | stage p > 0.9 | condition p > 0.9 | misled |",
        "|---" * 7 + "|",
    ]
    for name, share in limits.unfamiliar.items():
        lines.append(f"| {name} | | {share:.3f} | | | | |")
    for name, of in limits.foreign.items():
        shares = (of.unfamiliar, of.auroc, of.certain["stage"], of.certain["condition"], of.misled)
        told = " | ".join(f"{share:.3f}" for share in shares)
        lines.append(f"| {name} | {of.count} | {told} |")
    return "\n".join(lines)


def _likeness(of: Likeness) -> str:
    """What search by likeness is worth among photographs."""
    return (
        "### What likeness is worth among photographs\n\n"
        f"Of {of.count} parts of the photographs the nearest other one is of the same photograph "
        f"in {of.nearest:.3f} of cases (by chance {of.chance:.3f}); the cosine of two is "
        f"{of.cosine:.2f} in the middle."
    )


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    """The same with four decimals."""
    found = {}
    for name, value in values.items():
        found[name] = _rounded(value) if isinstance(value, dict) else round(value, 4)
    return found


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
