"""Results -> what the UI shows: schemas, counts, tables, plots, a module a noun.

No computing of results.

Small on purpose: Dagster never purges its event log.
"""
