"""Tests of the storage: connection, migrations, samples, results; all on a real PostgreSQL."""
