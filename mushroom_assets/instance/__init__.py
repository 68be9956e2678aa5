"""Dagster's instance: storage, reporting, what its record lacks; the only room with private
Dagster.
"""
