# One image for the API and the worker. Any base with Python 3.11 or 3.12 and its venv will do; Node and its tools come as wheels.
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir uv==0.13.9
ENV PATH=/opt/venv/bin:$PATH VIRTUAL_ENV=/opt/venv UV_LINK_MODE=copy UV_NO_CACHE=1
WORKDIR /lab
# For the C in simclr; without a compiler torch does the same, slower.
RUN command -v cc || { apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev; } || echo "no C compiler"
# Only what the lab runs on, at the locked versions; the lock's hashes are checked.
COPY pyproject.toml requirements.lock README.md ./
RUN uv pip install --constraint requirements.lock --requirement pyproject.toml --extra postgres
COPY frontend frontend
RUN cd frontend && npm ci && npm run build && rm -rf node_modules
COPY simclr simclr
COPY backend backend
COPY worker worker
RUN uv pip install --no-deps --editable . && python -m compileall -q simclr backend worker && python -m simclr.native

FROM ${BASE}
COPY --from=build /opt/venv /opt/venv
COPY --from=build /lab /lab
# A named volume mounted at /data starts with this folder's owner.
RUN groupadd --gid 10001 lab && useradd --uid 10001 --gid lab --home-dir /tmp --no-create-home lab \
    && mkdir /data && chown lab:lab /data && chmod 700 /data
ENV PATH=/opt/venv/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 SIMCLR_LAB_DATA=/data
USER lab
WORKDIR /lab
VOLUME /data
CMD ["python", "-m", "backend.app"]
