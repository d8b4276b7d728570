#!/bin/sh
# Starts the program. Secrets come as files: where the variable NAME_FILE stands, NAME is what its file holds. The list is closed, because
# MADANG_SECRETS_FILE and AWS_WEB_IDENTITY_TOKEN_FILE are settings of their own whose value is the path.
set -eu

for name in \
    MADANG_GATEWAY_DATABASE_URL MADANG_CATALOG_DATABASE_URL MADANG_PIPELINE_DATABASE_URL \
    MADANG_SPEC_STORE_DATABASE_URL MADANG_SURVEY_DATABASE_URL MADANG_SPEC_STORE_UPDATE_SECRET \
    AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
do
    eval "file=\${${name}_FILE:-}"
    [ -n "$file" ] || continue
    [ -r "$file" ] || { echo "madang: ${name}_FILE: cannot read $file" >&2; exit 1; }
    value=$(cat "$file")
    export "$name=$value"
    unset "${name}_FILE"
done

exec madang "$@"
