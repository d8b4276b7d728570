"""How much memory a large upload takes."""

import threading
import time

from harness import DATA, FOLDER, Hub, reset_peak, say, seconds_of, table, verdict

import mixed

SIZE = 2 << 30
BAR = 256 << 20
MIB = 1 << 20

file = mixed.large(DATA / "large.csv", SIZE)
size = file.stat().st_size

# glibc keeps freed memory for the next allocation; what is measured is what the hub does by itself, without any setting.
with Hub() as hub:
    small = mixed.csv(DATA / "mixed-1000.csv", 1_000)
    warm = hub.dataset()
    hub.upload(warm, small)
    hub.rows(warm)
    time.sleep(2)
    idle = hub.memory()
    reset_peak(hub.process.pid)

    most = 0
    ended = threading.Event()

    def watch():
        global most
        while not ended.wait(0.02):
            most = max(most, hub.memory().anonymous)

    watcher = threading.Thread(target=watch)
    watcher.start()
    dataset = hub.dataset()
    seconds = seconds_of(lambda: hub.upload(dataset, file))
    rows = hub.rows(dataset)
    ended.set()
    watcher.join()
    after = hub.memory()
    time.sleep(5)
    later = hub.memory()

say(f"One CSV of {size / (1 << 30):.2f} GiB, {rows:,} rows, uploaded in {seconds:.0f} s ({size / 1e6 / seconds:.0f} MB/s).")
table(["moment", "resident, MiB", "of it anonymous, MiB"], [
    ["idle, after a small upload", f"{idle.resident / MIB:.0f}", f"{idle.anonymous / MIB:.0f}"],
    ["most during the upload", f"{after.peak / MIB:.0f}", f"{most / MIB:.0f}"],
    ["right after", f"{after.resident / MIB:.0f}", f"{after.anonymous / MIB:.0f}"],
    ["five seconds later", f"{later.resident / MIB:.0f}", f"{later.anonymous / MIB:.0f}"],
])
above = after.peak - idle.resident
verdict(f"at most {BAR // MIB} MiB above idle; it is {above / MIB:.0f} MiB", above <= BAR)
