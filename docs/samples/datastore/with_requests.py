"""Rows of a DataStore table with `requests`: read page by page, and one written with a token."""

import os

import requests

SITE, RESOURCE = os.environ["CKAN_URL"], os.environ["RESOURCE_ID"]
TOKEN = {"Authorization": os.environ["CKAN_TOKEN"]}


def act(action, **parameters):
    answer = requests.post(f"{SITE}/api/3/action/{action}", json=parameters, headers=TOKEN)
    answer.raise_for_status()
    return answer.json()["result"]


# Every row: each page leads to the next, until one is empty.
rows, page = [], requests.get(f"{SITE}/api/3/action/datastore_search", params={"resource_id": RESOURCE, "limit": 2}).json()["result"]
while page["records"]:
    rows += page["records"]
    page = requests.get(SITE + page["_links"]["next"]).json()["result"]
print("pages", len(rows), rows[-1]["city"])

act("datastore_upsert", resource_id=RESOURCE, method="upsert", force=True, records=[{"city": "세종", "year": 2025, "people": 390_000}])
found = act("datastore_search", resource_id=RESOURCE, filters={"city": "세종"}, include_total=True)
print("written", found["total"], found["records"][0]["people"])

act("datastore_records_delete", resource_id=RESOURCE, force=True, filters={"city": "세종"})
print("deleted", act("datastore_search", resource_id=RESOURCE, filters={"city": "세종"})["total"])
