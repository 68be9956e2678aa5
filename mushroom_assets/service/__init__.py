"""How it is run and watched: supervision, embedded PostgreSQL, health, doctor.

Nothing here draws on a terminal: `cli` prints what these modules return.
"""
