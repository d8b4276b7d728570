"""Run engines that the hub is measured against, each on databases of a private PostgreSQL with fsync on.

`graphile` needs node and npm, `prefect` only Python; either returns None, and says why, where it can't be installed.
"""

import json
import pathlib
import shutil
import socket
import subprocess
import sys

from harness import DATA, FOLDER, POSTGRES, progress, psql

HERE = pathlib.Path(__file__).parent
PREFECT = "prefect==3.9.1"


def graphile(single=200, many=2_000):
    """`latencies_ms`: from the call that asks for a job to the job's first line, one after another; `jobs_per_second`: many at once."""
    home = DATA / "peers/graphile"
    if not (node := shutil.which("node")) or not shutil.which("npm"):
        return missing("graphile-worker", "node and npm are not here")
    home.mkdir(parents=True, exist_ok=True)
    for file in (HERE / "graphile").iterdir():
        shutil.copy(file, home)
    installed = subprocess.run(["npm", "install", "--silent", "--no-fund", "--no-audit"], cwd=home, stdout=sys.stderr)
    if installed.returncode:
        return missing("graphile-worker", "npm could not install it")
    return printed([node, home / "measure.mjs", database("graphile"), str(single), str(many)])


def prefect(runs=10):
    """`request_to_step_s`: from the request for a run to its first step; `three_steps_s`: a flow of three steps called in place."""
    home = DATA / "peers/prefect"
    python = home / "bin/python"
    if not (home / "complete").exists():
        made = subprocess.run([sys.executable, "-m", "venv", "--clear", home], stdout=sys.stderr)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PREFECT]
        if made.returncode or subprocess.run(pip, stdout=sys.stderr).returncode:
            return missing("Prefect", "pip could not install it")
        (home / "complete").write_text(PREFECT)
    return printed([python, HERE / "prefect_runs.py", database("prefect"), FOLDER / "prefect", str(free_port()), str(runs)])


def database(name):
    psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    psql(f"CREATE DATABASE {name}")
    return f"{POSTGRES}/{name}"


def printed(command):
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def missing(peer, why):
    progress(f"without {peer}: {why}")


if __name__ == "__main__":
    print(json.dumps({"graphile": graphile(), "prefect": prefect()}, indent=1))
