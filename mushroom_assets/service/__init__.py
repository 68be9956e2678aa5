"""How it is run and watched: supervision, embedded PostgreSQL, health, doctor."""
