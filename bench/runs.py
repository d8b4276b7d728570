"""The run engine: from the request to the first step, three steps on a tiny table, runs a second; graphile-worker and Prefect beside it."""

import time

import drive
from harness import FOLDER, POSTGRES, ROUNDS, Hub, Spread, percentile, progress, psql, say, table, verdict

# Runs of one round, one after another, and at once.
SINGLE = 40
MANY = 200
# Runs of one pipeline wait for each other, so many at once need several.
PIPELINES = 20
PAUSE = 0.01
# The times come from the trace; a client that looks all the time would take one of the two cores.
LOOK_EVERY = 0.02
FIRST_STEP_MS, THREE_STEPS_MS, THREE_STEPS_FAST_MS = 10, 60, 25


class Engine:
    """A hub with a tiny table and pipelines over it."""

    def __init__(self, name, **settings):
        self.name = name
        self.hub = Hub(name.replace(", ", "-").replace(" ", "-"), **settings)
        self.hub.start()
        self.hub.sign_in()
        tiny = FOLDER / "tiny.csv"
        tiny.write_text("k,v\n1,10\n2,20\n3,30\n")
        self.source = self.hub.dataset("tiny")
        self.hub.upload(self.source, tiny)
        self.three = self.pipeline("SELECT k, v FROM t WHERE k > 1", "SELECT k, v * 2 AS v FROM t", "SELECT sum(v) AS v FROM t")
        self.one = [self.pipeline("SELECT k, v FROM t") for _ in range(PIPELINES)]
        self.first, self.whole, self.rate = [], [], []

    def pipeline(self, *queries):
        steps, source = [], self.source
        for number, query in enumerate(queries):
            target = self.hub.dataset()
            step = {"name": f"step{number}", "script": "sql", "inputs": {"t": {"dataset": source}}, "outputs": {"result": {"dataset": target}}}
            steps.append(step | {"options": {"query": query, "write_mode": "overwrite"}})
            source = target
        return self.hub.call("POST", "/pipelines", json={"name": "bench", "steps": steps})["id"]

    def run(self, pipeline):
        return self.hub.call("POST", f"/pipelines/{pipeline}/run", json={})["batch_id"]

    def wait(self, batch):
        while (found := self.hub.call("GET", f"/batches/{batch}"))["status"] == "running":
            time.sleep(LOOK_EVERY)
        assert found["status"] == "completed", found

    def round(self):
        """Times come from the trace, in whole milliseconds of the clock that the client has too."""
        first, whole = [], []
        for _ in range(SINGLE):
            asked = time.time() * 1000
            batch = self.run(self.three)
            time.sleep(LOOK_EVERY)  # like a client that waits before it looks
            self.wait(batch)
            steps = self.hub.call("GET", f"/traces/steps/{batch}")["items"].values()
            first.append(min(step["start_time"] for step in steps) - asked)
            whole.append(max(step["end_time"] for step in steps) - asked)
            time.sleep(PAUSE)
        self.first.append(percentile(first, 0.5))
        self.whole.append(percentile(whole, 0.5))
        began = time.perf_counter()
        for batch in [self.run(self.one[number % PIPELINES]) for number in range(MANY)]:
            self.wait(batch)
        self.rate.append(MANY / (time.perf_counter() - began))


def on_postgres(name, **more):
    urls = {}
    for part in ("gateway", "catalog", "pipeline", "survey"):
        database = f"{name}_{part}"
        psql(f"CREATE DATABASE {database}")
        urls[f"{part}_database_url"] = f"{POSTGRES}/{database}"
    return urls | more


engines = [
    Engine("PostgreSQL, full", **on_postgres("full")),
    Engine("SQLite, full"),
    Engine("PostgreSQL, fast", **on_postgres("fast", durability="fast")),
    Engine("SQLite, fast", durability="fast"),
]
graphile_first, graphile_rate, available = [], [], True
for number in range(ROUNDS + 1):
    for engine in engines:
        progress(f"round {number}: {engine.name}")
        engine.round()
    if available and (found := drive.graphile(SINGLE * 3, MANY * 5)):
        graphile_first.append(percentile(found["latencies_ms"], 0.5))
        graphile_rate.append(found["jobs_per_second"])
    else:
        available = False
for engine in engines:
    engine.hub.stop()
progress("Prefect")
prefect = drive.prefect(10)

counted = lambda values: Spread(values[1:])  # the first round warms up
rows = [[f"hub on {e.name}", f"{counted(e.first):.1f}", f"{counted(e.whole):.1f}", f"{counted(e.rate):.0f}"] for e in engines]
if graphile_first:
    rows.append(["graphile-worker, PostgreSQL", f"{counted(graphile_first):.1f}", "", f"{counted(graphile_rate):.0f} jobs"])
if prefect:
    milliseconds = lambda name: f"{Spread([value * 1000 for value in prefect[name]]):.0f}"
    rows.append(["Prefect, PostgreSQL", milliseconds("request_to_step_s"), milliseconds("three_steps_s"), ""])

say(f"p50 of {SINGLE} runs one after another, minimum / median / maximum of {ROUNDS} rounds; *full* is synced, PostgreSQL with fsync. Three SQL steps each read a "
    "table and overwrite another, which makes three table versions. Runs a second: 200 runs of one such step, 20 pipelines. A job of graphile-worker does "
    "nothing and makes nothing, so only its first column compares; Prefect starts a process a run, and its three steps are called without that.")
table(["", "request → first step, ms", "request → end of three steps, ms", "runs a second"], rows)
by_name = {engine.name: engine for engine in engines}
full, fast = by_name["PostgreSQL, full"], by_name["SQLite, fast"]  # the setting is the embedded store's (design); PostgreSQL's figure stands beside
verdict(f"request → first step p50 at most {FIRST_STEP_MS} ms on PostgreSQL with fsync", counted(full.first).median <= FIRST_STEP_MS)
verdict(f"three steps p50 at most {THREE_STEPS_MS} ms on PostgreSQL with fsync", counted(full.whole).median <= THREE_STEPS_MS)
verdict(f"three steps p50 at most {THREE_STEPS_FAST_MS} ms with `MADANG_DURABILITY=fast`, embedded (SQLite)", counted(fast.whole).median <= THREE_STEPS_FAST_MS)
