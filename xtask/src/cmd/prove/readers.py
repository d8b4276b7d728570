"""Opens the hub's tables with deltalake, Polars and DuckDB, and compares every version's rows with what the API answers.

Arguments: base URL, credentials.json, data folder of the hub. Prints one finding a line; exits with 1 at the first difference.
"""

import datetime
import json
import math
import pathlib
import struct
import sys

import deltalake
import duckdb
import polars
import requests

BASE, CREDENTIALS, LAKE = sys.argv[1] + "/api/v1", json.load(open(sys.argv[2])), pathlib.Path(sys.argv[3], "lake")
PAGE = 10_000
KINDS = ["boolean", "integer", "long", "float", "double", "string", "date", "timestamp", "timestamp_ntz"]


def call(method, path, **more):
    answer = requests.request(method, BASE + path, headers=HEADERS, **more)
    assert answer.status_code == 200, (method, path, answer.status_code, answer.text[:300])
    return answer.json()


login = requests.post(BASE + "/auth/login", json={"username": CREDENTIALS["username"], "password": CREDENTIALS["password"]})
HEADERS = {"Authorization": "Bearer " + login.json()["access_token"]}


# --- the tables, made through the front door ---


def make(name, columns=None):
    body = {"name": name}
    if columns:
        body["schema"] = struct_of(columns)
    return call("POST", "/datasets", json=body)["id"]


