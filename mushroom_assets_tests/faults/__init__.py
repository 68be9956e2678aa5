"""Tests of `faults`."""
