"""A year at once: the assets' own work against the plain way, bare SQL, DuckDB and a bare read.

    make bench, or: python benchmarks/bench_backfill.py [--quick | --full] [--runs N] [--json FILE]
        [--only TEXT]

Every case has a database of its own in one embedded PostgreSQL. All peers work over the same rows
in the same run, each pass in a fresh process, in turn; figures are medians of the runs. Own work is
read, compute, write and the metadata of every partition, without pictures and without Dagster's
events. Memory is the client's peak, its imports and all. The plain way works through some of the
days, and its seconds are scaled to all of them. Where the peers' answers differ the benchmark
fails.
"""

import argparse
import itertools
import json
import math
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backfill_data import Case, export, fill
from backfill_peers import PEERS, Figure, measure

from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.storage.connection import Database, Limits

QUICK = [Case("environment", 1, 31), Case("environment", 4, 31), Case("setpoints", 1, 31)]
USUAL = [
    Case("environment", 1, 365),
    Case("environment", 4, 365),
    Case("environment", 40, 31),
    Case("setpoints", 4, 31),
]
FULL = [*USUAL, Case("environment", 40, 365), Case("setpoints", 4, 365)]
# What the own work must stay below: times bare SQL, times the plain way, MB, microseconds a sample
# of four rooms.
TARGETS = {"/sql": 1.5, "/plain": 1 / 8, "MB": 1500.0, "/4 rooms": 1.2}


def run_case(case: Case, url: str, runs: int, plain_days: int, parquet: Path) -> dict[str, Any]:
    """Fill a database, let every peer work `runs` times over it, drop it.

    Returns:
        what the JSON says of it.
    """
    server = Database(url)
    name = f"backfill_{case.kind}_{case.rooms}_{case.days}"
    own = url.replace("/postgres?", f"/{name}?")
    started = time.perf_counter()
    with server.session() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    database = Database(own, limits=Limits(statement_timeout_s=3600))
    samples = fill(database, case)
    export(database, case, parquet)
    database.dispose()
    print(
        f"{case.name}: {samples:,} samples made in {time.perf_counter() - started:.0f} s",
        flush=True,
    )
    figures: dict[str, list[Figure]] = {peer: [] for peer in PEERS}
    for _ in range(runs):
        for peer, measured in figures.items():
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
                measured.append(
                    fresh.submit(measure, peer, case, own, parquet, plain_days).result()
                )
    with server.session() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()
    parquet.unlink()
    return result(case, samples, figures, case.days / plain_days)


def medians(runs: Sequence[Figure]) -> dict[str, Any]:
    """What the JSON says of a peer."""
    seconds = [run.seconds for run in runs]
    return {
        "seconds": statistics.median(seconds),
        "peak_mb": statistics.median(run.peak_mb for run in runs),
        "runs": seconds,
    }


def result(
    case: Case, samples: int, figures: dict[str, list[Figure]], plain_scale: float
) -> dict[str, Any]:
    """Medians by peer, and ours in relation to the others.

    Raises:
        SystemExit: the peers' answers differ.
    """
    every = itertools.chain.from_iterable(figures.values())
    answers = {figure.answer for figure in every if figure.answer is not None}
    if not math.isclose(min(answers), max(answers), rel_tol=1e-9):
        raise SystemExit(f"{case.name}: the peers' answers differ: {figures}")
    peers = {peer: medians(runs) for peer, runs in figures.items()}
    peers["plain"]["seconds"] *= plain_scale
    ours = peers["ours"]
    ratios = {"us/sample": ours["seconds"] / samples * 1e6, "MB": ours["peak_mb"]}
    ratios |= {f"/{peer}": ours["seconds"] / peers[peer]["seconds"] for peer in ("sql", "plain")}
    return {"case": case.name, **asdict(case), "samples": samples, "peers": peers, "ours": ratios}


def against_four_rooms(results: Sequence[dict[str, Any]]) -> None:
    """Add to each environment case its time a sample over that of four rooms.

    Of four rooms the longest span counts.
    """
    four = [found for found in results if (found["kind"], found["rooms"]) == ("environment", 4)]
    if four:
        base = max(four, key=lambda found: found["days"])["ours"]["us/sample"]
        for found in results:
            if found["kind"] == "environment":
                found["ours"]["/4 rooms"] = found["ours"]["us/sample"] / base


def table(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The results as lines of text."""
    names = ("us/sample", "/sql", "/plain", "/4 rooms", "MB")
    yield f"{'':36}{'samples':>12}{'seconds':^50}{'ours':^50}"
    yield f"{'':48}" + "".join(f"{name:>10}" for name in (*PEERS, *names))
    for found in results:
        seconds = "".join(f"{figure['seconds']:10.2f}" for figure in found["peers"].values())
        ours = "".join(
            f"{found['ours'][name]:10.3g}" if name in found["ours"] else f"{'':10}"
            for name in names
        )
        yield f"{found['case']:36}{found['samples']:12,}{seconds}{ours}"
    yield f"{'target, at most':98}" + "".join(f"{TARGETS.get(name, ''):>10}" for name in names)
    yield f"\n{'peak memory, MB':48}" + "".join(f"{peer:>10}" for peer in PEERS)
    for found in results:
        yield f"{found['case']:48}" + "".join(
            f"{figure['peak_mb']:10.0f}" for figure in found["peers"].values()
        )


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--quick", action="store_true", help="a month of one and four rooms: half a minute"
    )
    size.add_argument(
        "--full", action="store_true", help="also years of 63 and 65 million samples: 10 GB of disk"
    )
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument(
        "--runs", type=int, default=3, help="passes of every peer (default %(default)s)"
    )
    parser.add_argument(
        "--plain-days", type=int, default=14, help="days of the plain way (default %(default)s)"
    )
    parser.add_argument(
        "--json", type=Path, default=Path("bench_backfill.json"), help="default %(default)s"
    )
    parser.add_argument(
        "--home", type=Path, help="folder for the data (default: the system's for temporary files)"
    )
    return parser.parse_args()


def main() -> None:
    """Run the cases, print the table, write the JSON."""
    given = arguments()
    cases = QUICK if given.quick else FULL if given.full else USUAL
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=given.home) as home,
        embedded_postgres(Path(home) / "pg") as url,
    ):
        with Database(url).transaction() as connection:
            version = connection.exec_driver_sql("SHOW server_version").scalar_one()
        results = [
            run_case(case, url, given.runs, given.plain_days, Path(home) / "samples.parquet")
            for case in cases
            if given.only in case.name
        ]
    against_four_rooms(results)
    about = {
        "cores": os.cpu_count(),
        "postgresql": version,
        "runs": given.runs,
        "plain_days": given.plain_days,
    }
    print(f"\n{about}; the plain way is scaled from its days to all\n")
    print("\n".join(table(results)))
    given.json.write_text(json.dumps(about | {"targets": TARGETS, "cases": results}, indent=1))


if __name__ == "__main__":
    main()
