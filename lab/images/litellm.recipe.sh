# shellcheck shell=bash disable=SC2034
# LiteLLM's proxy from PyPI, every version pinned beside this file, in the place the
# official image has it: a virtual environment in /app/.venv, first on the PATH.
IMAGE=ghcr.io/berriai/litellm:v1.106.0
PACKAGES=python3,python3-venv,ca-certificates,libstdc++6
IMAGE_PATH=/app/.venv/bin:/usr/local/bin:/usr/bin:/bin
IMAGE_ENV=(PYTHONDONTWRITEBYTECODE=1)
fill() {
  mkdir -p "$1/app"
  cp "$HERE/litellm.requirements.txt" "$1/tmp/requirements.txt"
  inside python3 -m venv /app/.venv
  inside /app/.venv/bin/pip install --quiet --no-compile --only-binary=:all: -r /tmp/requirements.txt
  # Compiled once here: at run time the root is read-only. Hash-based, so no times inside.
  inside /app/.venv/bin/python -m compileall -q -j 2 --invalidation-mode unchecked-hash /app/.venv/lib /usr/lib/python3.11 || true
}
