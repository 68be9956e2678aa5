"""From rules to evaluations: all rules of a table in one step, one transaction.

Every partition gets its own evaluation: the count, up to `EXAMPLES` examples and what to do, in the
farm's language. The evaluations are made here and not by Dagster: for a run over a range it would
record a single one that belongs to no partition, and for each check it would read the asset's whole
event, pictures and all. What must hold is the business of the modules named like their tables.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.checks.rule import ERROR, Rule
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.texts import at_least, quantity_name, say, share_text
from mushroom_assets.domain.windows import Window
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.instance.reporting import Target, latest_materializations, together
from mushroom_assets.partitions import windows
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.storage.setting import with_settings

EXAMPLES = 5
Rows = Sequence[sa.Row[Any]]


def table_checks(
    rules: Sequence[Rule],
    definition: dg.TimeWindowPartitionsDefinition,
    farm: Farm,
    retry_policy: dg.RetryPolicy,
) -> dg.AssetChecksDefinition:
    """The checks of one table, any of which can be executed alone.

    Args:
        rules: of one table.
        definition: its partitions.
        farm: the language of the descriptions.
        retry_policy: of the step.
    """
    name = f"{rules[0].table.name}_checks"
    specs = {rule.name: _spec(rule, definition, farm) for rule in rules}

    @dg.multi_asset_check(
        name=name, specs=list(specs.values()), can_subset=True, retry_policy=retry_policy
    )
    def checks(
        context: dg.AssetCheckExecutionContext, postgres: PostgresResource, farm_file: FarmFile
    ) -> Iterator[dg.Output[None] | dg.AssetCheckEvaluation]:
        selected = context.selected_asset_check_keys
        chosen = [rule for rule in rules if specs[rule.name].key in selected]
        parts = windows(definition, context.partition_keys)
        farm = farm_file.read()
        run_id = context.run.run_id
        with permanent_faults_fail_at_once(), postgres.transaction(run_id) as connection:
            rules_of = with_settings(connection, farm)
            found = {rule.name: _offending(rule, parts, rules_of, connection) for rule in chosen}
        asset = dg.AssetKey(rules[0].table.name)
        targets = latest_materializations(context.instance, asset, [part.key for part in parts])
        with together(context.instance):
            for rule in chosen:
                yield dg.Output(None, specs[rule.name].get_python_identifier())
                for partition, rows in found[rule.name].items():
                    yield evaluate(rule, rows, farm, partition, targets.get(partition))

    return checks


def _spec(
    rule: Rule, definition: dg.TimeWindowPartitionsDefinition, farm: Farm
) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        rule.name,
        asset=rule.table.name,
        description=rule.say("holds", farm),
        blocking=rule.severity is ERROR,
        partitions_def=definition,
    )


def _offending(
    rule: Rule, parts: Sequence[Window], farm: Farm, connection: sa.Connection
) -> dict[str, list[sa.Row[Any]]]:
    """What breaks a rule, by the key of the window."""
    whole = Window("", parts[0].start, parts[-1].end)
    return by_part(connection.execute(rule.offenders(whole, farm)).all(), parts)


def by_part(rows: Rows, parts: Sequence[Window]) -> dict[str, list[sa.Row[Any]]]:
    """Rows by the key of the window that their first column falls in; windows in order.

    Args:
        rows: their first column is a date or an instant.
        parts: consecutive windows.
    """
    found: dict[str, list[sa.Row[Any]]] = {part.key: [] for part in parts}
    if not rows:
        return found
    days = {part.date: part.key for part in parts}
    # A clock reads an hour that comes twice the same
    starts = [part.start.timestamp() for part in parts]
    for row in rows:
        when = row[0]
        if isinstance(when, dt.datetime):
            key = parts[bisect_right(starts, when.timestamp()) - 1].key
        else:
            key = days[when]
        found[key].append(row)
    return found


def evaluate(
    rule: Rule, offending: Rows, farm: Farm, partition: str, target: Target | None
) -> dg.AssetCheckEvaluation:
    """The evaluation of a rule for a partition, of which `target` is the latest materialization."""
    count = len(offending)
    metadata: dict[str, dg.MetadataValue] = {"offending": dg.MetadataValue.int(count)}
    description = say("check_holds", farm)
    if offending:
        examples = [_example(row, farm) for row in offending[:EXAMPLES]]
        metadata["examples"] = dg.MetadataValue.md("\n".join(examples))
        words = {"fault": rule.say("fault", farm), "remedy": rule.say("remedy", farm)}
        description = say("check_found", farm, count=count, **words)
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(rule.table.name),
        check_name=rule.name,
        passed=not offending,
        metadata=metadata,
        target_materialization_data=target,
        severity=rule.severity,
        description=description,
        blocking=rule.severity is ERROR,
        partition=partition,
    )


def _example(row: sa.Row[Any], farm: Farm) -> str:
    return "- " + ", ".join(_value_text(name, value, farm) for name, value in row._mapping.items())


def _value_text(name: str, value: Any, farm: Farm) -> str:
    """A value as people read it: instants in farm time."""
    if isinstance(value, dt.datetime):
        return f"{value.astimezone(farm.zone):%Y-%m-%d %H:%M:%S}"
    if name == "share":
        return share_text(value)
    if name == "bad_share":
        return share_text(at_least(value))
    if name == "quantity":
        return quantity_name(value, farm)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
