#!/bin/sh
# Run once by PostgreSQL's image, on an empty volume: one database and one owner a part, who may enter no other's. Name and password are those of the URL
# that the part itself gets.
set -eu

for file in /run/secrets/*_database_url; do
    url=$(cat "$file")
    rest=${url#*://}
    login=${rest%%@*}
    role=${login%%:*} password=${login#*:} database=${rest##*/}
    psql --set ON_ERROR_STOP=1 --quiet --username "$POSTGRES_USER" --dbname postgres \
        --set role="$role" --set password="$password" --set database="$database" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
CREATE DATABASE :"database" OWNER :"role" ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
SQL
done
