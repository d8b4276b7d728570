"""deploy/Dockerfile built and docker-compose.yml's profiles run in real containers, by podman and Debian's docker-compose, on a system made by debootstrap.

No image can be pulled where this runs, so the base image is debootstrap's, the compiled program stands in for the stage that compiles it, and PostgreSQL, Prometheus and S3
are Debian's servers and moto in images of their own. No timer calls health checks without systemd: this program does, in the order of `depends_on`.
Arguments: base URL, credentials.json, data folder (none is used). MADANG_BIN is the program, MADANG_SAMPLES the folder docs/samples.
"""

import atexit
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import requests
import yaml

BINARY, ROOT = os.environ["MADANG_BIN"], pathlib.Path(os.environ["MADANG_SAMPLES"]).parent.parent
WORK, CACHE = pathlib.Path(tempfile.mkdtemp(prefix="containers-")), ROOT / "target/deploy"
SECRETS, SOCKET = WORK / "secrets", WORK / "podman.sock"
PODMAN = ["podman", "--root", WORK / "storage", "--runroot", WORK / "run", "--network-config-dir", WORK / "networks"]
# runc, because crun refuses a machine with both generations of cgroups; limits below what the machine allows.
ENGINE = '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\n'
POSTGRES = """
FROM localhost/base
RUN apt-get update && apt-get install -y --no-install-recommends postgresql && install -d -o postgres -g postgres /var/lib/postgresql/data
COPY --chmod=0755 entry.sh /entry.sh
ENV PGDATA=/var/lib/postgresql/data/pgdata
ENTRYPOINT ["/entry.sh"]
CMD ["postgres"]
"""
# What the usual image does at its first start.
POSTGRES_ENTRY = """#!/bin/sh
set -eu
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
if [ "$(id -u)" = 0 ]; then
    chown postgres:postgres /var/lib/postgresql/data /var/run/postgresql
    exec setpriv --reuid postgres --regid postgres --clear-groups "$0" "$@"
fi
export POSTGRES_USER=postgres
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb -U postgres --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust $POSTGRES_INITDB_ARGS >/dev/null
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    pg_ctl -w -o "-c listen_addresses=''" start >/dev/null
    for script in /docker-entrypoint-initdb.d/*; do sh "$script"; done
    pg_ctl -w stop >/dev/null
fi
exec "$@" -c listen_addresses='*'
"""
S3 = """
FROM localhost/base
RUN apt-get update && apt-get install -y --no-install-recommends python3
COPY packages /opt/packages
ENV PYTHONPATH=/opt/packages PYTHONDONTWRITEBYTECODE=1
ENTRYPOINT ["python3", "-c", "from moto.server import main; main()"]
"""
PROMETHEUS = """
FROM localhost/base
RUN apt-get update && apt-get install -y --no-install-recommends prometheus && install -d -o 65534 -g 65534 /prometheus
ENTRYPOINT ["prometheus"]
"""
STAND_INS = {
    "services": {
        "postgres": {"image": "localhost/stand-in-postgres"},
        "s3": {
            "image": "localhost/stand-in-s3", "command": ["-H", "0.0.0.0", "-p", "9000"],
            "healthcheck": {"test": ["CMD", "curl", "-sf", "http://127.0.0.1:9000/moto-api/"]},
        },
        "prometheus": {
            "image": "localhost/stand-in-prometheus",
            "healthcheck": {"test": ["CMD", "curl", "-sf", "http://127.0.0.1:9090/-/ready"]},
        },
    }
}
TARGETS = ["hub", "gateway", "catalog", "pipeline", "spec-store", "survey"]
PROJECT = "madangproof"


def run(*command, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=900, **more)


def said(done):
    assert done.returncode == 0, (done.args, done.stdout[-2000:], done.stderr[-3000:])
    return done.stdout


def podman(*words):
    return said(run(*PODMAN, *words))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


# --- images ---


def build(tag, file, context, *more):
    podman("build", "--format", "docker", "--isolation", "chroot", "--network", "host", "--file", file, "--tag", tag, *more, context)


