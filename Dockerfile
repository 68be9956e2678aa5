# One image for every part of the pipeline. By default the whole of it in one container, against your PostgreSQL:
#   docker run -p 3000:3000 -e DATABASE_URL=postgresql://user:password@host/farm -e MUSHROOM_IMAGE_ROOT=s3://bucket \
#     -v mushroom:/var/lib/mushroom mushroom_assets
# Model weights: -v /srv/models:/models:ro -e MUSHROOM_CLIP_MODEL=ViT-B-32 -e MUSHROOM_CLIP_PRETRAINED=/models/vit-b-32.safetensors
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    MUSHROOM_HOME=/var/lib/mushroom \
    DAGSTER_EVENT_BATCH_SIZE=500 \
    ASSET_BACKFILL_CURSOR_OFFSET=5000 \
    DAGSTER_DAEMON_HEARTBEAT_TOLERANCE=120 \
    DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS=200 \
    DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS=200

WORKDIR /opt/mushroom
COPY constraints.txt setup.py pyproject.toml README.md dagster.yaml workspace.yaml ./
COPY mushroom_assets ./mushroom_assets
# PyTorch's CPU wheels are a tenth of the default's size; with a GPU: --build-arg TORCH_INDEX=
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url $TORCH_INDEX} -c constraints.txt ".[s3]" \
    && useradd --create-home farm && mkdir -p $MUSHROOM_HOME && chown farm $MUSHROOM_HOME

USER farm
VOLUME /var/lib/mushroom
EXPOSE 3000

# Asks for rows, not for a page: Dagster's own `/server_info` does not notice that the database is gone. It answers in 5 s.
HEALTHCHECK --interval=60s --timeout=10s --start-period=120s CMD ["mushroom", "health"]

# On Kubernetes each part is a container of its own, with DATABASE_URL and DAGSTER_HOME set:
#   mushroom init · dagster api grpc -h 0.0.0.0 -p 4000 -m mushroom_assets.definitions · dagster-webserver · dagster-daemon run
STOPSIGNAL SIGTERM
CMD ["mushroom", "up", "--no-demo", "--host", "0.0.0.0"]
