#!/bin/sh
# Resolve the lock files again. They carry hashes and no address of a registry: pip's own settings decide where from.
set -eu
cd "$(dirname "$0")/.."
options="--group build --universal --generate-hashes --no-emit-index-url --no-header --no-emit-package uptake --quiet"
uv pip compile pyproject.toml $options --extra embedded -o requirements.lock "$@"
uv pip compile pyproject.toml $options --extra embedded --group dev -c requirements.lock -o requirements-dev.lock "$@"
# A container has its databases in containers of their own, and sends traces where a variable says so.
uv pip compile pyproject.toml $options --extra otel -c requirements-dev.lock -o requirements-image.lock "$@"
