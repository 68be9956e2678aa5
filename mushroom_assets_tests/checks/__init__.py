"""The rules about each table, how they become evaluations, and the standing checks."""
