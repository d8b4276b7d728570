"""Answers: complete durable responses a second from 64 clients on PostgreSQL, how long one takes, how fast a million are imported, walked page by
page while new ones arrive, and exported. DATASPACE_RESPONSES and DATASPACE_ROWS say how many of each."""

import json
import multiprocessing
import os
import socket
import statistics
import threading
import time
from urllib.parse import urlsplit

import requests
from harness import POSTGRES, Hub, percentile, progress, psql, say, seconds_of, table, verdict

CLIENTS = 64
PROCESSES = 4
RESPONSES = int(os.environ.get("DATASPACE_RESPONSES", "20000"))
PACE = 1_000  # responses a second of the second run
ROWS = int(os.environ.get("DATASPACE_ROWS", "1000000"))
PIECE = 256 << 10  # bytes of an import that are sent at once
PAGE = 1_000
PAIRS = 21  # readings of the first and of the last page
ARRIVING = 0.02  # seconds between responses that come during the walk
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


class Respondent:
    """A connection of its own that costs the two cores little: it speaks just enough HTTP."""

    def __init__(self, host, serial):
        name, port = host.split(":")
        self.socket = socket.create_connection((name, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.form = f"GET /r/{serial}/form HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()
        self.head = f"POST /r/{serial}/answers HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: ".encode()
        self.tail = b'", "answers": ' + json.dumps(ANSWERS).encode() + b"}"

    def exchange(self, request):
        self.socket.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.read()
        head, _, body = answer.partition(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r")[0])
        while len(body) < size:
            body += self.read()
        assert head.startswith(b"HTTP/1.1 200"), answer
        return body

    def read(self):
        piece = self.socket.recv(65536)
        assert piece, "the hub hung up"
        return piece

    def answer(self):
        """Opens a sheet and submits it; gives the seconds of the submission."""
        token = self.exchange(self.form).split(b'"sheetToken":"')[1].split(b'"')[0]
        body = b'{"sheetToken": "' + token + self.tail
        request = self.head + str(len(body)).encode() + b"\r\n\r\n" + body
        return seconds_of(lambda: self.exchange(request))


def respondent(host, serial, count, pace, took):
    """Answers again and again, at a pace or as fast as it goes."""
    client = Respondent(host, serial)
    began = time.perf_counter()
    for number in range(count):
        if pace:
            time.sleep(max(0, began + number * CLIENTS / pace - time.perf_counter()))
        took.append(client.answer())


def crew(host, serial, each, pace, results):
    took = []
    threads = [threading.Thread(target=respondent, args=(host, serial, each, pace, took)) for _ in range(CLIENTS // PROCESSES)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    results.put(took)


def collect(hub, serial, pace=None):
    """Gives responses a second, and what each submission took."""
    results = multiprocessing.Queue()
    each = RESPONSES // CLIENTS
    began = time.perf_counter()
    crews = [multiprocessing.Process(target=crew, args=(urlsplit(hub.base).netloc, serial, each, pace, results)) for _ in range(PROCESSES)]
    [process.start() for process in crews]
    took = sum((results.get() for _ in crews), [])
    seconds = time.perf_counter() - began
    [process.join() for process in crews]
    assert len(took) == each * CLIENTS, len(took)
    return len(took) / seconds, took


def author(hub, method, below, **more):
    answer = hub.session.request(method, f"{hub.base}/dataspace/v1/spaces/{hub.credentials()['space_id']}{below}", **more)
    assert answer.status_code == 200, (method, below, answer.status_code, answer.text[:300])
    return answer


def survey_of(hub):
    return author(hub, "POST", "/surveys", json=SURVEY).json()["surveyId"]


def start(hub, survey):
    group = author(hub, "POST", f"/surveys/{survey}/collect-groups", json={"name": "g", "channel": "PUBLIC_LINK"}).json()
    author(hub, "POST", f"/collect-groups/{group['collectGroupId']}/start")
    return group["collectGroupId"], group["serial"]


def pieces():
    """Lines of NDJSON, ten of each second."""
    answers, piece = json.dumps(ANSWERS), []
    for number in range(ROWS):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_600_000_000 + number // 10))
        piece.append(f'{{"submittedAt": "{at}", "answers": {answers}}}\n')
        if len(piece) * len(piece[0]) >= PIECE:
            yield "".join(piece).encode()
            piece = []
    yield "".join(piece).encode()


def bring(hub, survey):
    report = author(hub, "POST", f"/surveys/{survey}/responses/import", data=pieces(), headers={"content-type": "application/x-ndjson"}).json()
    assert report["accepted"] == ROWS, report


def export(hub, survey):
    answer = author(hub, "GET", f"/surveys/{survey}/responses/export?format=csv", stream=True)
    return sum(len(piece) for piece in answer.iter_content(1 << 20))


class Reader:
    """A researcher with the space's key."""

    def __init__(self, hub, survey):
        credentials = hub.credentials()
        self.base, self.survey, self.session = hub.base, survey, requests.Session()
        self.session.trust_env, self.session.auth = False, (credentials["space_id"], credentials["api_key"])

    def page(self, token=None):
        answer = self.session.get(f"{self.base}/v1/responses", params={"surveyId": self.survey, **({"pageToken": token} if token else {})})
        assert answer.status_code == 200, answer.text[:300]
        return answer.json()

    def walk(self):
        """Every page, newest first: ids with their groups, and the token of the last full page."""
        seen, token, last = [], None, None
        while True:
            page = self.page(token)
            seen += [(sheet["answerSheetId"], sheet["collectGroupId"]) for sheet in page["responses"]]
            last = token if len(page["responses"]) == PAGE else last
            if page["pageToken"] is None:
                return seen, last
            token = page["pageToken"]


class Arrivals:
    """Somebody who answers now and then while others read."""

    def __init__(self, hub, serial):
        self.client, self.count, self.over = Respondent(urlsplit(hub.base).netloc, serial), 0, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over.wait(ARRIVING):
            self.client.answer()
            self.count += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def walk(hub, survey):
    """Gives rows a second, how many came meanwhile, and the medians of the first and the last page."""
    group, serial = start(hub, survey)
    reader = Reader(hub, survey)
    with Arrivals(hub, serial) as arrivals:
        began = time.perf_counter()
        seen, last = reader.walk()
        seconds = time.perf_counter() - began
        assert len(set(seen)) == len(seen), "a sheet came twice"
        assert sum(of != group for _, of in seen) == ROWS, "a sheet is missing"
        pairs = [(seconds_of(reader.page), seconds_of(lambda: reader.page(last))) for _ in range(PAIRS)]
    first, final = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    return len(seen) / seconds, arrivals.count, first, final


def settings():
    found = {"survey_responses": 10_000_000}
    for service in SERVICES:
        psql(f"DROP DATABASE IF EXISTS dataspace_{service} WITH (FORCE)")
        psql(f"CREATE DATABASE dataspace_{service}")
        found[f"{service}_database_url"] = f"{POSTGRES}/dataspace_{service}"
    return found


with Hub("dataspace", **settings()) as hub:
    _, serial = start(hub, survey_of(hub))
    progress(f"{RESPONSES} responses from {CLIENTS} clients")
    rate, took = collect(hub, serial)
    progress(f"the same, {PACE} a second")
    paced, calm = collect(hub, serial, PACE)
    survey = survey_of(hub)
    progress(f"{ROWS} responses in")
    imported = seconds_of(lambda: bring(hub, survey))
    progress("walked while others arrive")
    walked, arrived, first, final = walk(hub, survey)
    progress("and out")
    began = time.perf_counter()
    size = export(hub, survey)
    exported = time.perf_counter() - began

p50, p99, calm50, calm99 = (percentile(of, share) * 1000 for of in (took, calm) for share in (0.5, 0.99))
say(f"PostgreSQL with fsync. {CLIENTS} clients each open a sheet and submit it, {RESPONSES} in all; they share the machine with the hub.")
table(
    ["what", "measured"],
    [
        ["complete responses a second, as fast as it goes", f"{rate:,.0f}"],
        ["submission then, median / 99th of 100", f"{p50:.1f} / {p99:.1f} ms"],
        [f"submission when {PACE:,} a second are sent ({paced:,.0f} were), median / 99th of 100", f"{calm50:.1f} / {calm99:.1f} ms"],
        [f"import of {ROWS:,} as NDJSON", f"{ROWS / imported:,.0f} rows/s"],
        [f"`GET /v1/responses` over all of them, 1,000 at a time, while {arrived:,} more arrived", f"{walked:,.0f} rows/s, none missing, none twice"],
        ["its first page / its last page, median", f"{first * 1000:.1f} / {final * 1000:.1f} ms"],
        [f"export as CSV ({size >> 20} MiB)", f"{ROWS / exported:,.0f} rows/s"],
    ],
)
verdict("at least 1,000 complete responses a second", rate >= 1_000)
verdict("a submission takes at most 50 ms, 99 times of 100", p99 <= 50)
verdict("the last page takes at most twice as long as the first, and the other way round", max(first, final) <= 2 * min(first, final))
verdict("an export gives at least 100,000 rows a second", ROWS / exported >= 100_000)
