"""From the start of the program to its ready line, on a folder with some hundred tables."""

import signal

from harness import DATA, ROUNDS, Hub, Spread, percentile, progress, say, table, verdict

import mixed

TABLES = 300
BAR = 0.5
STARTS = 5

file = mixed.csv(DATA / "mixed-1000.csv", 1_000)

hub = Hub()
first = hub.start()
hub.sign_in()
progress(f"making {TABLES} tables")
for number in range(TABLES):
    hub.upload(hub.dataset(f"표 {number}"), file)


def again(how):
    hub.stop(how)
    return hub.start()


times = {how: [again(how) for _ in range(STARTS * ROUNDS)] for how in (signal.SIGTERM, signal.SIGKILL)}
hub.stop()

say(f"{TABLES} tables of 1,000 rows in the folder; {STARTS * ROUNDS} starts each. The time runs from the call of the program to its ready line.")
table(["before it", "ready after, ms (min / median / max)", "p95, ms"], [
    ["nothing: the first start in an empty folder", f"{first * 1000:.0f}", ""],
    ["stopped by SIGTERM", f"{Spread([s * 1000 for s in times[signal.SIGTERM]]):.0f}", f"{percentile(times[signal.SIGTERM], 0.95) * 1000:.0f}"],
    ["killed by SIGKILL", f"{Spread([s * 1000 for s in times[signal.SIGKILL]]):.0f}", f"{percentile(times[signal.SIGKILL], 0.95) * 1000:.0f}"],
])
worst = max(percentile(found, 0.95) for found in times.values())
verdict(f"ready within {BAR * 1000:.0f} ms (p95 of both)", worst <= BAR)
