"""From the first byte of an upload to the moment when the rows can be counted: the hub, PostgreSQL's COPY, DuckDB's CSV → Parquet."""

import itertools

import duckdb
from harness import DATA, FOLDER, Hub, pairs, progress, psql, ratios, say, seconds_of, Spread, table, verdict

import mixed

ROWS = 1_500_000

file = mixed.csv(DATA / f"mixed-{ROWS}.csv", ROWS)
numbers = itertools.count()


def ours(hub):
    dataset = hub.dataset()

    def work():
        hub.upload(dataset, file)
        assert hub.rows(dataset) == ROWS

    seconds = seconds_of(work)
    hub.call("DELETE", f"/datasets/{dataset}")
    return seconds


def by_copy():
    name = f"t{next(numbers)}"
    psql(f"CREATE TABLE {name} ({mixed.POSTGRES_COLUMNS})")

    def work():
        psql(f"\\copy {name} FROM '{file}' WITH (FORMAT csv, HEADER)")
        assert psql(f"SELECT count(*) FROM {name}") == str(ROWS)

    seconds = seconds_of(work)
    psql(f"DROP TABLE {name}; CHECKPOINT")
    return seconds


def by_duckdb():
    target = FOLDER / f"{next(numbers)}.parquet"

    def work():
        database = duckdb.connect()
        database.execute(f"COPY (SELECT * FROM read_csv('{file}')) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
        assert database.execute(f"SELECT count(*) FROM '{target}'").fetchone() == (ROWS,)

    seconds = seconds_of(work)
    target.unlink()
    return seconds


size = file.stat().st_size
say(f"{ROWS:,} rows, {size / 1e6:.0f} MB of CSV with Korean text, quotes, empty cells, ten columns of seven types. The hub gets it by `curl` over HTTP, "
    "finds the types by itself over the whole file, and answers when the version is durable; then its rows are counted. PostgreSQL gets it by "
    "`psql \\copy` into a table that is there, fsync on, 512 MB of shared buffers. DuckDB reads the file in its own process and does not sync.")

with Hub() as hub:
    progress("PostgreSQL COPY")
    with_copy = pairs(lambda: ours(hub), by_copy)
    progress("DuckDB CSV to Parquet")
    with_duckdb = pairs(lambda: ours(hub), by_duckdb)

rows = []
for name, measured in [("PostgreSQL `COPY`", with_copy), (f"DuckDB {duckdb.__version__}", with_duckdb)]:
    mine, other = Spread([pair[0] for pair in measured]), Spread([pair[1] for pair in measured])
    rows.append([name, f"{mine}", f"{other}", f"{ratios(measured):.2f}", f"{ROWS / mine.median:,.0f}", f"{ROWS / other.median:,.0f}"])
table(["against", "hub, s (min / median / max)", "peer, s", "peer ÷ hub, pair by pair", "hub rows/s", "peer rows/s"], rows)
verdict("at least as quick as `COPY`", ratios(with_copy).median >= 1)
verdict("the goal, as quick as DuckDB", ratios(with_duckdb).median >= 1)
