#!/bin/sh
# Makes all secrets of a new installation, once: deploy/secrets.sh [FOLDER]
#
# FOLDER (deploy/secrets) is for its owner alone. The files in it can be read by all, because a container's user has another number than yours and sees
# each file mounted alone. Each part gets its own key file: its own private key, everybody's public keys, and of the rest only what it uses.
# The keys are made by the program itself: by MADANG_BIN if that is set, else by the image MADANG_IMAGE (madang-hub:dev) in docker.
set -eu
umask 077
folder=${1:-$(dirname "$0")/secrets}
host=${MADANG_DATABASE_HOST:-postgres:5432}
parts="gateway catalog pipeline spec-store survey"

[ ! -e "$folder" ] || { echo "$folder is there already; nothing was changed" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -n "${MADANG_BIN:-}" ]; then
    MADANG_ENVIRONMENT=development "$MADANG_BIN" init --data-dir "$work/first"
else
    docker run --rm --network none --user "$(id -u):$(id -g)" --volume "$work:/secrets" --env MADANG_ENVIRONMENT=development \
        "${MADANG_IMAGE:-madang-hub:dev}" init --data-dir /secrets/first
fi

# random: 32 characters that need no quoting in a URL.
random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }

# keys_of PART KEY…: the part's own private key, all public ones, and of the other keys those that are named.
keys_of() {
    part=$1; shift
    awk -v part="$part" -v wanted=" $* " '
        /^\[/ { section = $0; top = 0; keep = section ~ /^\[assertions/ || (section ~ /^\[master/ && index(wanted, " master ")); if (keep) print; next }
        section == "" && /^[a-z_]+ = / { top = index(wanted, " " $1 " ") }
        section == "" { if (top) print; next }
        section == "[assertions.private]" { if ($1 == part) print; next }
        keep' "$work/first/secrets.toml"
}

mkdir -p "$folder.new/tls"
for part in $parts; do
    name=$(echo "$part" | tr - _)
    case $part in
    gateway) also="master token_key spec_store_key" ;;
    pipeline | survey) also=master ;;
    *) also= ;;
    esac
    keys_of "$part" $also > "$folder.new/${name}_keys"
    grep -q "^$part = " "$folder.new/${name}_keys" || echo "this version of the program has no part '$part'; its file holds no private key" >&2
    printf 'postgres://madang_%s:%s@%s/madang_%s' "$name" "$(random)" "$host" "$name" > "$folder.new/${name}_database_url"
done
for name in postgres_password s3_secret_key grafana_password spec_store_update_secret; do
    random | tr -d '\n' > "$folder.new/$name"
done
printf madang > "$folder.new/s3_access_key"
cp "$work/first/tls/ca.pem" "$work/first/tls/ca.key" "$folder.new/tls/"
chmod 0444 "$folder.new"/*_* "$folder.new"/tls/*
chmod 0755 "$folder.new/tls"
mv "$folder.new" "$folder"
echo "made $folder: keep a copy where the databases' backups are not"
