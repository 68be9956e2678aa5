"""Tests of mushroom_assets, laid out as the package. Real PostgreSQL, real Dagster runs."""