def images():
    CACHE.mkdir(parents=True, exist_ok=True)
    base = CACHE / "base.tar"
    if not base.exists():
        said(run("debootstrap", "--variant=minbase", "--include=ca-certificates,curl", "bookworm", WORK / "root"))
        said(run("tar", "-C", WORK / "root", "-cf", f"{base}.new", "."))
        os.rename(f"{base}.new", base)
    podman("import", base, "localhost/base")

    built = WORK / "built"
    built.mkdir()
    said(run("strip", "-g", "-o", built / "madang", BINARY))
    for target in TARGETS:
        build(f"madang-{target}:dev", ROOT / "deploy/Dockerfile", ROOT, "--target", target, "--build-arg", "BASE_IMAGE=localhost/base", "--build-context", f"build={built}")
    layers = {tuple(json.loads(podman("inspect", f"madang-{target}:dev"))[0]["RootFS"]["Layers"]) for target in TARGETS}
    assert len(layers) == 1, "the images of the parts differ in more than their command"
    print(f"images: {len(TARGETS)} targets built, each from the same {len(layers.pop())} layers")

    stand_ins = WORK / "stand-ins"
    stand_ins.mkdir()
    (stand_ins / "entry.sh").write_text(POSTGRES_ENTRY)
    install = ["install", "--quiet", "--target", stand_ins / "packages", "--python-version", "3.11", "--only-binary", ":all:", "moto[server]==5.2.5"]
    said(run(sys.executable, "-m", "pip", *install))
    for name, text in [("postgres", POSTGRES), ("s3", S3), ("prometheus", PROMETHEUS)]:
        (stand_ins / name).write_text(text)
        build(f"localhost/stand-in-{name}", stand_ins / name, stand_ins)


# --- compose ---


def start_engine():
    (WORK / "containers.conf").write_text(ENGINE)
    os.environ |= {"CONTAINERS_CONF": str(WORK / "containers.conf")}
    service = subprocess.Popen([str(word) for word in [*PODMAN, "system", "service", "--time", "0", f"unix://{SOCKET}"]], stderr=subprocess.DEVNULL)

    def end():
        run(*PODMAN, "rm", "--force", "--all", "--volumes", "--time", "2")
        run(*PODMAN, "network", "prune", "--force")
        service.terminate()
        service.wait()
        run("umount", "-l", WORK / "storage/overlay")
        shutil.rmtree(WORK, ignore_errors=True)

    atexit.register(end)


PORT = free_port()


def compose(*words):
    files = ["-f", ROOT / "docker-compose.yml", "-f", WORK / "stand-ins.yml"]
    variables = {"MADANG_SECRETS": str(SECRETS), "MADANG_HTTPS_ADDRESS": f"127.0.0.1:{PORT}", "DOCKER_HOST": f"unix://{SOCKET}", "COMPOSE_PROJECT_NAME": PROJECT}
    command = ["docker-compose", "--project-directory", ROOT, *files, "--profile", "minimal", "--profile", "full", "--profile", "observability", *words]
    return said(run(*command, env=os.environ | variables))


def container(service):
    return f"{PROJECT}_{service}_1"


def state(service):
    return json.loads(podman("inspect", container(service)))[0]


def bring_up(service):
    """Starts one service and waits until it is healthy, or has ended well if it is one that ends."""
    compose("up", "-d", "--no-build", "--no-deps", service)
    once = CONFIG["services"][service]["restart"] == "no"
    for _ in range(120):
        found = state(service)["State"]
        if once and found["Status"] == "exited":
            assert found["ExitCode"] == 0, (service, podman("logs", container(service)))
            return
        if not once and run(*PODMAN, "healthcheck", "run", container(service)).returncode == 0:
            return
        time.sleep(0.5)
    raise AssertionError((service, run(*PODMAN, "logs", container(service))))


