"""Answers: complete durable responses a second from 64 clients on PostgreSQL, how long one takes, and how fast many are imported and exported."""

import http.client
import json
import multiprocessing
import os
import threading
import time
from urllib.parse import urlsplit

from harness import POSTGRES, Hub, percentile, progress, psql, say, table, verdict

CLIENTS = 64
PROCESSES = 4
RESPONSES = int(os.environ.get("DATASPACE_RESPONSES", "20000"))
ROWS = int(os.environ.get("DATASPACE_ROWS", "1000000"))
SERVICES = ("gateway", "catalog", "pipeline", "survey")
SURVEY = {
    "title": "만족도",
    "parameters": [{"key": "uid"}],
    "questions": [
        {"type": "SingleChoice", "text": "매장", "options": [{"text": "강남점"}, {"text": "홍대점"}]},
        {"type": "Nps", "text": "추천"},
        {"type": "LongText", "text": "의견"},
    ],
}
ANSWERS = [
    {"questionRank": 1, "options": [{"rank": 2}]},
    {"questionRank": 2, "value": 9},
    {"questionRank": 3, "text": "직원이 친절했어요"},
]


def respondent(host, serial, count, took):
    """Opens a sheet and submits it, again and again, on one connection."""
    connection = http.client.HTTPConnection(host)
    for _ in range(count):
        began = time.perf_counter()
        connection.request("GET", f"/r/{serial}/form")
        form = connection.getresponse()
        token = json.loads(form.read())["sheetToken"]
        opened = time.perf_counter()
        body = json.dumps({"sheetToken": token, "answers": ANSWERS})
        connection.request("POST", f"/r/{serial}/answers", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        took.append((time.perf_counter() - opened, time.perf_counter() - began))


def crew(host, serial, each, clients, results):
    took = []
    threads = [threading.Thread(target=respondent, args=(host, serial, each, took)) for _ in range(clients)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    results.put(took)


def collect(hub, serial):
    host = urlsplit(hub.base).netloc
    results = multiprocessing.Queue()
    each = RESPONSES // CLIENTS
    began = time.perf_counter()
    crews = [multiprocessing.Process(target=crew, args=(host, serial, each, CLIENTS // PROCESSES, results)) for _ in range(PROCESSES)]
    [process.start() for process in crews]
    took = sum((results.get() for _ in crews), [])
    seconds = time.perf_counter() - began
    [process.join() for process in crews]
    assert len(took) == each * CLIENTS, len(took)
    return len(took) / seconds, [one[0] for one in took]


def author(hub, method, below, **more):
    answer = hub.session.request(method, f"{hub.base}/dataspace/v1/spaces/{hub.credentials()['space_id']}{below}", **more)
    assert answer.status_code == 200, (method, below, answer.status_code, answer.text[:300])
    return answer


def running(hub):
    survey = author(hub, "POST", "/surveys", json=SURVEY).json()["surveyId"]
    group = author(hub, "POST", f"/surveys/{survey}/collect-groups", json={"name": "g", "channel": "PUBLIC_LINK"}).json()
    author(hub, "POST", f"/collect-groups/{group['collectGroupId']}/start")
    return survey, group["serial"]


def lines():
    start = 1_600_000_000
    for number in range(ROWS):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start + number // 10))
        yield (json.dumps({"submittedAt": at, "answers": ANSWERS}) + "\n").encode()


def bulk(hub, survey):
    began = time.perf_counter()
    report = author(hub, "POST", f"/surveys/{survey}/responses/import", data=lines(), headers={"content-type": "application/x-ndjson"}).json()
    imported = time.perf_counter() - began
    assert report["accepted"] == ROWS, report
    began = time.perf_counter()
    answer = author(hub, "GET", f"/surveys/{survey}/responses/export?format=csv", stream=True)
    size = sum(len(piece) for piece in answer.iter_content(1 << 20))
    return imported, time.perf_counter() - began, size


def settings():
    found = {"survey_responses": 10_000_000}
    for service in SERVICES:
        psql(f"DROP DATABASE IF EXISTS dataspace_{service} WITH (FORCE)")
        psql(f"CREATE DATABASE dataspace_{service}")
        found[f"{service}_database_url"] = f"{POSTGRES}/dataspace_{service}"
    return found


with Hub("dataspace", **settings()) as hub:
    survey, serial = running(hub)
    progress(f"{RESPONSES} responses from {CLIENTS} clients")
    rate, took = collect(hub, serial)
    p50, p99 = (percentile(took, share) * 1000 for share in (0.5, 0.99))
    progress(f"{ROWS} responses in and out")
    survey, _ = running(hub)
    imported, exported, size = bulk(hub, survey)

say(f"PostgreSQL with fsync. {CLIENTS} clients each open a sheet and submit it, {RESPONSES} in all; they share the machine with the hub.")
table(
    ["what", "measured"],
    [
        ["complete responses a second", f"{rate:,.0f}"],
        ["submission, median", f"{p50:.1f} ms"],
        ["submission, 99th of 100", f"{p99:.1f} ms"],
        [f"import of {ROWS:,} as NDJSON", f"{ROWS / imported:,.0f} rows/s"],
        [f"export of {ROWS:,} as CSV ({size >> 20} MiB)", f"{ROWS / exported:,.0f} rows/s"],
    ],
)
verdict("at least 1,000 complete responses a second", rate >= 1_000)
verdict("a submission takes at most 50 ms, 99 times of 100", p99 <= 50)
verdict("an export gives at least 100,000 rows a second", ROWS / exported >= 100_000)
