#!/bin/sh
# Resolve both lock files again. They carry hashes and no address of a registry: pip's own settings decide where from.
set -eu
cd "$(dirname "$0")/.."
options="--group build --extra embedded --universal --generate-hashes --no-emit-index-url --no-header --no-emit-package uptake --quiet"
uv pip compile pyproject.toml $options -o requirements.lock "$@"
uv pip compile pyproject.toml $options --group dev -c requirements.lock -o requirements-dev.lock "$@"
