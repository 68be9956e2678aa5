"""The Dagster assets, one module a noun.

Each orchestrates: read, compute in the domain, replace, report.
"""
