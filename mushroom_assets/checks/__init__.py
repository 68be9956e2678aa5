"""What must hold of each table, as asset checks with a severity: a module a noun.

Structural faults are errors and block what comes after. Coverage, plausibility and drift are
warnings: a check that cries wolf is ignored. `standing` asks Dagster's record instead of a table.
`rule` says what a rule is, `evaluation` what comes of it, `metadata/rules.yaml` how it reads.
Nothing is mended here.
"""

from typing import Any

import dagster as dg

from mushroom_assets.checks import environment, report, setpoints, vision
from mushroom_assets.checks.evaluation import table_checks
from mushroom_assets.domain.farm import Farm
from mushroom_assets.partitions import FarmClock


def asset_checks(clock: FarmClock, farm: Farm, **policy: Any) -> list[dg.AssetChecksDefinition]:
    """The checks of every result table's rows, one step a table.

    `policy` holds their retry policy.
    """
    daily = [
        table_checks(rules, clock.daily, farm, **policy)
        for rules in (environment.RULES, vision.RULES, report.RULES)
    ]
    return [*daily, table_checks(setpoints.RULES, clock.hourly, farm, **policy)]
