"""What is known of a view that was made before: the comment that it has."""

import sqlalchemy as sa


def comment_of(connection: sa.Connection, view: str) -> str | None:
    """The comment of a view, given with its schema; None where there is no such view."""
    statement = sa.text("SELECT obj_description(to_regclass(:name), 'pg_class')")
    found: str | None = connection.scalar(statement, {"name": view})
    return found
