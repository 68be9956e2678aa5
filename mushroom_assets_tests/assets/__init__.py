"""Tests of the assets: Dagster runs on PostgreSQL."""
