"""Tests of `automation`."""
