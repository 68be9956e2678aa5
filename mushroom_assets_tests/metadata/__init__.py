"""Tests of what the UI shows, a module a noun."""
