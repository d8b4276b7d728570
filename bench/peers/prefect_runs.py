"""Prefect on a private PostgreSQL: how long from the request for a run to its first step, and how long three steps take.

    python prefect_runs.py <database address> <folder> <port> <runs>

Prints one JSON object: `request_to_step_s` (a deployment's runs, each in a process of its own, as Prefect does it; its runner looks for
new runs once a second, the most often it can) and `three_steps_s` (the same flow called where it stands, without a runner). The address
begins with postgres://. Everything of Prefect stays in the folder; it is told not to report to anybody.
"""

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

database, folder, port, runs = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
STARTED = folder / "started"
folder.mkdir(parents=True, exist_ok=True)  # before Prefect is imported, which looks for its home

os.environ |= {
    "PREFECT_HOME": str(folder / "home"),
    "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
    "PREFECT_API_DATABASE_CONNECTION_URL": database.replace("postgres://", "postgresql+asyncpg://"),
    "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PEER_STARTED": str(STARTED),
    "DO_NOT_TRACK": "1",
    "NO_PROXY": "*",
}

# Imported by the flow's own processes, too, so nothing may run here when it is not the program.
from prefect import flow, task  # noqa: E402


@task
def step(number):
    if number == 0:
        with open(os.environ["PEER_STARTED"], "a") as file:
            file.write(f"{time.time()}\n")
    return number


@flow
def three_steps():
    return [step(number) for number in range(3)]


def wait_for(what, within=60):
    until = time.monotonic() + within
    while time.monotonic() < until:
        found = what()
        if found:
            return found
        time.sleep(0.005)
    sys.exit(f"not within {within} s: {what.__name__}")


def server_answers():
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=1).status == 200
    except OSError:
        return False


def lines():
    return STARTED.read_text().splitlines() if STARTED.exists() else []


def measure():
    from prefect.deployments import run_deployment

    latencies = []
    for number in range(runs + 1):
        before = len(lines())
        began = time.time()
        run_deployment("three-steps/peer", timeout=0)
        wait_for(lambda: len(lines()) > before)
        if number:  # the first one warms up
            latencies.append(float(lines()[-1]) - began)
    three_steps()
    calls = []
    for _ in range(runs):
        began = time.perf_counter()
        three_steps()
        calls.append(time.perf_counter() - began)
    return {"request_to_step_s": latencies, "three_steps_s": calls}


def stop(process):
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main():
    log = open(folder / "prefect.log", "ab")
    quiet = {"stdout": log, "stderr": log, "stdin": subprocess.DEVNULL}
    bin_folder = pathlib.Path(sys.executable).parent
    server = subprocess.Popen([bin_folder / "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)], **quiet)
    started = [server]
    try:
        wait_for(server_answers)
        started.append(subprocess.Popen([sys.executable, __file__, *sys.argv[1:5], "serve"], **quiet))
        time.sleep(8)  # it registers its deployment
        print(json.dumps(measure()))
    finally:
        for process in reversed(started):
            stop(process)


if __name__ == "__main__":
    if sys.argv[5:] == ["serve"]:
        three_steps.serve(name="peer")
    else:
        main()
