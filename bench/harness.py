"""What all benchmarks share: a hub, a clock, pairs of runs, memory, a report.

`cargo xtask bench <name>` sets the variables:

  BENCH_MADANG     the program, a release build
  BENCH_FOLDER     an empty folder that goes away afterwards
  BENCH_DATA       where generated files are kept for the next time
  BENCH_ROUNDS     how many pairs are measured
  BENCH_POSTGRES   address of a private PostgreSQL, if the benchmark asked for one
  BENCH_PSQL       the program psql
  BENCH_EXAMPLES   the folder of example programs of the workspace, if it asked for them
"""

import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

import requests

MADANG = os.environ["BENCH_MADANG"]
FOLDER = pathlib.Path(os.environ["BENCH_FOLDER"])
DATA = pathlib.Path(os.environ["BENCH_DATA"])
ROUNDS = int(os.environ["BENCH_ROUNDS"])
POSTGRES = os.environ.get("BENCH_POSTGRES")

READY_WITHIN = 60


def progress(text):
    """To the person who waits; not part of the report."""
    print(text, file=sys.stderr, flush=True)


class Hub:
    """`madang up` in a folder of its own, on free ports."""

    def __init__(self, name="hub", **settings):
        self.home = FOLDER / name
        self.home.mkdir(exist_ok=True)
        self.settings = {f"MADANG_{key.upper()}": str(value) for key, value in settings.items()}
        self.process = None

    def start(self):
        """Returns the seconds until the line that says that it is ready."""
        arguments = [MADANG, "up", "--data-dir", self.home / "data", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MADANG_")}
        began = time.perf_counter()
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen(arguments, env=kept | self.settings, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        seconds = time.perf_counter() - began
        assert line.startswith("madang ready "), (line, (self.home / "log").read_text()[-2000:])
        self.base = dict(pair.split("=", 1) for pair in line.split()[2:])["http"]
        return seconds

    def sign_in(self):
        credentials = self.credentials()
        self.session = requests.Session()
        self.session.trust_env = False
        login = {"username": credentials["username"], "password": credentials["password"]}
        token = self.call("POST", "/auth/login", json=login)["access_token"]
        self.session.headers["Authorization"] = f"Bearer {token}"
        return self

    def credentials(self):
        """One credential of every kind, for the first administrator."""
        return json.loads((self.home / "data/credentials.json").read_text())

    def ckan(self):
        """The administrator as a caller of CKAN's actions."""
        return Ckan(self.base, self.credentials()["ckan_api_token"])

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait()

    def __enter__(self):
        self.start()
        return self.sign_in()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()

    def call(self, method, path, **more):
        answer = self.session.request(method, f"{self.base}/api/v1{path}", **more)
        assert answer.status_code == 200, (method, path, answer.status_code, answer.text[:300])
        return answer.json()

    def dataset(self, name="bench"):
        return self.call("POST", "/datasets", json={"name": name})["id"]

    def upload(self, dataset, file, mode="append"):
        """By curl, which costs less of the two cores than Python would."""
        target = f"{self.base}/api/v1/tables/{dataset}/upload?mode={mode}"
        header = f"Authorization: {self.session.headers['Authorization']}"
        curl = ["curl", "-sS", "--noproxy", "*", "--fail-with-body", "-H", header, "-F", f"file=@{file}", target]
        return json.loads(subprocess.run(curl, check=True, stdout=subprocess.PIPE).stdout)

    def rows(self, dataset):
        return self.call("GET", f"/tables/{dataset}?page_size=1")["total_rows"]

    def memory(self):
        return memory(self.process.pid)

    def counter(self, name):
        """A value of /metrics; 0 if it was never counted."""
        lines = self.session.get(f"{self.base}/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


class Ckan:
    """A caller of CKAN's actions; another process makes its own from the address and the token."""

    def __init__(self, base, token):
        self.base, self.token = base, token
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = token

    def raw(self, action, **parameters):
        answer = self.session.post(f"{self.base}/api/3/action/{action}", json=parameters)
        assert answer.status_code == 200, (action, answer.status_code, answer.text[:500])
        return answer

    def act(self, action, **parameters):
        return self.raw(action, **parameters).json()["result"]


class Memory:
    """Bytes of a process: resident now, its anonymous part, and the most that was ever resident since `reset_peak`."""

    def __init__(self, text):
        fields = dict(line.split(":", 1) for line in text.splitlines())
        size = lambda name: int(fields[name].split()[0]) * 1024
        self.resident, self.anonymous, self.peak = size("VmRSS"), size("RssAnon"), size("VmHWM")


def memory(pid):
    return Memory(pathlib.Path(f"/proc/{pid}/status").read_text())


def reset_peak(pid):
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def seconds_of(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def milliseconds(call, times):
    """What each of many calls takes."""
    return [seconds_of(lambda: call(number)) * 1e3 for number in range(times)]


def pairs(ours, theirs, rounds=ROUNDS):
    """Runs both in turn, so that a slow moment of the machine meets both; the first pair warms up and is not counted."""
    measured = []
    for number in range(rounds + 1):
        order = [("ours", ours), ("theirs", theirs)]
        pair = {name: work() for name, work in (order if number % 2 else reversed(order))}
        progress(f"  pair {number}: ours {pair['ours']:.4g}, theirs {pair['theirs']:.4g}{'' if number else ' (not counted)'}")
        if number:
            measured.append((pair["ours"], pair["theirs"]))
    return measured


class Spread:
    """Minimum, median and maximum."""

    def __init__(self, values):
        self.low, self.median, self.high = min(values), statistics.median(values), max(values)

    def __format__(self, form):
        return " / ".join(format(value, form or ".3g") for value in (self.low, self.median, self.high))


def ratios(measured):
    """How many times as long they took as we did, pair by pair: above 1 we are quicker."""
    return Spread([theirs / ours for ours, theirs in measured])


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def psql(text, database="postgres"):
    """Statements on the private PostgreSQL, one after another."""
    arguments = [os.environ["BENCH_PSQL"], "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "-v", "ON_ERROR_STOP=1"]
    done = subprocess.run([*arguments, "--dbname", f"{POSTGRES}/{database}"], input=text, text=True, check=True, stdout=subprocess.PIPE)
    return done.stdout.strip()


def table(head, rows):
    """A table of the report, which is Markdown."""
    line = lambda cells: "| " + " | ".join(str(cell) for cell in cells) + " |"
    print("\n".join([line(head), line(["---"] * len(head)), *map(line, rows)]) + "\n", flush=True)


def say(text):
    """A paragraph of the report."""
    print(text + "\n", flush=True)


def verdict(what, holds):
    """A bar of the report; a missed one is told, not hidden."""
    say(f"{'Met' if holds else '**Missed**'}: {what}.")
