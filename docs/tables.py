"""The data dictionary as Markdown, from the declared tables, on stdout: `python docs/tables.py > docs/tables.md`."""

from sqlalchemy.dialects import postgresql

from mushroom_assets.storage.schema import SCHEMA, metadata

ORDER = (
    *("daily_env_stats", "hourly_setpoint_changes", "daily_clip_inference", "daily_room_report"),
    *("point", "sample", "batch", "image_label"),
    *("clip_probe", "image_embedding", "room_day_embedding", "image_quarantine"),
)


def dictionary() -> str:
    """Every table with its columns, types, units and meaning."""
    lines = [
        "# Tables",
        "",
        f"PostgreSQL schema `{SCHEMA}`. Results first, then what the plant and its people deliver, "
        "then what inference works with.",
    ]
    for name in ORDER:
        table = metadata.tables[f"{SCHEMA}.{name}"]
        lines += [
            "",
            f"## {name}",
            "",
            f"{table.comment}.",
            "",
            "| column | type | unit | meaning |",
            "|---|---|---|---|",
        ]
        for column in table.columns:
            kind = column.type.compile(dialect=postgresql.dialect()).lower()
            kind = kind.replace("timestamp with time zone", "timestamptz")
            key = " **(key)**" if column.primary_key else ""
            unit = column.info["unit"] or ""
            null = "; null where there is none" if column.nullable and "null" not in column.info["meaning"] else ""
            lines.append(f"| `{column.name}`{key} | {kind} | {unit} | {column.info['meaning']}{null} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(dictionary(), end="")
