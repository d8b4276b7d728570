"""The snippets of docs/samples/datastore, each run as it stands against a table that came by an upload of a file.

Arguments: base URL, credentials.json, data folder (not used). MADANG_SAMPLES is the folder docs/samples.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import requests

BASE, CREDENTIALS = sys.argv[1], json.load(open(sys.argv[2]))
FOLDER = pathlib.Path(os.environ["MADANG_SAMPLES"]) / "datastore"
TOKEN = CREDENTIALS["ckan_api_token"]
ROWS = [("서울", 2024, 9_331_828), ("서울", 2025, 9_300_000), ("부산", 2024, 3_266_598), ("부산", 2025, 3_250_000), ("제주", 2023, 675_252)]
PEOPLE, YEAR = sum(row[2] for row in ROWS), sum(row[2] for row in ROWS if row[1] == 2025)
BUSAN = sum(row[2] for row in ROWS if row[0] == "부산")
FOUND = ["words 2 서울", "conditions 4 서울", f"statement {BUSAN}"]
CASES = [
    ([sys.executable, "search.py"], FOUND),
    ([sys.executable, "with_requests.py"], ["pages 5 제주", "written 1 390000", "deleted 0"]),
    ([sys.executable, "with_pandas.py"], [f"dump 5 {PEOPLE}", f"records {YEAR}"]),
    (["Rscript", "search.R"], [*FOUND, f"records 5 {PEOPLE}", f"dump 5 {PEOPLE}"]),
    (["node", "search.mjs"], FOUND),
    (["bash", "search.sh"], ['"total":2', '"total":4', "6"]),
]


def act(action, files=None, **parameters):
    call = {"data": parameters, "files": files} if files else {"json": parameters}
    answer = requests.post(f"{BASE}/api/3/action/{action}", headers={"Authorization": TOKEN}, **call)
    assert answer.status_code == 200, (action, answer.text)
    return answer.json()["result"]


def table():
    """A public resource whose file the loader made a table of, with a key."""
    organization = act("organization_create", name="snippets")
    package = act("package_create", name="snippets", title="인구", owner_org=organization["id"], private=False)
    text = "city,year,people\n" + "".join(f"{city},{year},{people}\n" for city, year, people in ROWS)
    resource = act("resource_create", files={"upload": ("people.csv", text.encode())}, package_id=package["id"], format="CSV")["id"]
    for _ in range(300):
        if act("resource_show", id=resource)["datastore_active"]:
            act("datastore_create", resource_id=resource, primary_key=["city", "year"], force=True)
            return resource
        time.sleep(0.1)
    raise AssertionError("the file did not become a table")


environment = os.environ | {"CKAN_URL": BASE, "RESOURCE_ID": table(), "CKAN_TOKEN": TOKEN, "NO_PROXY": "*", "no_proxy": "*", "LC_ALL": "C.UTF-8"}
for command, wanted in CASES:
    done = subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    lines = [line.strip().replace('": ', '":') for line in done.stdout.splitlines()]
    assert lines == wanted, (command, lines, wanted)
    print(f"{command[-1]}: {'; '.join(lines)}")
