"""Results -> what the UI shows: schemas, counts, tables, plots, one module for each noun.

Nothing is computed here, no row is made. All words are in YAML: `pages.yaml` for the pages of the
assets, `rules/` for the checks, `texts.yaml` for all else.

Metadata are small on purpose: Dagster never purges its event log.
"""
