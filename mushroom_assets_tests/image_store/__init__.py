"""Tests of `image_store`."""
