"""CKAN's catalogue at size: datasets made through the API by eight clients, read one by one, resources of small and large datasets.

The bars are the issue's: `package_create` at least 200 a second from eight clients, `package_show` in 2 ms (median), `resource_create` and
`resource_patch` in 10 ms on a dataset of 100 resources and in 50 ms on one of 2,000, and no slower after 5,000 deletions.
"""

import multiprocessing
import os
import statistics
import sys
import time

import harness

CLIENTS = 8
DATASETS = int(os.environ.get("BENCH_DATASETS", "50000"))
RESOURCES = 5
READS = 2_000
CHANGES = 100
DELETIONS = 5_000


def make(arguments):
    base, token, organization, first, count = arguments
    client = harness.Ckan(base, token)
    for number in range(first, first + count):
        resources = [{"url": f"http://example.com/{number}/{place}.csv", "name": f"r{place}"} for place in range(RESOURCES)]
        client.act("package_create", name=f"d-{number}", title=f"Dataset {number}", owner_org=organization, tags=[{"name": "bench"}], resources=resources)


def median(call, times):
    return statistics.median(harness.milliseconds(call, times))


def changes(client, organization, name, resources):
    """What one more resource and one patch cost in a dataset of so many."""
    made = client.act("package_create", name=name, owner_org=organization, resources=[{"name": f"r{n}"} for n in range(resources)])
    some = [resource["id"] for resource in made["resources"]][:CHANGES]
    create = median(lambda number: client.act("resource_create", package_id=made["id"], name=f"n{number}", url="http://example.com/a.csv"), CHANGES)
    patch = median(lambda number: client.act("resource_patch", id=some[number % len(some)], description=str(number)), CHANGES)
    return made["id"], create, patch


def bar(value, limit, more=False):
    kept = value >= limit if more else value <= limit
    return "kept" if kept else "MISSED"


with harness.Hub() as hub:
    client = hub.ckan()
    organization = client.act("organization_create", name="bench")["id"]
    share = DATASETS // CLIENTS
    parts = [(hub.base, client.token, organization, number * share, share) for number in range(CLIENTS)]
    harness.progress(f"{share * CLIENTS} datasets of {RESOURCES} resources, {CLIENTS} clients")
    began = time.perf_counter()
    with multiprocessing.Pool(CLIENTS) as pool:
        pool.map(make, parts)
    rate = share * CLIENTS / (time.perf_counter() - began)
    show = median(lambda number: client.act("package_show", id=f"d-{number * 7919 % (share * CLIENTS)}"), READS)
    rows = [("`package_create`, 8 clients", f"{rate:.0f} /s", "≥ 200 /s", bar(rate, 200, more=True)), ("`package_show`, median", f"{show:.2f} ms", "≤ 2 ms", bar(show, 2))]
    for resources, limit in [(100, 10), (2_000, 50)]:
        dataset, create, patch = changes(client, organization, f"with-{resources}", resources)
        rows.append((f"`resource_create` at {resources}", f"{create:.1f} ms", f"≤ {limit} ms", bar(create, limit)))
        rows.append((f"`resource_patch` at {resources}", f"{patch:.1f} ms", f"≤ {limit} ms", bar(patch, limit)))
    harness.progress(f"{DELETIONS} deletions")
    for _ in range(DELETIONS):
        client.act("resource_delete", id=client.act("resource_create", package_id=dataset, name="gone")["id"])
    after = median(lambda number: client.act("resource_create", package_id=dataset, name=f"m{number}"), CHANGES)
    rows.append((f"`resource_create` after {DELETIONS:,} deletions", f"{after:.1f} ms", "no slower", bar(after, max(create * 1.5, create + 2))))

print("| what | measured | bar | |\n| --- | --- | --- | --- |")
for row in rows:
    print(f"| {' | '.join(row)} |")
print(f"\n{share * CLIENTS:,} datasets of {RESOURCES} resources. CKAN's own figure for one more resource at 100 is 0.42 s.")
if any(row[-1] == "MISSED" for row in rows):
    print("a bar was missed", file=sys.stderr)
