"""How new labels reach rows: as numbers by COPY; SQL in the database turns them into names again.

Which rows get labels is the business of `relabel`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from psycopg import sql

from mushroom_assets.domain.probe import KINDS, Leading
from mushroom_assets.domain.vision import Judged, Judgement
from mushroom_assets.storage.copy import Column

PROBE_COLUMNS = [f"probe_{kind}" for kind in KINDS]
PROBE_COLUMNS += [f"probe_{kind}_probability" for kind in KINDS]
PROBE_COLUMNS += [f"probe_{kind}s" for kind in KINDS]


@dataclass(frozen=True, eq=False)
class Labels:
    """New labels of n images.

    Zero-shot results, probe results by kind where there are any, and the probes' id.
    """

    zero_shot: Judged
    probes: Mapping[str, Leading]
    probe_id: str | None


def columns_of(places: npt.NDArray[np.void], labels: Labels) -> list[Column]:
    """What travels: numbers of labels (from 1, as SQL counts), not their names.

    `places` are the rows' places, in the order of the labels.
    """
    columns = [
        Column("source", "tid", places),
        Column("stage_margin", "float8", labels.zero_shot.kinds["stage"].margin),
    ]
    if labels.zero_shot.familiarity is not None:
        columns.append(Column("familiarity", "float8", labels.zero_shot.familiarity))
    for name, found in _by_column(labels).items():
        columns.append(Column(name, "int2", found.number + 1))
        columns.append(Column(f"{name}_probability", "float8", found.probability))
    for kind, judged in labels.zero_shot.kinds.items():
        for number, scores in enumerate(judged.scores.T):
            columns.append(Column(_score(kind, number), "float8", scores))
    for name, sets in _sets(labels).items():
        columns.append(Column(name, "int4", sets.number + 1))
    return columns


def values_of(labels: Labels) -> dict[str, sql.Composable]:
    """SQL of each label column by its name; NULL where a row has no labels."""
    values: dict[str, sql.Composable] = dict.fromkeys(PROBE_COLUMNS, sql.NULL)
    values["stage_margin"] = _travelled("stage_margin")
    values["familiarity"] = sql.NULL
    if labels.zero_shot.familiarity is not None:
        values["familiarity"] = _travelled("familiarity")
    for name, found in _by_column(labels).items():
        names = sql.Literal(list(found.names))
        values[name] = sql.SQL("({}::text[])[{}]").format(names, _travelled(name))
        values[f"{name}_probability"] = _travelled(f"{name}_probability")
    for name, sets in _sets(labels).items():
        # An array of arrays of several lengths cannot be: they are arrays written as text
        written = sql.Literal([_array(names) for names in sets.distinct])
        values[name] = sql.SQL("({}::text[])[{}]::text[]").format(written, _travelled(name))
    values["scores"] = _scores(labels.zero_shot.kinds)
    probe_id = sql.Literal(labels.probe_id)
    values["probe_id"] = sql.SQL("CASE WHEN usable THEN {} END").format(probe_id)
    return values


def _by_column(labels: Labels) -> dict[str, Judgement | Leading]:
    """The results by the column that names the leading label."""
    probes = {f"probe_{kind}": found for kind, found in labels.probes.items()}
    return {**labels.zero_shot.kinds, **probes}


class _Sets(NamedTuple):
    """Sets of labels of n images: those that occur, and the number of each image's, shape (n,)."""

    distinct: list[list[str]]
    number: npt.NDArray[np.intp]


def _sets(labels: Labels) -> dict[str, _Sets]:
    """The sets of the probes that are calibrated, by their column."""
    found = {}
    for kind, judged in labels.probes.items():
        if judged.members is not None:
            number = np.zeros(len(judged.members), dtype=np.intp)
            first = number[:1]
            # One label after the other: whole rows of truths take 50 times as long to compare
            for is_member in judged.members.T:
                key = 2 * number + is_member
                _, first, number = np.unique(key, return_index=True, return_inverse=True)
            rows = judged.members[first].tolist()
            distinct = [list(compress(judged.names, row)) for row in rows]
            found[f"probe_{kind}s"] = _Sets(distinct, number)
    return found


def _array(names: Sequence[str]) -> str:
    """An array of texts as PostgreSQL writes it: `{"a","b"}`."""
    quoted = [re.sub(r'(["\\])', r"\\\1", name) for name in names]
    return "{" + ",".join(f'"{name}"' for name in quoted) + "}"


def _score(kind: str, number: int) -> str:
    """The column in which the scores of a kind's label travel."""
    return f"{kind} {number}"


def _travelled(name: str) -> sql.Identifier:
    return sql.Identifier("labels", name)


def _scores(zero_shot: Mapping[str, Judgement]) -> sql.Composed:
    """The jsonb of every label's score: {kind: {label: score}}.

    It is put together as text, which takes two thirds of what jsonb_build_object takes.
    """
    parts: list[sql.Composable] = []
    before = "{"
    for kind, judged in zero_shot.items():
        before += f"{json.dumps(kind)}: {{"
        for number, name in enumerate(judged.names[:-1]):
            parts.append(sql.Literal(f"{before}{json.dumps(name)}: "))
            parts.append(_travelled(_score(kind, number)))
            before = ", "
        before = "}, "
    return sql.SQL("({} || '}}}}')::jsonb").format(sql.SQL(" || ").join(parts))
