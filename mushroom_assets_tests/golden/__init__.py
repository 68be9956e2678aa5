"""A month of a simulated farm and every figure that is computed from it, kept in git.

Whoever changes a figure sees which: the test prints it, and so does `git diff` once the files are
made anew by `python -m mushroom_assets_tests.golden.renew`.
"""
