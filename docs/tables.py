"""The data dictionary as Markdown on stdout: `python docs/tables.py en > docs/tables.md`.

With `zh` its Chinese twin. Tables and their order are the schema's own.
"""

import sys
from typing import Any

from sqlalchemy import Column

from mushroom_assets.domain.farm_parts import Language
from mushroom_assets.storage.schema import RESULTS, SCHEMA, TABLES
from mushroom_assets.storage.schema.batch_day import VIEW, batch_day
from mushroom_assets.storage.schema.dictionary import meaning, origins_text, type_name, unit

TEXTS: dict[Language, dict[str, str]] = {
    "en": {
        "title": "Tables",
        "about": f"PostgreSQL schema `{SCHEMA}`. Results first, then what the plant and its people "
        "deliver, then what inference and runs work with. Unit 1: a number without dimension, as a "
        "count; DN: a grey value, 0 to 255.",
        "columns": "| column | type | unit | meaning | from |",
        "key": "key",
        "stop": ".",
        "view": "A view that `mushroom init` makes, with columns for each quantity of the farm "
        "file, such as `temperature_mean`; their unit is the quantity's.",
        "null": "; null where there is none",
    },
    "zh": {
        "title": "数据表",
        "about": f"PostgreSQL 模式 `{SCHEMA}`。先列结果，再列工厂与人员提供的数据，"
        "最后是推理与运行所用的表。单位 1 表示计数等无量纲的数，DN 为 0 到 255 的灰度值。",
        "columns": "| 列 | 类型 | 单位 | 含义 | 来源 |",
        "key": "主键",
        "stop": "。",
        "view": "由 `mushroom init` 建立的视图，农场文件中的每项指标各有若干列，"
        "如 `temperature_mean`，单位与该指标相同。",
        "null": "；没有则为空",
    },
}


def dictionary(language: Language) -> str:
    """Every table with its columns, types, units, meaning and origin."""
    texts = TEXTS[language]
    lines = [f"# {texts['title']}", "", texts["about"]]
    view = batch_day({"QUANTITY": "unit"})
    for name, table in (RESULTS | {VIEW: view} | TABLES).items():
        lines += ["", f"## {name}", "", f"{meaning(table, language)}{texts['stop']}"]
        if table is view:
            lines[-1] += f" {texts['view']}"
        lines += ["", texts["columns"]]
        lines += ["|---|---|---|---|---|", *(_line(column, language) for column in table.columns)]
    return "\n".join(lines) + "\n"


def _line(column: Column[Any], language: Language) -> str:
    texts = TEXTS[language]
    key = f" **({texts['key']})**" if column.primary_key else ""
    said = "null" in column.info["meaning"]["en"]  # by the meaning itself
    null = texts["null"] if column.nullable and not said else ""
    origins = origins_text(column, language, lambda table, name: f"`{table}.{name}`")
    cells = (
        f"`{column.name}`{key}",
        type_name(column),
        _unit(column),
        meaning(column, language) + null,
        origins,
    )
    return "| " + " | ".join(cells) + " |"


def _unit(column: Column[Any]) -> str:
    """The unit, or the column that tells it."""
    found = unit(column) or ""
    return f"`{found}`" if found in ("unit", "point.unit") else found


if __name__ == "__main__":
    print(dictionary("zh" if sys.argv[1:] == ["zh"] else "en"), end="")
