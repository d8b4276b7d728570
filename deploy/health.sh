#!/bin/sh
# Asks the part in this container whether it is ready, and fails if it is not: `http PORT` the gateway, `grpc PORT` any other.
set -eu
kind=$1 port=$2

case $kind in
http)
    # Says which part is not ready, and 503, if one is not.
    curl --silent --show-error --max-time 2 --noproxy '*' --fail-with-body "http://127.0.0.1:$port/readyz"
    ;;
grpc)
    # gRPC's own health service, asked without a client of it: an empty HealthCheckRequest in a frame of five zero bytes (not compressed, length 0).
    # SERVING is field 1 = 1: bytes 08 01, in a frame of length 2.
    answer=$(printf '\000\000\000\000\000' | curl --silent --show-error --max-time 2 --noproxy '*' --http2-prior-knowledge --data-binary @- \
        --header 'content-type: application/grpc' --header 'te: trailers' \
        "http://127.0.0.1:$port/grpc.health.v1.Health/Check" | od -An -tx1 | tr -d ' \n')
    [ "$answer" = 00000000020801 ] || { echo "not serving" >&2; exit 1; }
    ;;
*)
    echo "usage: madang-health http|grpc PORT" >&2
    exit 2
    ;;
esac