def in_order(services):
    ordered, left = [], set(services)
    while left:
        free = sorted(name for name in left if not left & set(CONFIG["services"][name].get("depends_on", {})))
        assert free, "depends_on goes in a circle"
        ordered += free
        left -= set(free)
    return ordered


def check_container(service):
    found = state(service)
    host, values = found["HostConfig"], [file.read_text().strip() for file in SECRETS.iterdir() if file.is_file()]
    environment = found["Config"]["Env"]
    assert host["ReadonlyRootfs"] and not found.get("EffectiveCaps"), (service, found.get("EffectiveCaps"))
    assert not any(value in line for line in environment for value in values if len(value) > 8), (service, "a secret in its configuration")
    if service in TARGETS:
        assert podman("exec", container(service), "id", "-u").strip() == "10001", service
        status = podman("exec", container(service), "cat", "/proc/1/status")
        assert re.search(r"^NoNewPrivs:\s*1$", status, re.M) and re.search(r"^CapEff:\s*0+$", status, re.M) and "\nName:\tmadang\n" in "\n" + status, (service, status)
    touched = run(*PODMAN, "exec", container(service), "touch", "/usr/here")
    assert "Read-only file system" in touched.stderr, (service, touched.stderr)


# --- a client ---


def http(method, path, wanted=200, **more):
    answer = requests.request(method, f"https://localhost:{PORT}{path}", verify=CA, timeout=30, **more)
    assert answer.status_code == wanted, (method, path, answer.status_code, answer.text[:500])
    return answer


def login(service):
    credentials = json.loads(podman("exec", container(service), "cat", "/var/lib/madang/credentials.json"))
    body = {name: credentials[name] for name in ("username", "password")}
    return {"Authorization": "Bearer " + http("POST", "/api/v1/auth/login", json=body).json()["access_token"]}


def fill(headers):
    dataset = http("POST", "/api/v1/datasets", json={"name": "상자"}, headers=headers).json()["id"]
    rows = "city,people\n" + "".join(f"도시 {n},{n}\n" for n in range(1000))
    http("POST", f"/api/v1/tables/{dataset}/upload?mode=append", files=[("files", ("a.csv", rows.encode(), "text/csv"))], headers=headers)
    return dataset


def rows(dataset, headers, wanted=200):
    return http("GET", f"/api/v1/tables/{dataset}?page=1&page_size=10", wanted, headers=headers).json().get("total_rows")


def ready(wanted):
    for _ in range(60):
        answer = requests.get(f"https://localhost:{PORT}/readyz", verify=CA, timeout=10)
        if answer.status_code == wanted:
            return answer.json()["parts"]
        time.sleep(0.25)
    raise AssertionError(("readyz", wanted, answer.text))


def stop(service):
    began = time.monotonic()
    podman("stop", "--time", "30", container(service))
    assert state(service)["State"]["ExitCode"] == 0, service
    return time.monotonic() - began


# --- the proof ---

said(run("sh", ROOT / "deploy/secrets.sh", SECRETS, env=os.environ | {"MADANG_BIN": BINARY}))
start_engine()
images()
(WORK / "stand-ins.yml").write_text(yaml.safe_dump(STAND_INS))
CONFIG = yaml.safe_load(compose("config"))
help_text = said(run(BINARY, "serve", "--help"))
missing = [part for part in TARGETS[1:] if not re.search(rf"\b{part}\b", help_text)]
if missing:
    print(f"NOT RUN, because this program has no such part: {', '.join(missing)}")

bring_up("hub")
CA = WORK / "hub.pem"
CA.write_text(podman("exec", container("hub"), "cat", "/var/lib/madang/tls/ca.pem"))
check_container("hub")
headers = login("hub")
dataset = fill(headers)
assert rows(dataset, headers) == 1000
seconds = stop("hub")
podman("rm", container("hub"))
bring_up("hub")
assert rows(dataset, headers) == 1000
stop("hub")
print(f"compose, minimal: healthy as user 10001 without capabilities on a read-only root; 1000 rows there again in a new container; stopped in {seconds:.1f} s")

