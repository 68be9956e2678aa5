"""What must hold of each table, as asset checks with a severity: a module a noun, and `standing`
for Dagster's record.

Structural faults are errors and block what comes after; coverage, plausibility and drift are
warnings: a check that cries wolf is ignored. What a rule and a verdict are is the business of
`rule` and `evaluation`. Nothing is mended here.
"""
