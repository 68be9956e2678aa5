"""How a table is declared: each column with its meaning in two languages, unit and origin.

The modules beside this one declare the tables. The English meaning is the SQL comment.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any

from sqlalchemy import DDL, Column, Date, DateTime, Integer, MetaData, Table, Text, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from mushroom_assets.domain.farm_parts import Language
from mushroom_assets.domain.texts import say_in

SCHEMA = "farm"
metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    },
)
POSTGRESQL: Any = postgresql.dialect  # SQLAlchemy gives it no type
# A source of rows that is not a table: never made, never migrated
elsewhere = MetaData()
Instant = DateTime(timezone=True)
SqlType = type[TypeEngine[Any]] | TypeEngine[Any]
FARM_FILE = "farm.yaml:"  # an origin that begins so is a key of the farm file
# Origins that are neither a column nor a key of the farm file; their words are in texts.yaml.
ORIGINS = ("run", "model", "probe", "samples", "earlier", "settings")


class Role(Enum):
    """What a table is for, in the order in which documents list the tables."""

    RESULT = "computed for each day or hour: an asset with partitions"
    SOURCE = "delivered by the plant or its people: an asset that no run makes"
    MODEL = "fitted on what is stored: an asset without partitions"
    RULES = "set by the farm's people, beside the farm file: no asset"
    WORK = "what inference and runs work with: no asset"


def table(
    name: str,
    meaning: str,
    chinese: str,
    *parts: Any,
    role: Role,
    day: str | None = None,
    into: MetaData = metadata,
    **options: Any,
) -> Table:
    """A table with what its rows are, in both languages; the English text is the SQL comment.

    `day` names the column, a date or an instant, that tells which farm day a row belongs to; None
    where rows belong to none.
    """
    info = {"meaning": {"en": meaning, "zh": chinese}, "role": role, "day": day}
    return Table(name, into, *parts, comment=meaning, info=info, **options)


def col(
    name: str,
    kind: SqlType,
    meaning: str,
    chinese: str,
    *,
    unit: str | None = None,
    scale: str | None = None,
    origin: str = "",
    key: bool = False,
    **options: Any,
) -> Column[Any]:
    """A column that is never null.

    Args:
        name: the column's name.
        kind: its type.
        meaning: in English, also the SQL comment.
        chinese: the same in Chinese.
        unit: part of the SQL comment.
        scale: in place of `unit` if the comment tells none: "1" for counts and identities, the name
            of the column that holds the unit, or a unit.
        origin: what the value is computed from, separated by spaces: columns of other tables
            (`sample.value`), keys of the farm file (`farm.yaml:rooms`), or names in `ORIGINS`.
        key: part of the primary key.
        options: of SQLAlchemy's Column.
    """
    info = {
        "meaning": {"en": meaning, "zh": chinese},
        "unit": unit or scale,
        "origin": tuple(origin.split()),
    }
    comment = f"{meaning} [{unit}]" if unit else meaning
    options.setdefault("nullable", False)
    return Column(name, kind, primary_key=key, comment=comment, info=info, **options)


def opt(name: str, kind: SqlType, meaning: str, chinese: str, **options: Any) -> Column[Any]:
    """A column that may be null."""
    return col(name, kind, meaning, chinese, nullable=True, **options)


def growth(origin: str) -> list[Column[Any]]:
    """The place in the room's cycle."""
    day = ("days since the batch came in, from 1", "入库后的天数，从 1 起")
    batch = ("in_date of the batch in force", "当时在库批次的入库日期")
    return [
        opt("growth_day", Integer, *day, unit="d", origin=origin),
        opt("batch_date", Date, *batch, origin=origin),
    ]


def settings_version() -> Column[Any]:
    """Which setting was the newest in force for the row."""
    return col(
        "settings_version",
        Integer,
        "newest setting in force that the row depends on; 0: the farm file alone",
        "该行所依据的生效设置中最新的版本；0 表示只依据农场文件",
        scale="1",
        origin="settings",
        server_default="0",
    )


def provenance(when: str = "computed_at") -> list[Column[Any]]:
    """Which run wrote the row, and when."""
    run = ("Dagster run that wrote the row", "写入该行的 Dagster 运行")
    return [
        col("run_id", Text, *run, origin="run"),
        col(when, Instant, "when the row was computed", "该行的计算时间", origin="run"),
    ]


def meaning(thing: Table | Column[Any], language: Language) -> str:
    """What a table's rows are, or what a column means."""
    text: str = thing.info["meaning"][language]
    return text


def day_column(of: Table) -> Column[Any] | None:
    """The column that tells which farm day a row belongs to, None where rows belong to none."""
    name: str | None = of.info["day"]
    return of.columns[name] if name else None


def unit(column: Column[Any]) -> str | None:
    """The unit of a column's numbers: "1" without dimension, or the column that tells it.

    None where the column holds no numbers.
    """
    found: str | None = column.info["unit"]
    return found


def type_name(column: Column[Any]) -> str:
    """The column's type as PostgreSQL writes it, in short."""
    name = column.type.compile(dialect=POSTGRESQL()).lower()
    return name.replace("timestamp with time zone", "timestamptz")


def column_origins(column: Column[Any]) -> list[tuple[str, str]]:
    """Columns that a column's values are computed from, as (table, column)."""
    found = []
    for origin in column.info["origin"]:
        table, dot, name = origin.partition(".")
        if dot and not origin.startswith(FARM_FILE):
            found.append((table, name))
    return found


def farm_keys(column: Column[Any]) -> list[str]:
    """Keys of the farm file that a column's values depend on."""
    return [
        origin.removeprefix(FARM_FILE)
        for origin in column.info["origin"]
        if origin.startswith(FARM_FILE)
    ]


def origins_text(column: Column[Any], language: Language, write: Callable[[str, str], str]) -> str:
    """All that a column's values are computed from, in words.

    `write` puts a column, given its table and name.
    """
    parts = [write(table, name) for table, name in column_origins(column)]
    keys = ", ".join(f"`{key}`" for key in farm_keys(column))
    if keys:
        parts.append(say_in(language, "origin.farm_file", keys=keys))
    named = [name for name in column.info["origin"] if name in ORIGINS]
    parts += [say_in(language, f"origin.{name}") for name in named]
    return ", ".join(parts)


def upstream(of: Table) -> list[str]:
    """The tables whose columns a table's rows are computed from, as its columns name them."""
    names: dict[str, None] = {}
    for column in of.columns:
        names |= dict.fromkeys(table for table, _ in column_origins(column))
    return list(names)


def vectors_in_rows(table: Table) -> None:
    """Let vectors of up to 1,900 dimensions lie in their row instead of beside the table (TOAST).

    Rows of 512 dimensions are copied in 0.46 s instead of 0.58 s per 20,000. STORAGE MAIN takes
    1.07 s: it puts paths and hashes beside the table instead. SQLAlchemy's Table has no storage
    parameters, so that a statement follows the table's own.
    """
    statement: Any = DDL("ALTER TABLE %(fullname)s SET (toast_tuple_target = 8160)")  # type: ignore[no-untyped-call]  # SQLAlchemy's
    event.listen(table, "after_create", statement)
