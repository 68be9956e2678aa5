"""Dagster's UI in a real browser, over a small farm: what people click, and what they then see.

Each test waits for what is visible on the page, and holds it against GraphQL or the tables. The
README's pictures are taken on the way (`docs/screenshots.py`).
"""
