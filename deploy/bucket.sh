#!/bin/sh
# Makes the bucket at this URL unless it is there.
set -eu
url=$1
key=$(cat /run/secrets/s3_access_key) secret=$(cat /run/secrets/s3_secret_key)
# The credentials go by standard input: arguments can be read by every process.
status=$(printf 'user = "%s:%s"\n' "$key" "$secret" | curl --silent --show-error --max-time 10 --noproxy '*' --config - --aws-sigv4 aws:amz:us-east-1:s3 \
    --output /dev/null --write-out '%{http_code}' --request PUT "$url")
# 409: it is there already.
case $status in 200 | 204 | 409) ;; *) echo "$url: the server answered $status" >&2; exit 1 ;; esac
