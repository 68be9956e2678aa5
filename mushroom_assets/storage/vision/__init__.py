"""Vectors, search, labels and relabelling of camera images in PostgreSQL."""
