"""Tests of what the numbers mean."""
