"""Tests of the room `plots`."""
