"""What becomes of a source spec: sources of every format over HTTP, one of 100 MB among them, and every file that is made of them opened by a
foreign program (pandas, DuckDB, sqlite3, unzip, json).

Arguments: base URL, credentials.json, a port of this machine that the hub may fetch from.
"""

import functools
import hashlib
import http.server
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import duckdb
import pandas
import requests

BASE, CREDENTIALS, PORT = sys.argv[1], json.load(open(sys.argv[2])), int(sys.argv[3])
OWNER, DATASET = CREDENTIALS["owner_id"], "derived"
BIG_BYTES = (1 if "PROOF_SHORT" in os.environ else 100) << 20
HOME = pathlib.Path(tempfile.mkdtemp())
ORDER = ["QUEUED", "INPROGRESS", "SUCCEEDED"]

FIELDS = [
    {"name": "id", "type": "integer"},
    {"name": "name", "type": "string"},
    {"name": "length_km", "type": "number"},
    {"name": "tidal", "type": "boolean"},
    {"name": "measured", "type": "date"},
]
NAMES = ["한강", "금강", "낙동강", "Rhine, lower", 'the "Old" river', "섬진강"]


def row(at):
    return at, NAMES[at % len(NAMES)], at * 0.25 - 10, at % 3 == 0, f"20{at % 90 + 10}-0{at % 9 + 1}-1{at % 10}"


def small():
    """A hundred rows as a frame, whatever format they are written in."""
    frame = pandas.DataFrame([row(at) for at in range(100)], columns=[field["name"] for field in FIELDS])
    return frame.assign(measured=frame["measured"].astype(str))


def write_big(path):
    """Rows until the file is big enough; gives their number."""
    at = 0
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write("id,name,length_km,tidal,measured\r\n")
        while file.tell() < BIG_BYTES:
            lines = []
            for at in range(at, at + 10_000):
                number, name, length, tidal, day = row(at)
                quoted = '"' + name.replace('"', '""') + '"' if set(name) & set(',"') else name
                lines.append(f"{number},{quoted},{length},{str(tidal).lower()},{day}\r\n")
            at += 1
            file.write("".join(lines))
    return at