def struct_of(columns):
    fields = [{"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in columns]
    return {"type": "struct", "fields": fields}


def upload(dataset, *texts, mode="append"):
    files = [("files", ("a.csv", text if isinstance(text, bytes) else text.encode(), "text/csv")) for text in texts]
    return call("POST", f"/tables/{dataset}/upload?mode={mode}", files=files)


def every_type():
    """All nine types with their extremes and nulls; then another column; then other rows."""
    columns = [(f"c_{kind}", kind) for kind in KINDS]
    dataset = make("자료형", columns)
    head = ",".join(name for name, _ in columns)
    rows = [
        "true,2147483647,9223372036854775807,1.5,1.7976931348623157e308,가나다,9999-12-31,2026-03-12T09:15:00Z,2026-03-12T09:15:00",
        'false,-2147483648,-9223372036854775808,-0.1,5e-324,"쉼표, ""따옴표""\n줄바꿈",0001-01-01,1969-12-31T23:59:59.999999Z,1900-01-01T00:00:00.000001',
        ",,,,,,,,",
        "true,0,0,0,-0.0,🙂 한글 ascii,1970-01-01,2026-03-12T09:15:00.5+09:00,2262-04-11T23:47:16.854775",
    ]
    upload(dataset, "\n".join([head, *rows]) + "\n")
    upload(dataset, f"{head}\n{rows[0]}\n", f"{head}\n{rows[2]}\n")
    call("PUT", f"/datasets/{dataset}", json={"name": "자료형", "schema": struct_of([*columns, ("새 열", "string")])})
    upload(dataset, f"{head},새 열\n{rows[3]},추가\n{rows[2]},\n")
    upload(dataset, f"새 열,c_long\n하나,1\n둘,2\n", mode="overwrite")
    upload(dataset, f"c_double,c_string\n0.1,셋\n")
    return dataset


def inferred():
    """Types found by the hub; Korean column names; CP949 and UTF-8 with BOM; leading zeros."""
    dataset = make("교통량")
    head = "일자,도로명,우편번호,통행량,속도,측정시각,휴일"
    line = lambda n: f"2026-03-{n % 28 + 1:02},강남대로 {n},0{n % 10000:04},{n * 37},{n / 7:.3f},2026-03-12T09:{n % 60:02}:00Z,{'true' if n % 3 else 'false'}"
    text = lambda numbers: "\n".join([head, *map(line, numbers)]) + "\n"
    upload(dataset, text(range(20_000)).encode("cp949"))
    upload(dataset, "\ufeff" + text(range(20_000, 45_000)), text(range(5)))
    upload(dataset, text(range(3)), mode="overwrite")
    for n in range(12):
        upload(dataset, f"도로명,통행량\n도로 {n},{n}\n")
    return dataset


# --- what the API says, and what the readers find ---


def by_api(dataset, version):
    page, rows = 1, []
    while True:
        answer = call("GET", f"/tables/{dataset}?version={version}&page={page}&page_size={PAGE}")
        rows += answer["data"]
        if not answer["data"] or len(rows) == answer["total_rows"]:
            assert len(rows) == answer["total_rows"], (version, len(rows), answer["total_rows"])
            return answer["columns"], rows
        page += 1


def by_deltalake(table, version):
    found = deltalake.DeltaTable(table, version=version).to_pyarrow_table().sort_by("_id")
    return found.column_names, list(zip(*(column.to_pylist() for column in found.columns)))


def by_polars(table, version):
    found = polars.read_delta(str(table), version=version).sort("_id")
    return found.columns, found.rows()


def by_duckdb(table, version):
    """Its extension for Delta is not at hand: it reads the files that the log names, which lack columns that came later."""
    delta = deltalake.DeltaTable(table, version=version)
    files, names = delta.file_uris(), [field.name for field in delta.schema().fields]
    if not files:
        return names, []
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    found = database.execute("SELECT * FROM read_parquet($1, union_by_name = true) ORDER BY _id", [files])
    there = [column[0] for column in found.description]
    missing = [name for name in names if name not in there]
    return there + missing, [row + (None,) * len(missing) for row in found.fetchall()]


READERS = [
    (f"deltalake {deltalake.__version__}", by_deltalake),
    (f"polars {polars.__version__}", by_polars),
    (f"duckdb {duckdb.__version__} over the file list", by_duckdb),
]


def same(shown, found, kind):
    if shown is None or found is None:
        return shown is found
    if kind == "float":
        return struct.pack("f", shown) == struct.pack("f", found)
    if isinstance(found, float):
        return math.isclose(shown, found, rel_tol=0) and math.copysign(1, shown) == math.copysign(1, found)
    if isinstance(found, datetime.datetime):
        expected = datetime.datetime.fromisoformat(shown.replace("Z", "+00:00"))
        return (expected.tzinfo is None) == (found.tzinfo is None) and expected == found
    if isinstance(found, datetime.date):
        return shown == found.isoformat()
    return type(shown) is type(found) and shown == found


def compare(name, dataset, table, kinds):
    versions = sorted(entry["version"] for entry in call("GET", f"/tables/{dataset}/versions"))
    assert versions == list(range(len(versions))), versions
    values = {reader: 0 for reader, _ in READERS}
    for version in versions:
        columns, rows = by_api(dataset, version)
        for reader, read in READERS:
            theirs, found = read(table, version)
            places = [theirs.index(column) for column in columns]
            assert set(theirs) == {*columns, "_id"}, (reader, version, theirs, columns)
            assert len(found) == len(rows), (reader, version, len(found), len(rows))
            for at, (shown, values_found) in enumerate(zip(rows, found)):
                for column, value, place in zip(columns, shown, places):
                    assert same(value, values_found[place], kinds.get(column)), (reader, version, at, column, value, values_found[place])
            values[reader] += len(rows) * len(columns)
    for reader, count in values.items():
        print(f"{name}: {reader}: {len(versions)} versions, {count} values equal to the API's")


for name, build in [("nine types, schema growth, overwrite", every_type), ("inferred, CP949, BOM, overwrite", inferred)]:
    before = set(LAKE.iterdir()) if LAKE.exists() else set()
    dataset = build()
    (table,) = set(LAKE.iterdir()) - before
    kinds = {field["name"]: field["type"] for field in call("GET", f"/datasets/{dataset}")["schema"]["fields"]}
    missing = set(KINDS) - set(kinds.values())
    assert build is not every_type or not missing, missing
    compare(name, dataset, table, kinds)
