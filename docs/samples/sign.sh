#!/usr/bin/env bash
# NCP signature v2 with openssl and curl: `sign METHOD TARGET TIMESTAMP` or `call METHOD URL [BODY]`, with ACCESS_KEY and SECRET_KEY set.
set -euo pipefail

# The target is path and query as they travel. The secret goes to openssl in hexadecimal, so that each of its characters counts as it is;
# openssl's own arguments show it to other users of the machine while it runs.
sign() {
  local key
  key=$(printf '%s' "$SECRET_KEY" | od -An -v -tx1 | tr -d ' \n')
  printf '%s %s\n%s\n%s' "$1" "$2" "$3" "$ACCESS_KEY" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A
}

call() {
  local method=$1 url=$2 body=${3-} target timestamp
  target=/${url#*://*/}
  timestamp=$(date +%s%3N) # read once, used twice
  curl --silent --show-error --fail-with-body --request "$method" "$url" ${body:+--data "$body"} \
    --header "x-ncp-apigw-timestamp: $timestamp" \
    --header "x-ncp-iam-access-key: $ACCESS_KEY" \
    --header "x-ncp-apigw-signature-v2: $(sign "$method" "$target" "$timestamp")" \
    --header 'Content-Type: application/json'
}

"$@"
echo
