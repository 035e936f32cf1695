FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements-image.lock pyproject.toml README.md ./
# Without the servers of the embedded mode, for the databases have containers of their own; with what sends traces.
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements-image.lock
COPY config config
COPY uptake uptake
COPY models models
COPY tasks tasks
COPY worker worker
COPY dashboard dashboard
COPY portal portal
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/uptake uptake
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    UPTAKE_CONFIG=/etc/uptake/uptake.toml \
    UPTAKE_DATA_DIR=/var/lib/uptake \
    UPTAKE_DASHBOARD_HOST=0.0.0.0 \
    UPTAKE_PORTAL_HOST=0.0.0.0 \
    UPTAKE_LOG_FORMAT=json
USER 10001
WORKDIR /var/lib/uptake
EXPOSE 8000 8001
# Each service of docker-compose.yml has a stricter one of its own.
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s CMD ["uptake", "doctor", "settings", "database"]
ENTRYPOINT ["uptake"]
CMD ["--help"]
