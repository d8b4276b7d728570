"""A page of 100 rows at the start and at the end of ten million rows."""

import time

from harness import DATA, ROUNDS, Hub, Spread, percentile, progress, say, table, verdict

import mixed

ROWS = 10_000_000
SIZE = 100
FIRST, LAST = 1, ROWS // SIZE
REPEAT = 60
# A table that grew by this many uploads has at least as many files.
UPLOADS = 100
BAR = 3

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


def measure(hub, dataset):
    medians(hub, dataset)
    measured = [medians(hub, dataset) for _ in range(ROUNDS)]
    first, last = (Spread([pair[at] * 1000 for pair in measured]) for at in (0, 1))
    ratio = Spread([last / first for first, last in measured])
    return [f"{first}", f"{last}", f"{ratio:.2f}"], ratio.median


say(f"{ROWS:,} rows in three columns. In turn, a page of {SIZE} rows at offset 0 and at offset {(LAST - 1) * SIZE:,}; p50 of {REPEAT} requests each, "
    "over HTTP by Python.")
rows, ratios = [], []
with Hub() as hub:
    for uploads in (1, UPLOADS):
        dataset, share = hub.dataset(), ROWS // uploads
        progress(f"{ROWS:,} rows in {uploads} uploads")
        for number in range(uploads):
            hub.upload(dataset, mixed.narrow(DATA / f"narrow-{number * share}-{share}.csv", share, number * share))
        shown, ratio = measure(hub, dataset)
        rows.append([uploads, *shown])
        ratios.append(ratio)
table(["uploads", "offset 0, ms (min / median / max)", f"offset {(LAST - 1) * SIZE:,}, ms", "last ÷ first, pair by pair"], rows)
verdict(f"the last page takes at most {BAR} times as long as the first", max(ratios) <= BAR)
