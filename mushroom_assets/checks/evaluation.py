"""From rules to verdicts: all rules of a table in one step, one transaction, and an evaluation for
every partition.

An evaluation says the count, up to `EXAMPLES` examples and what to do, in the farm's language. The
evaluations are made here and not by Dagster: for a run over a range it would record a single one
that belongs to no partition, and for each check read the asset's whole event, pictures and all.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.checks.rule import ERROR, Rule, Said
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.texts import quantity_name, share_text
from mushroom_assets.domain.windows import Window
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.instance.reporting import Target, latest_materializations, together
from mushroom_assets.partitions import windows
from mushroom_assets.resources import FarmFile, PostgresResource

EXAMPLES = 5
FOUND: Said = {
    "en": "{count} {fault}. Remedy: {remedy}",
    "zh": "{count} {fault}。处理办法：{remedy}",
}
Rows = Sequence[sa.Row[Any]]


def table_checks(
    rules: Sequence[Rule],
    definition: dg.TimeWindowPartitionsDefinition,
    farm: Farm,
    retry_policy: dg.RetryPolicy,
) -> dg.AssetChecksDefinition:
    """The checks of one table, any of which can be executed alone.

    `policy` holds their retry policy.
    """
    asset = dg.AssetKey(rules[0].table.name)
    specs = {rule.name: _spec(rule, definition, farm) for rule in rules}

    @dg.multi_asset_check(
        name=f"{rules[0].table.name}_checks",
        specs=list(specs.values()),
        can_subset=True,
        retry_policy=retry_policy,
    )
    def checks(
        context: dg.AssetCheckExecutionContext, postgres: PostgresResource, farm_file: FarmFile
    ) -> Iterator[dg.Output[None] | dg.AssetCheckEvaluation]:
        selected = [
            rule for rule in rules if specs[rule.name].key in context.selected_asset_check_keys
        ]
        parts = windows(definition, context.partition_keys)
        whole = Window("", parts[0].start, parts[-1].end)
        with (
            permanent_faults_fail_at_once(),
            postgres.transaction(context.run.run_id) as connection,
        ):
            farm = farm_file.read()
            found = {
                rule.name: connection.execute(rule.offenders(whole, farm)).all()
                for rule in selected
            }
        targets = latest_materializations(context.instance, asset, [part.key for part in parts])
        with together(context.instance):
            for rule in selected:
                yield dg.Output(None, specs[rule.name].get_python_identifier())
                for partition, rows in by_part(found[rule.name], parts).items():
                    yield evaluate(rule, rows, farm, partition, targets.get(partition))

    return checks


def _spec(
    rule: Rule, definition: dg.TimeWindowPartitionsDefinition, farm: Farm
) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        rule.name,
        asset=rule.table.name,
        description=farm.say(rule.holds),
        blocking=rule.severity is ERROR,
        partitions_def=definition,
    )


def by_part(rows: Rows, parts: Sequence[Window]) -> dict[str, list[sa.Row[Any]]]:
    """Rows by the key of the window that their first column, a date or an instant, falls in;
    windows in order.
    """
    found: dict[str, list[sa.Row[Any]]] = {part.key: [] for part in parts}
    if not rows:
        return found
    days = {part.date: part.key for part in parts}
    # A clock reads an hour that comes twice the same
    starts = [part.start.timestamp() for part in parts]
    for row in rows:
        when = row[0]
        instant = isinstance(when, dt.datetime)
        found[
            parts[bisect_right(starts, when.timestamp()) - 1].key if instant else days[when]
        ].append(row)
    return found


def evaluate(
    rule: Rule, offending: Rows, farm: Farm, partition: str, target: Target | None
) -> dg.AssetCheckEvaluation:
    """The evaluation of a rule for a partition, of which `target` is the latest materialization."""
    metadata: dict[str, dg.MetadataValue] = {"offending": dg.MetadataValue.int(len(offending))}
    description = farm.say({"en": "holds", "zh": "符合"})
    if offending:
        metadata["examples"] = dg.MetadataValue.md(
            "\n".join(_example(row, farm) for row in offending[:EXAMPLES])
        )
        fault, remedy = farm.say(rule.fault), farm.say(rule.remedy)
        description = FOUND[farm.language].format(count=len(offending), fault=fault, remedy=remedy)
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
    return "- " + ", ".join(_say(name, value, farm) for name, value in row._mapping.items())


def _say(name: str, value: Any, farm: Farm) -> str:
    """A value as people read it: instants in farm time."""
    if isinstance(value, dt.datetime):
        return f"{value.astimezone(farm.zone):%Y-%m-%d %H:%M:%S}"
    if name == "share":
        return share_text(value)
    if name == "quantity":
        return quantity_name(value, farm.language)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
