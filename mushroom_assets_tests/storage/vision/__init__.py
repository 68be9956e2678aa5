"""Tests of `storage.vision`."""
