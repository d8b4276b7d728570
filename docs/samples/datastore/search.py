"""Rows of a DataStore table with what Python brings along."""

import json
import os
import urllib.parse
import urllib.request

SITE, RESOURCE = os.environ["CKAN_URL"], os.environ["RESOURCE_ID"]

# Words, by GET.
query = urllib.parse.urlencode({"resource_id": RESOURCE, "limit": 5, "q": "서울"})
with urllib.request.urlopen(f"{SITE}/api/3/action/datastore_search?{query}") as answer:
    found = json.load(answer)
assert found["success"] is True
print("words", found["result"]["total"], found["result"]["records"][0]["city"])

# Conditions, by POST.
body = json.dumps({"resource_id": RESOURCE, "filters": {"year": [2024, 2025]}, "sort": "people desc"}).encode()
request = urllib.request.Request(f"{SITE}/api/3/action/datastore_search", body, {"Content-Type": "application/json"})
with urllib.request.urlopen(request) as answer:
    found = json.load(answer)["result"]
print("conditions", found["total"], found["records"][0]["city"])

# A statement.
statement = f'SELECT city, SUM(people) AS people FROM "{RESOURCE}" WHERE city LIKE \'부%\' GROUP BY city'
query = urllib.parse.urlencode({"sql": statement})
with urllib.request.urlopen(f"{SITE}/api/3/action/datastore_search_sql?{query}") as answer:
    print("statement", json.load(answer)["result"]["records"][0]["people"])
