"""Jobs of signed calls over the flights, each compared with DuckDB: CSV objects, filtered, joined, summed up, into Parquet; the same
with the source in PostgreSQL and the target in MariaDB.

Arguments: base URL, credentials.json, flights.csv, JSON with the logins of both databases. Prints one finding a line; exits with 1 at
the first difference.
"""

import base64
import hashlib
import hmac
import json
import math
import sys
import tempfile
import time
from urllib.parse import quote

import duckdb
import pg8000.dbapi
import pymysql
import requests

BASE, CREDENTIALS, FLIGHTS, DATABASES = sys.argv[1], json.load(open(sys.argv[2])), sys.argv[3], json.loads(sys.argv[4])
QUERY = """
SELECT f.carrier AS carrier, c.country AS country, sum(f.distance) AS miles, avg(f.arr_delay) AS mean_delay, max(f.dep_time) AS last_departure,
       count(f.arr_delay) AS arrived
FROM flights f JOIN carriers c ON f.carrier = c.carrier WHERE f.month <= 6 GROUP BY f.carrier, c.country ORDER BY f.carrier
"""
COLUMNS = {"year": "int", "month": "int", "day": "int", "dep_time": "int", "sched_dep_time": "int", "dep_delay": "int", "arr_time": "int",
           "sched_arr_time": "int", "arr_delay": "int", "carrier": "string", "flight": "int", "tailnum": "string", "origin": "string",
           "dest": "string", "air_time": "int", "distance": "int", "hour": "int", "minute": "int", "time_hour": "timestampWithTimeZone"}
RESULT = {"carrier": "string", "country": "string", "miles": "bigint", "mean_delay": "double", "last_departure": "int", "arrived": "bigint"}