def write_sources():
    """The files that are served; gives the resources and the rows of each table."""
    frame, served = small(), HOME / "served"
    served.mkdir()
    frame.to_csv(served / "tabs.tsv", sep="\t", index=False)
    with pandas.ExcelWriter(served / "book.xlsx") as book:
        frame.to_excel(book, index=False, sheet_name="rivers")
    with pandas.ExcelWriter(served / "sheet.ods", engine="odf") as book:
        frame.to_excel(book, index=False, sheet_name="rivers")
    (served / "objects.json").write_text(frame.to_json(orient="records", force_ascii=False))
    area = {"type": "Feature", "properties": {"name": "강"}, "geometry": {"type": "Point", "coordinates": [127.0, 37.5]}}
    (served / "map.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [area]}, ensure_ascii=False))
    (served / "notes.txt").write_text("measured by hand\n")
    rows = {"tabs": 100, "book": 100, "sheet": 100, "objects": 100, "big": write_big(served / "big.csv")}
    paths = {"big": "big.csv", "tabs": "tabs.tsv", "book": "book.xlsx", "sheet": "sheet.ods", "objects": "objects.json"}
    tables = [{"name": name, "path": path, "format": path.rsplit(".")[-1], "schema": {"fields": FIELDS}} for name, path in paths.items()]
    plain = [{"name": "map", "path": "map.geojson", "format": "geojson"}, {"name": "notes", "path": "notes.txt", "format": "pdf"}]
    return served, tables + plain, rows


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder, and counts how often each file is asked for."""

    def __init__(self, folder):
        self.asked = {}
        super().__init__(("127.0.0.1", PORT), functools.partial(Handler, directory=folder))
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        self.server.asked[self.path] = self.server.asked.get(self.path, 0) + 1
        super().do_GET()

    def log_message(self, *_):
        pass


def upload(resources):
    spec = {
        "meta": {"version": 1, "owner": "admin", "ownerid": OWNER, "dataset": DATASET, "findability": "published"},
        "inputs": [{"kind": "datapackage", "url": f"http://127.0.0.1:{PORT}/datapackage.json", "parameters": {
            "resource-mapping": {resource["path"]: f"http://127.0.0.1:{PORT}/{resource['path']}" for resource in resources},
            "descriptor": {"name": DATASET, "title": "Everything about rivers", "resources": resources}}}],
        "outputs": [{"kind": kind, "parameters": {"out-file": f"{DATASET}.{kind}"}} for kind in ("zip", "sqlite", "parquet")],
    }
    answer = requests.post(f"{BASE}/source/upload", json=spec, headers={"Auth-Token": CREDENTIALS["spec_store_token"]}).json()
    assert answer["success"], answer
    return answer["flow_id"]


def watch(flow):
    """The revision once it has ended, and the states that were seen, in order."""
    seen, began = [], time.monotonic()
    while time.monotonic() - began < 900:
        read = requests.get(f"{BASE}/source/{flow}").json()
        if not seen or seen[-1] != read["state"]:
            seen.append(read["state"])
        if read["state"] in ("SUCCEEDED", "FAILED"):
            return read, seen, time.monotonic() - began
        time.sleep(0.05)
    raise AssertionError(f"{flow} does not end")


def fetched(package):
    """Every file of the package, with the bytes and the sum that it says."""
    files = {}
    for resource in package["resources"]:
        content = requests.get(resource["path"]).content
        assert len(content) == resource["bytes"], (resource["name"], len(content), resource["bytes"])
        assert hashlib.md5(content).hexdigest() == resource["hash"], resource["name"]
        files[resource["name"]] = HOME / resource["path"].rsplit("/", 1)[1]
        files[resource["name"]].write_bytes(content)
    return files


def csv(path):
    return pandas.read_csv(path, dtype={"measured": str})


def check_tables(files, rows):
    """CSV by pandas, JSON by Python, Parquet by DuckDB: each has what was sent."""
    wanted = small()
    for name, count in rows.items():
        frame = csv(files[f"{name}_csv"])
        assert len(frame) == count, (name, len(frame), count)
        pandas.testing.assert_frame_equal(frame.head(100), wanted, check_dtype=False)
        objects = json.load(open(files[f"{name}_json"], encoding="utf-8"))
        assert len(objects) == count and [one["name"] for one in objects[:6]] == NAMES, name
        query = f"SELECT COUNT(*), SUM(length_km), COUNT(*) FILTER (tidal), MAX(measured) FROM read_parquet('{files[f'{name}_parquet']}')"
        told = duckdb.sql(query).fetchall()[0]
        assert told[:3] == (count, frame["length_km"].sum(), int(frame["tidal"].sum())), (name, told)
        assert str(told[3]) == frame["measured"].max(), (name, told)
    print(f"{len(rows)} tables, {sum(rows.values()):,} rows: CSV in pandas {pandas.__version__}, JSON in Python, Parquet in DuckDB {duckdb.__version__}: equal")


def check_bundles(files, rows):
    for name, count in rows.items():
        database = next(path for key, path in files.items() if key.endswith("_sqlite"))
        query = f"SELECT COUNT(*), TOTAL(length_km) FROM {name}"
        told = subprocess.run(["sqlite3", database, query], capture_output=True, text=True, check=True).stdout.strip()
        assert told.split("|")[0] == str(count), (name, told)
    sound = subprocess.run(["sqlite3", database, "PRAGMA integrity_check"], capture_output=True, text=True, check=True).stdout.strip()
    assert sound == "ok", sound
    archive = next(path for key, path in files.items() if key.endswith("_zip"))
    tested = subprocess.run(["unzip", "-tq", archive], capture_output=True, text=True)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    listed = subprocess.run(["unzip", "-Z1", archive], capture_output=True, text=True, check=True).stdout.split()
    assert "datapackage.json" in listed and "archive/map.geojson" in listed, listed
    inside = subprocess.run(["unzip", "-p", archive, "data/tabs_csv.csv"], capture_output=True, check=True).stdout
    pandas.testing.assert_frame_equal(csv(io.BytesIO(inside)), small(), check_dtype=False)
    print(f"sqlite3: integrity ok, a table for each; unzip: {len(listed)} files, tested")


def check_catalogue(rows):
    """CKAN finds it, D.Hub pages its big table to the end."""
    token = requests.post(f"{BASE}/api/v1/auth/login", json={key: CREDENTIALS[key] for key in ("username", "password")}).json()["access_token"]
    wanted = sorted(f"{name}_csv" for name in rows)
    resources, tables = {}, []
    began = time.monotonic()
    while time.monotonic() - began < 600:
        found = requests.get(f"{BASE}/api/3/action/package_search", params={"q": "rivers", "fq": f"name:{OWNER}-{DATASET}"}).json()["result"]
        resources = {resource["name"]: resource for package in found["results"] for resource in package["resources"]}
        tables = sorted(name for name, resource in resources.items() if resource["datastore_active"])
        if tables == wanted:
            break
        time.sleep(0.2)
    assert tables == wanted, (tables, found["count"])
    total = requests.get(f"{BASE}/api/3/action/datastore_search", params={"resource_id": resources["big_csv"]["id"], "limit": 0}).json()["result"]["total"]
    assert total == rows["big"], total
    headers = {"Authorization": f"Bearer {token}"}
    table = requests.get(f"{BASE}/api/v1/datasets", params={"q": "Everything about rivers"}, headers=headers).json()[0]["tables"]
    pages = 0
    for one in table:
        read = requests.get(f"{BASE}/api/v1/tables/{one['id']}", params={"page": 1, "page_size": 1}, headers=headers).json()
        last = requests.get(f"{BASE}/api/v1/tables/{one['id']}", params={"page": read["total_rows"], "page_size": 1}, headers=headers).json()
        assert last["data"] == [list(row(read["total_rows"] - 1))], (one, last["data"])
        pages += 1
    print(f"found by CKAN's search, its tables {time.monotonic() - began:.0f} s after everything above; D.Hub's last page of {pages} tables has the last row that was sent")


def main():
    served, resources, rows = write_sources()
    server = Server(served)
    size = (served / "big.csv").stat().st_size
    flow = upload(resources)
    read, seen, seconds = watch(flow)
    assert read["state"] == "SUCCEEDED", read["error_log"]
    assert [state for state in ORDER if state in seen] == seen, seen
    assert all(times == 1 for times in server.asked.values()) and len(server.asked) == len(resources), server.asked
    print(f"a spec of {len(resources)} sources, {size / 1e6:.0f} MB of CSV among them, each fetched once: {' → '.join(seen)} in {seconds:.0f} s")
    assert read["stats"]["count_of_rows"] == sum(rows.values()), read["stats"]

    package = requests.get(read["pipelines"][flow]["stats"][".dpp"]["out-datapackage-url"]).json()
    files = fetched(package)
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files.values()) / 1e6:.0f} MB: bytes and MD5 as the package says")
    assert files["map"].read_bytes() == (served / "map.geojson").read_bytes()
    check_tables(files, rows)
    check_bundles(files, rows)
    check_catalogue(rows)

    again, _, seconds = watch(upload(resources))
    assert again["state"] == "SUCCEEDED" and again["stats"]["count_of_rows"] == sum(rows.values()), again
    print(f"uploaded again without a change: SUCCEEDED in {seconds:.1f} s")


main()
