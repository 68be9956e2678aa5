# One image for every part of the pipeline. By default the whole of it in one container, against your PostgreSQL:
#   docker run -p 3000:3000 -e DATABASE_URL=postgresql://user:password@host/farm -e MUSHROOM_IMAGE_ROOT=s3://bucket \
#     -v mushroom:/var/lib/mushroom mushroom_assets
# Model weights: -v /srv/models:/models:ro -e MUSHROOM_CLIP_MODEL=ViT-B-32 -e MUSHROOM_CLIP_PRETRAINED=/models/vit-b-32.safetensors
# Build with `--format docker` where the builder is buildah or podman: an OCI image has no health check.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

# What the package needs. A layer of its own: it stays when only the package changes.
FROM ${BASE} AS dependencies
# PyTorch for the CPU is a tenth of the size; with a GPU: --build-arg TORCH=cuda
ARG TORCH=cpu
# For runs on many machines: s3,celery or s3,kubernetes
ARG EXTRAS=s3
WORKDIR /src
COPY constraints.txt setup.py pyproject.toml README.md tools/torch_index.py ./
# The package itself is not here yet: pip sees its needs, and what it makes of the empty folder is taken out again.
# Nobody runs the libraries' tests there or compiles with their headers.
RUN python -m venv --without-pip /opt/venv \
    && python torch_index.py "$TORCH" > index \
    && xargs -a index python -m pip --python /opt/venv install --no-cache-dir -c constraints.txt ".[$EXTRAS]" \
    && python -m pip --python /opt/venv uninstall -y mushroom_assets \
    && find /opt/venv -type d \( -name tests -o -name include \) -prune -exec rm -rf {} + \
    && echo /opt/mushroom > /opt/venv/lib/python3.11/site-packages/mushroom.pth

FROM dependencies AS package
COPY dagster.yaml workspace.yaml ./
COPY mushroom_assets ./mushroom_assets
RUN python -m pip --python /opt/venv install --no-cache-dir --no-deps --target /opt/mushroom .

FROM ${BASE}
# As PID 1 it buries the processes whose parents are gone
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home farm \
    && install -d -o 10001 -g 10001 /var/lib/mushroom /var/log/mushroom /images /models
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=package /opt/mushroom /opt/mushroom

ENV PATH=/opt/mushroom/bin:/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MUSHROOM_HOME=/var/lib/mushroom \
    DAGSTER_EVENT_BATCH_SIZE=500 \
    ASSET_BACKFILL_CURSOR_OFFSET=5000 \
    DAGSTER_DAEMON_HEARTBEAT_TOLERANCE=120 \
    DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS=200 \
    DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS=200 \
    # A container sees all cores of its host, whatever share of them it has: threads of one process
    OMP_NUM_THREADS=2 \
    OPENBLAS_NUM_THREADS=2

ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title=mushroom_assets \
      org.opencontainers.image.description="The data assets of a commercial mushroom farm on Dagster and PostgreSQL" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.created=$CREATED

# By number, so that Kubernetes sees that it is not root
USER 10001:10001
WORKDIR /var/lib/mushroom
VOLUME /var/lib/mushroom
EXPOSE 3000 3001

# Asks for rows, not for a page: Dagster's own `/server_info` does not notice that the database is gone. It imports neither Dagster
# nor torch and answers in 5 s; the rest is for a busy machine.
HEALTHCHECK --interval=60s --timeout=30s --start-period=120s --retries=3 CMD ["mushroom", "health"]

# Each part in a container of its own: `mushroom serve code-server`, `serve webserver`, `serve daemon` (deploy/compose.yaml)
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--"]
CMD ["mushroom", "up", "--no-demo", "--host", "0.0.0.0"]
