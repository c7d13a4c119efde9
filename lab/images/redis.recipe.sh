# shellcheck shell=bash disable=SC2034
# Redis, as the official image has it: redis-server and redis-cli on the PATH, uid 999.
IMAGE=docker.io/library/redis:7.0.15
PACKAGES=redis-server,redis-tools
RUN_AS=999:999
