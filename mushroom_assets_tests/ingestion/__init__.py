"""Tests of `ingestion`."""
