"""Dagster's instance: its storage, what is reported to it, and what its record lacks.

The only room that imports private names of Dagster. Where the installed version lacks one, or was
not tested, each module goes on with public names and says once what that costs (`tested`).
"""
