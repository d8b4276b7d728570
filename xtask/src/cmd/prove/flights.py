"""Uploads the flights, pages to the last row, compares every value with the file, and compares with DuckDB what a SQL step and
three steps without SQL (filter, join, aggregate) make of them.

Arguments: base URL, credentials.json, flights.csv. Prints one finding a line; exits with 1 at the first difference.
"""

import csv
import json
import math
import sys
import time

import duckdb
import requests

BASE, CREDENTIALS, FLIGHTS = sys.argv[1] + "/api/v1", json.load(open(sys.argv[2])), sys.argv[3]
QUERY = """
SELECT carrier, origin, count(*) AS flights, count(TRY_CAST(arr_delay AS BIGINT)) AS arrived, sum(distance) AS miles,
       min(TRY_CAST(dep_time AS BIGINT)) AS first_departure, max(time_hour) AS last_hour, avg(TRY_CAST(arr_delay AS DOUBLE)) AS mean_delay
FROM flights WHERE month <= 6 GROUP BY carrier, origin ORDER BY carrier, origin
"""


def timed(what, work):
    started = time.monotonic()
    result = work()
    print(f"{what}: {time.monotonic() - started:.2f} s")
    return result


def call(method, path, **more):
    answer = requests.request(method, BASE + path, headers=HEADERS, **more)
    assert answer.status_code == 200, (method, path, answer.status_code, answer.text[:300])
    return answer.json()


login = requests.post(BASE + "/auth/login", json={"username": CREDENTIALS["username"], "password": CREDENTIALS["password"]})
HEADERS = {"Authorization": "Bearer " + login.json()["access_token"]}
collection = call("POST", "/collections", json={"name": "항공편"})["id"]
dataset = lambda name: call("POST", "/datasets", json={"name": name, "collection_id": collection})["id"]
flights, summary = dataset("flights"), dataset("summary")

import subprocess

curl = ["curl", "-s", "-X", "POST", f"{BASE}/tables/{flights}/upload", "-H", f"Authorization: {HEADERS['Authorization']}", "-F", f"file=@{FLIGHTS}"]
made = timed("upload with curl", lambda: json.loads(subprocess.run(curl, capture_output=True, check=True).stdout))
assert made == {"message": "Upload successful", "rows": 336776, "columns": 19}, made
print("answer:", json.dumps(made))


def page_through():
    page, rows = 1, []
    while True:
        answer = call("GET", f"/tables/{flights}?page={page}&page_size=10000")
        assert answer["total_rows"] == 336776
        if not answer["data"]:
            return answer["columns"], rows
        rows += answer["data"]
        page += 1


columns, rows = timed("paging to the end, 10,000 rows a page", page_through)
with open(FLIGHTS, newline="", encoding="utf-8") as file:
    reader = csv.reader(file)
    assert next(reader) == columns, columns
    compared = 0
    for at, source in enumerate(reader):
        shown = ["" if value is None else str(value) for value in rows[at]]
        assert shown == source, (at + 1, shown, source)
        compared += len(source)
assert len(rows) == at + 1
print(f"equal to the file, in order: {at + 1} rows, {compared} values")

airlines, by_airline = dataset("airlines"), dataset("by airline")
AIRLINES = FLIGHTS.replace("flights.csv", "airlines.csv")
call("POST", f"/tables/{airlines}/upload", files={"file": open(AIRLINES, "rb")})


def pipeline(*steps):
    return call("POST", "/pipelines", json={"name": "요약", "collection_id": collection, "steps": steps})["id"]


def run(pipeline):
    batch = call("POST", f"/pipelines/{pipeline}/run", json={})["batch_id"]
    while (state := call("GET", f"/batches/{batch}"))["status"] == "running":
        time.sleep(0.02)
    assert state["status"] == "completed", call("GET", f"/traces?batch_id={batch}")


def compare(what, dataset, query):
    """Rows of both in one order; a float may differ in its last digits, as sums of floats do."""
    ours = call("GET", f"/tables/{dataset}?page_size=1000")
    theirs = database.execute(query).fetchall()
    assert ours["total_rows"] == len(ours["data"]) == len(theirs) > 0, (ours["total_rows"], len(theirs))
    for mine, other in zip(sorted(ours["data"], key=lambda row: row[:2]), sorted(theirs, key=lambda row: row[:2])):
        for name, a, b in zip(ours["columns"], mine, other):
            b = b.strftime("%Y-%m-%dT%H:%M:%SZ") if hasattr(b, "strftime") else b
            same = math.isclose(a, b, rel_tol=1e-12) if isinstance(b, float) else a == b
            assert same, (name, a, b, mine, other)
    print(f"{what}: equal to DuckDB {duckdb.__version__}: {len(theirs)} rows")


database = duckdb.connect()
database.execute("SET TimeZone = 'UTC'")
for view, file in [("flights", FLIGHTS), ("airlines", AIRLINES)]:
    database.execute(f"CREATE VIEW {view} AS SELECT * FROM read_csv('{file}')")

one = pipeline({"name": "summary", "script": "sql", "inputs": {"flights": {"dataset": flights}},
                "outputs": {"result": {"dataset": summary}}, "options": {"query": QUERY, "write_mode": "overwrite"}})
timed("SQL step, request to completed", lambda: run(one))
compare("SQL step", summary, QUERY)

three = pipeline(
    {"name": "half", "script": "filter", "inputs": {"rows": {"dataset": flights}}, "outputs": {"out": {}},
     "options": {"conditions": [{"column": "month", "op": "le", "value": "6"}]}},
    {"name": "named", "script": "join", "inputs": {"left": {"step": "half", "output": "out"}, "right": {"dataset": airlines}},
     "outputs": {"out": {}}, "options": {"on": ["carrier"]}},
    {"name": "counted", "script": "aggregate", "inputs": {"rows": {"step": "named", "output": "out"}},
     "outputs": {"out": {"dataset": by_airline}},
     "options": {"write_mode": "overwrite", "group_by": ["name", "origin"],
                 "aggregates": [{"function": "count", "as": "flights"}, {"function": "sum", "column": "distance", "as": "miles"},
                                {"function": "avg", "column": "distance", "as": "mean"}, {"function": "max", "column": "time_hour", "as": "last"}]}})
timed("filter, join, aggregate, request to completed", lambda: run(three))
compare("filter, join, aggregate", by_airline, """
    SELECT name, origin, count(*) AS flights, sum(distance) AS miles, avg(distance) AS mean, max(time_hour) AS last
    FROM flights JOIN airlines USING (carrier) WHERE month <= 6 GROUP BY name, origin""")
