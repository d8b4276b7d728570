"""A page of 100 rows at the start and at the end of ten million rows."""

import time

from harness import DATA, ROUNDS, Hub, Spread, percentile, progress, say, table, verdict

import mixed

ROWS = 10_000_000
SIZE = 100
FIRST, LAST = 1, ROWS // SIZE
REPEAT = 60
BAR = 3

file = mixed.narrow(DATA / f"narrow-{ROWS}.csv", ROWS)


def page(hub, dataset, number):
    began = time.perf_counter()
    answer = hub.call("GET", f"/tables/{dataset}?page={number}&page_size={SIZE}")
    seconds = time.perf_counter() - began
    ids = [row[0] for row in answer["data"]]
    assert ids == list(range((number - 1) * SIZE, number * SIZE)), (number, ids[:3])
    assert answer["total_rows"] == ROWS
    return seconds


def medians(hub, dataset):
    first, last = [], []
    for _ in range(REPEAT):
        first.append(page(hub, dataset, FIRST))
        last.append(page(hub, dataset, LAST))
    return percentile(first, 0.5), percentile(last, 0.5)


say(f"{ROWS:,} rows in three columns. In turn, a page of {SIZE} rows at offset 0 and at offset {(LAST - 1) * SIZE:,}; p50 of {REPEAT} requests each, "
    "over HTTP by Python. One upload makes few large files, ten make more.")
rows, worst = [], 0
with Hub() as hub:
    one = hub.dataset()
    progress("uploading ten million rows")
    hub.upload(one, file)
    medians(hub, one)
    measured = [medians(hub, one) for _ in range(ROUNDS)]
ratio = Spread([last / first for first, last in measured])
first, last = (Spread([pair[at] * 1000 for pair in measured]) for at in (0, 1))
table(["offset 0, ms (min / median / max)", f"offset {(LAST - 1) * SIZE:,}, ms", "last ÷ first, pair by pair"], [[f"{first}", f"{last}", f"{ratio:.2f}"]])
verdict(f"the last page takes at most {BAR} times as long as the first", ratio.median <= BAR)
