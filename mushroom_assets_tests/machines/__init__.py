"""Runs on many machines: by Celery, with real workers, and what Kubernetes would be told."""