def call(method, target, body=None, bytes_=None):
    at = str(time.time_ns() // 1_000_000)
    text = f"{method} {target}\n{at}\n{CREDENTIALS['access_key']}"
    signature = base64.b64encode(hmac.new(CREDENTIALS["secret_key"].encode(), text.encode(), hashlib.sha256).digest()).decode()
    headers = {"x-ncp-apigw-timestamp": at, "x-ncp-iam-access-key": CREDENTIALS["access_key"], "x-ncp-apigw-signature-v2": signature}
    answer = requests.request(method, BASE + target, headers=headers, **({"json": body} if body is not None else {"data": bytes_}))
    assert answer.status_code in (200, 201), (method, target, answer.status_code, answer.text[:500])
    time.sleep(0.002)  # two calls within a millisecond would have one signature
    return answer


def timed(what, work):
    started = time.monotonic()
    result = work()
    print(f"{what}: {time.monotonic() - started:.2f} s")
    return result


def fields(columns):
    return [{"name": name, "type": kind} for name, kind in columns.items()]


def node(kind, id, parents, **more):
    return {"type": kind, "id": id, "name": "노드", "parentNodeIds": parents, **more}


def objects(prefix):
    return {"regionNo": "1", "bucketName": "flights", "prefix": prefix}


def graph(flights, carriers, target):
    """Filter, join, aggregate between these ends."""
    condition = {"leftField": "carrier", "rightField": "carrier", "joinOperator": "EQ", "conditionOperator": "HEAD"}
    sums = [("distance", "miles", "SUM"), ("arr_delay", "mean_delay", "AVG"), ("dep_time", "last_departure", "MAX"), ("arr_delay", "arrived", "COUNT")]
    return [
        flights, carriers,
        node("TRANSFORM_FILTER", 3, [1], filterType="AND", filterConditionList=[{"name": "month", "operator": "LTE", "value": "6"}]),
        node("TRANSFORM_JOIN", 4, [3, 2], joinType="INNER", leftNodeId=3, rightNodeId=2, joinConditionList=[condition], prefix="c_"),
        node("TRANSFORM_AGGREGATE", 5, [4], groupByList=["carrier", "country"],
             aggregateFieldList=[{"name": name, "ResultName": result, "function": function} for name, result, function in sums]),
        target,
    ]


def run(name, nodes):
    job = call("POST", "/api/v1/jobs", {"name": name, "nodes": nodes}).json()["jobId"]
    execution = call("POST", f"/api/v1/jobs/{job}/executions", {}).json()["jobExecutionId"]
    while True:
        look = call("GET", f"/api/v1/jobs/{job}/executions/{execution}").json()
        if look["status"] not in ("READY", "RUNNING"):
            assert look["status"] == "COMPLETED", look
            return look
        time.sleep(0.02)


def compare(what, ours, theirs):
    assert len(ours) == len(theirs) > 0, (len(ours), len(theirs))
    for mine, other in zip(ours, theirs):
        for a, b in zip(mine, other):
            assert math.isclose(a, b, rel_tol=1e-12) if isinstance(b, float) else a == b, (mine, other)
    print(f"{what}: equal to DuckDB {duckdb.__version__}, {len(theirs)} rows")


database = duckdb.connect()
database.execute(f"CREATE TABLE flights AS SELECT * FROM read_csv('{FLIGHTS}', nullstr='NA')")
names = [row[0] for row in database.execute("SELECT DISTINCT carrier FROM flights ORDER BY carrier").fetchall()]
database.execute("CREATE TABLE carriers (carrier VARCHAR, country VARCHAR)")
carriers = [(name, "한국" if at % 3 == 0 else None if at % 3 == 1 else "US") for at, name in enumerate(names) if name != names[-1]]
database.executemany("INSERT INTO carriers VALUES (?, ?)", carriers)
theirs = database.execute(QUERY).fetchall()

call("POST", "/madang/v1/buckets", {"name": "flights"})
text = open(FLIGHTS, "rb").read()
timed("upload of the flights as an object", lambda: call("PUT", "/madang/v1/buckets/flights/objects/raw/flights/1.csv", bytes_=text))
lines = "carrier,country\n" + "".join(f"{name},{country or ''}\n" for name, country in carriers)
call("PUT", "/madang/v1/buckets/flights/objects/raw/carriers/1.csv", bytes_=lines.encode())
nodes = graph(node("SOURCE_OBS", 1, [], dataType="CSV", fieldList=fields(COLUMNS), **objects("raw/flights")),
              node("SOURCE_OBS", 2, [], dataType="CSV", fieldList=fields({"carrier": "string", "country": "string"}), **objects("raw/carriers")),
              node("TARGET_OBS", 6, [5], dataType="PARQUET", fieldList=fields(RESULT), **objects("sums")))
ended = timed("CSV objects to a Parquet object, request to completed", lambda: run("flights_objects", nodes))
read = next(stats for stats in ended["nodeStats"] if stats["rowsOut"] == 336776)
print(f"rows read: {read['rowsOut']}, bad values: {read['badValues']} (the cells that say NA)")
key = call("GET", "/madang/v1/buckets/flights/objects?prefix=sums/").json()["objects"][0]["key"]
with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
    file.write(call("GET", "/madang/v1/buckets/flights/objects/" + quote(key)).content)
    file.flush()
    compare("Parquet object", database.execute("SELECT * FROM read_parquet(?) ORDER BY carrier", [file.name]).fetchall(), theirs)

postgres, mariadb = DATABASES["postgresql"], DATABASES["mysql"]
source = pg8000.dbapi.connect(host=postgres["host"], port=postgres["port"], user=postgres["username"], database=postgres["database"])
cursor = source.cursor()
kinds = {"int": "integer", "string": "text", "timestampWithTimeZone": "timestamptz"}
cursor.execute("CREATE TABLE flights (" + ", ".join(f'"{name}" {kinds[kind]}' for name, kind in COLUMNS.items()) + ")")
cursor.execute("COPY flights FROM STDIN WITH (FORMAT csv, HEADER, NULL 'NA')", stream=open(FLIGHTS, "rb"))
cursor.execute("CREATE TABLE carriers (carrier text, country text)")
cursor.executemany("INSERT INTO carriers VALUES (%s, %s)", carriers)
source.commit()
target = pymysql.connect(host=mariadb["host"], port=mariadb["port"], user=mariadb["username"], password=mariadb["password"].encode(), database=mariadb["database"], charset="utf8mb4")
with target.cursor() as cursor:
    cursor.execute("CREATE TABLE sums (carrier VARCHAR(10), country VARCHAR(50), miles BIGINT, mean_delay DOUBLE, last_departure INT, arrived BIGINT)")
connection = {kind: call("POST", "/madang/v1/connections", {"name": kind, "kind": kind, **login}).json()["id"] for kind, login in DATABASES.items()}
nodes = graph(node("SOURCE_CDB_POSTGRESQL", 1, [], connectionId=connection["postgresql"], table="flights", fieldList=fields(COLUMNS)),
              node("SOURCE_CDB_POSTGRESQL", 2, [], connectionId=connection["postgresql"], table="carriers", fieldList=fields({"carrier": "string", "country": "string"})),
              node("TARGET_CDB_MYSQL", 6, [5], connectionId=connection["mysql"], table="sums", fieldList=fields(RESULT)))
timed("PostgreSQL to MariaDB, request to completed", lambda: run("flights_databases", nodes))
target.commit()
with target.cursor() as cursor:
    cursor.execute("SELECT * FROM sums ORDER BY carrier")
    compare("MariaDB table", [tuple(row) for row in cursor.fetchall()], theirs)