CA = SECRETS / "tls/ca.pem"
order = in_order(name for name, service in CONFIG["services"].items() if "full" in service["profiles"] and name not in missing)
for service in order:
    bring_up(service)
print(f"compose, full: healthy, or ended well, one after the other: {', '.join(order)}")
lasting = [service for service in order if CONFIG["services"][service]["restart"] != "no" and service != "postgres"]
for service in lasting:
    check_container(service)
print(f"compose, full: read-only root, no capability, no secret in the environment that the engine keeps: {', '.join(lasting)}")

parts = ready(200)
headers = login("gateway")
dataset = fill(headers)
assert rows(dataset, headers) == 1000
listing = podman("exec", container("s3"), "curl", "-s", "http://127.0.0.1:9000/madang?list-type=2")
kept = re.findall(r"<Key>(lake/[^<]+)</Key>", listing)
assert any(key.endswith(".parquet") for key in kept) and any("_delta_log/" in key for key in kept), listing
databases = podman("exec", container("postgres"), "psql", "--username", "postgres", "--tuples-only", "--no-align", "--command", "SELECT datname, datdba::regrole FROM pg_database WHERE datname LIKE 'madang%' ORDER BY 1")
entered = run(*PODMAN, "exec", container("postgres"), "sh", "-c", "psql \"$(sed 's/@postgres/@127.0.0.1/; s/madang_catalog$/madang_gateway/' /run/secrets/catalog_database_url)\" -c 'SELECT 1'")
assert "permission denied for database" in entered.stderr, entered.stderr
print(f"compose, full: 1000 rows uploaded through HTTPS: {len(kept)} objects in S3; {len(databases.split())} databases, and the catalogue's user is refused the gateway's")

bring_up("prometheus")
check_container("prometheus")


def measured(query):
    """What Prometheus has of it, once it has anything."""
    for _ in range(60):
        answer = json.loads(podman("exec", container("prometheus"), "curl", "-sG", "http://127.0.0.1:9090/api/v1/query", "--data-urlencode", f"query={query}"))
        if answer["data"]["result"]:
            return float(answer["data"]["result"][0]["value"][1])
        time.sleep(0.5)
    raise AssertionError((query, answer))


assert measured('up{job="madang"}') == 1
asked = measured('sum(madang_http_requests_total{job="madang"})')
loaded = json.loads(podman("exec", container("prometheus"), "curl", "-s", "http://127.0.0.1:9090/api/v1/rules"))["data"]["groups"][0]["rules"]
assert all(rule["health"] in ("ok", "unknown") for rule in loaded), loaded
print(f"compose, observability: Prometheus reads the gateway over HTTPS by the hub's own authority ({asked:.0f} requests), {len(loaded)} alerting rules loaded; Grafana has no stand-in here")

for part in [part for part in TARGETS[2:] if part not in missing]:
    podman("kill", "--signal", "KILL", container(part))
    named = {name: text for name, text in ready(503).items() if text != "ready"}
    assert part in named, (part, named)
    http("GET", "/healthz")
    if part == "catalog":
        assert http("GET", f"/api/v1/tables/{dataset}?page=1&page_size=10", 503, headers=headers).headers["retry-after"]
    podman("start", container(part))
    bring_up(part)
    ready(200)
assert rows(dataset, headers) == 1000
print("compose, full: each service killed with -9: /readyz names it, the gateway lives, reads of the catalogue's tables are 503 with Retry-After; back by itself once started")

times = {part: stop(part) for part in ["gateway", *[part for part in TARGETS[2:] if part not in missing]]}
anew = [service for service in order if service not in ("s3", "bucket")]  # the stand-in for S3 keeps objects in memory
for service in reversed(anew):
    podman("rm", "--force", "--time", "5", container(service))
for service in anew:
    bring_up(service)
assert rows(dataset, headers) == 1000
print(f"compose, full: stopped with exit code 0 in {max(times.values()):.1f} s at most; all containers but S3's made anew on the same volumes: 1000 rows, the same token")
