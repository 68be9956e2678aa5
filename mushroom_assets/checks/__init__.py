"""What must hold of each table, as asset checks with a severity: a module a noun.

Structural faults are errors and block what comes after. Coverage, plausibility and drift are
warnings: a check that cries wolf is ignored. `standing` asks Dagster's record instead of a table,
`feeds` asks whether the sources still come.
`rule` says what a rule is, `evaluation` what comes of it, `metadata/rules/` how it reads.
Nothing is mended here.
"""
