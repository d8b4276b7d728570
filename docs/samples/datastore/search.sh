#!/bin/bash
# Rows of a DataStore table with curl.

curl -sSG "$CKAN_URL/api/3/action/datastore_search" --data-urlencode "resource_id=$RESOURCE_ID" --data-urlencode 'q=서울' -d limit=5 \
  | grep -o '"total": *[0-9]*'

curl -sS "$CKAN_URL/api/3/action/datastore_search" -H 'Content-Type: application/json' \
  -d '{"resource_id": "'"$RESOURCE_ID"'", "filters": {"year": [2024, 2025]}, "sort": "people desc"}' | grep -o '"total": *[0-9]*'

curl -sS "$CKAN_URL/datastore/dump/$RESOURCE_ID?format=tsv" | wc -l
