"""mushroom_assets: a commercial mushroom farm's data assets on Dagster and PostgreSQL.

Data flows ``assets -> domain -> storage``; ``definitions`` is the only module that sees every room.
Import from the module that defines a name: nothing is re-exported here.
"""
