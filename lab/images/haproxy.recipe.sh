# shellcheck shell=bash disable=SC2034
# HAProxy, as the official image has it: haproxy and bash on the PATH, uid 99.
IMAGE=docker.io/library/haproxy:2.6.12
PACKAGES=haproxy
RUN_AS=99:99
