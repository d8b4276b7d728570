"""Acknowledged commits a second: SQLite with shared syncs, SQLite with a sync inside each commit, PostgreSQL."""

import json
import os
import shutil
import subprocess

from harness import FOLDER, POSTGRES, ROUNDS, pairs, progress, psql, say, Spread, table, verdict

PROGRAM = os.path.join(os.environ["BENCH_EXAMPLES"], "commits")
SECONDS = 2
# A disk whose sync takes as long as on an ordinary machine with power-loss protection of no kind.
DELAY = 5_000
SLOW = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", f"inject=fdatasync,fsync:delay_enter={DELAY}"]


def sqlite(mode, writers, before=()):
    home = FOLDER / "commits"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    return 1 / rate(f"sqlite:{home}/test.db", mode, writers, before)


def postgres(writers):
    psql("DROP DATABASE IF EXISTS commits WITH (FORCE)")
    psql("CREATE DATABASE commits")
    return 1 / rate(f"{POSTGRES}/commits", "grouped", writers)


def rate(url, mode, writers, before=()):
    done = subprocess.run([*before, PROGRAM, url, mode, str(writers), str(SECONDS)], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = json.loads(done.stdout)
    return found["commits"] / found["seconds"]


def line(name, writers, measured):
    ours, theirs = (Spread([1 / pair[at] for pair in measured]) for at in (0, 1))
    ratio = Spread([theirs / ours for ours, theirs in measured])
    return [name, writers, f"{ours:,.0f}", f"{theirs:,.0f}", f"{ratio:.2f}"], ratio.median


rows, slow_ratios = [], []
for writers in (1, 8, 64):
    progress(f"{writers} writers, a sync in each commit")
    rows.append(line("SQLite, a sync inside each commit", writers, pairs(lambda: sqlite("grouped", writers), lambda: sqlite("each", writers)))[0])
    progress(f"{writers} writers, PostgreSQL")
    rows.append(line("PostgreSQL, synchronous_commit=on", writers, pairs(lambda: sqlite("grouped", writers), lambda: postgres(writers)))[0])
    if shutil.which("strace"):
        progress(f"{writers} writers, slow syncs")
        found = pairs(lambda: sqlite("grouped", writers, SLOW), lambda: sqlite("each", writers, SLOW))
        shown, ratio = line(f"the same two, each sync {DELAY // 1000} ms slower", writers, found)
        rows.append(shown)
        slow_ratios.append(ratio)

say(f"One insert of 300 bytes a transaction, {SECONDS} s each. Commits a second, minimum / median / maximum.")
table(["against", "writers", "shared syncs", "peer", "ratio, pair by pair"], rows)
say("How much sharing gains depends on what a sync costs here, so the second comparison delays each sync by `strace`.")
if slow_ratios:
    verdict("with slow syncs, 64 writers commit at least four times as often as one sync each would let them", slow_ratios[-1] >= 4)
