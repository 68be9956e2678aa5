"""PostgreSQL: the tables, the connection and the statements that read and replace rows.

No Dagster, no maths.
"""
