"""What the farm's numbers mean: pure functions over numpy and pandas, validated by pydantic.

No clock, no database, no Dagster, no torch: whatever a function needs comes in as an argument.
"""
