"""The signature check and a gRPC call to a constant reply, beside nginx with Lua and HAProxy; the full path; 10,000 keys instead of one."""

import base64
import concurrent.futures
import hashlib
import hmac
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

from harness import FOLDER, MADANG, ROUNDS, Hub, Spread, progress, say, table, verdict

import requests

CONSTANT = pathlib.Path(os.environ["BENCH_EXAMPLES"]) / "constant"
PEERS = pathlib.Path(__file__).parent / "peers/signature"
TARGET = "/api/v1/collections/col-01ja61g85zfj7rvd4mz91zb7kr"
TICK = os.sysconf("SC_CLK_TCK")
CONNECTIONS, BUSY, QUIET = 16, 5, 2
KEYS = 10_000
BAR, GOAL, MORE = 0.6, 1.0, 0.05


def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def signed(target, key, secret):
    """The line of one signed request: timestamp, key, signature. Good for five minutes."""
    timestamp = str(int(time.time() * 1000))
    text = f"GET {target}\n{timestamp}\n{key}"
    return f"{timestamp} {key} {base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()}"


class Server:
    """Processes that together answer at one address."""

    def __init__(self, name, target=TARGET):
        self.name, self.target, self.processes, self.behind = name, target, [], []
        self.cpu, self.p50, self.p99, self.rate = [], [], [], []

    def start(self, *command, **environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MADANG_")}
        log = open(FOLDER / f"{self.name.replace(' ', '-')}-{len(self.processes)}.log", "wb")
        process = subprocess.Popen(list(map(str, command)), env=kept | environment, stdout=subprocess.PIPE if environment else log, stderr=log, text=bool(environment))
        self.processes.append(process)
        if not environment:
            return None
        line = process.stdout.readline()
        assert line.startswith("madang ready "), (self.name, line)
        return line.split("=", 1)[1].split()[0]

    def seconds(self):
        """Of all its processes and their children since they began."""
        own = {process.pid for process in self.processes + self.behind}
        total = 0
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(stat.parent.name) in own or int(fields[1]) in own:
                total += int(fields[11]) + int(fields[12])
        return total / TICK

    def load(self, connections, seconds, lines):
        file = FOLDER / "requests"
        file.write_text("\n".join(lines) + "\n")
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", PEERS / "report.lua", self.address, "--", file, self.target]
        told = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout
        found = re.search(r"RESULT (\d+) (\d+) (\S+) (\S+) (\d+)", told)
        count, micros, p50, p99, errors = map(float, found.groups())
        assert errors == 0 and count > 0, (self.name, told)
        return count, micros / 1e6, p50, p99

    def measure(self, key, secret):
        lines = [signed(self.target, key, secret)]
        before = self.seconds()
        count, seconds, _, _ = self.load(CONNECTIONS, BUSY, lines)
        self.cpu.append((self.seconds() - before) / count * 1000)
        self.rate.append(count / seconds)
        _, _, p50, p99 = self.load(1, QUIET, lines)
        self.p50.append(p50)
        self.p99.append(p99)
        progress(f"  {self.name}: {self.cpu[-1] * 1000:.1f} ms a thousand, {self.rate[-1]:.0f}/s, p50 {p50:.0f} µs, p99 {p99:.0f} µs")

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()


def home(name):
    folder = FOLDER / name
    subprocess.run([MADANG, "init", "--data-dir", folder], check=True, stderr=subprocess.DEVNULL)
    return folder


def settings(folder, **more):
    return {"MADANG_DATA_DIR": str(folder), "MADANG_HTTP": "127.0.0.1:0", "MADANG_HTTPS": "off", "MADANG_DURABILITY": "fast", **more}


def peer(name, file, program, *arguments, back, key, secret):
    server = Server(name)
    folder = FOLDER / name.replace(" ", "-")
    folder.mkdir()
    front = port()
    (folder / "keys").write_text(f"{key} {secret}\n")
    (folder / "keys.map").write_text(f"{key} {base64.b64encode(secret.encode()).decode()}\n")
    fill(file, folder, front, back)
    server.start(program, *arguments, folder / file)
    server.address = f"http://127.0.0.1:{front}"
    return server


def fill(file, folder, front, back, reply=""):
    text = (PEERS / file).read_text()
    for name, value in {"FOLDER": folder, "FRONT": front, "BACK": back, "REPLY": reply}.items():
        text = text.replace(f"@{name}@", str(value))
    (folder / file).write_text(text)


def reachable(server):
    for _ in range(100):
        try:
            return requests.get(server.address, timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)
    raise SystemExit(f"{server.name} does not answer")


def instructions(folder, keys):
    """Instructions of the gateway's process for as many requests as there are keys: with all of them, and with one."""
    server = Server("counted")
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={FOLDER}/callgrind", "--separate-threads=no"]
    server.address = server.start(*valgrind, CONSTANT, "up", **settings(folder))
    pid = server.processes[0].pid
    many = [signed(TARGET, key, secret) for key, secret in keys]
    send(server.address, many)  # every key is known from here on

    def counted(lines):
        subprocess.run(["callgrind_control", "-z", str(pid)], check=True, stdout=subprocess.DEVNULL)
        send(server.address, lines)
        subprocess.run(["callgrind_control", "-d", str(pid)], check=True, stdout=subprocess.DEVNULL)
        newest = max(FOLDER.glob("callgrind.*"), key=lambda path: int(path.suffix[1:]))
        return int(re.search(r"^(?:summary|totals): (\d+)", newest.read_text(), re.M).group(1)) / len(lines)

    found = []
    for _ in range(2):
        one = [signed(TARGET, *keys[0])] * len(keys)
        many = [signed(TARGET, key, secret) for key, secret in keys]
        found.append((counted(one), counted(many)))
        progress(f"  instructions a request: {found[-1][0]:.0f} with one key, {found[-1][1]:.0f} with {len(keys)}")
    server.stop()
    return found


def send(address, lines):
    """One connection, one request after another."""
    host, number = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(number))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for line in lines:
            timestamp, key, signature = line.split()
            head = f"GET {TARGET} HTTP/1.1\r\nhost: a\r\nx-ncp-apigw-timestamp: {timestamp}\r\nx-ncp-iam-access-key: {key}\r\nx-ncp-apigw-signature-v2: {signature}\r\n\r\n"
            connection.sendall(head.encode())
            answer = connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200"), answer[:300]


def make_keys(folder, count):
    """Through the administration of a running gateway, which is quick enough without syncs."""
    server = Server("keys")
    address = server.start(CONSTANT, "up", **settings(folder))
    credentials = json.loads((folder / "credentials.json").read_text())
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=8))
    session.headers["x-ckan-api-key"] = credentials["ckan_api_token"]

    def make(_):
        made = session.post(f"{address}/madang/v1/admin/keys", json={}).json()
        return made["access_key"], made["secret_key"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(make, range(count)))
    server.stop()
    return keys


# the static reply, and its own cost
data = home("data")
credentials = json.loads((data / "credentials.json").read_text())
key, secret = credentials["access_key"], credentials["secret_key"]
static = Server("static reply alone")
(FOLDER / "static").mkdir()
back = port()
body = {"id": TARGET.rsplit("/", 1)[1], "name": "서울시 교통 분석", "description": "늘 같은 답", "alias": None, "type": None, "groups": [], "tags": [],
        "created_at": "2026-03-01T21:20:00+00:00", "updated_at": "2026-03-01T21:20:00+00:00"}
fill("static.conf", FOLDER / "static", 0, back, json.dumps(body, ensure_ascii=False))
static.start(shutil.which("nginx") or "/usr/sbin/nginx", "-c", FOLDER / "static/static.conf")
static.address = f"http://127.0.0.1:{back}"

nginx = peer("nginx with Lua", "nginx.conf", shutil.which("nginx") or "/usr/sbin/nginx", "-p", "/usr/lib/nginx", "-c", back=back, key=key, secret=secret)
haproxy = peer("HAProxy", "haproxy.cfg", shutil.which("haproxy") or "/usr/sbin/haproxy", "-f", back=back, key=key, secret=secret)

nginx.behind = haproxy.behind = static.processes

apart = Server("gateway and service apart")
service = apart.start(CONSTANT, "service", **settings(data, MADANG_CATALOG_LISTEN=f"127.0.0.1:{port()}"))
apart.address = apart.start(CONSTANT, "gateway", **settings(data, MADANG_CATALOG_URL=service, MADANG_PIPELINE_URL=service))
together = Server("gateway and service in one process")
together.address = together.start(CONSTANT, "up", **settings(home("together")))
whole = json.loads((FOLDER / "together/credentials.json").read_text())

hub = Hub("full", durability="fast", https="off")
with hub:
    made = hub.call("POST", "/collections", json={"name": "전체 경로"})["id"]
    full = Server("full path", f"/api/v1/collections/{made}")
    full.address, full.processes = hub.base, [hub.process]
    own = json.loads((hub.home / "data/credentials.json").read_text())
    servers = [(static, key, secret), (nginx, key, secret), (haproxy, key, secret), (apart, key, secret),
               (together, whole["access_key"], whole["secret_key"]), (full, own["access_key"], own["secret_key"])]
    for server, _, _ in servers:
        reachable(server)
    for number in range(ROUNDS + 1):
        progress(f"round {number}{'' if number else ' (not counted)'}")
        for server, name, hidden in servers:
            server.measure(name, hidden)
        if not number:
            for server, _, _ in servers:
                server.cpu, server.p50, server.p99, server.rate = [], [], [], []
for server in (nginx, haproxy, static, apart, together):
    server.stop()

progress(f"making {KEYS} keys")
many = home("many")
counts = instructions(many, make_keys(many, KEYS))

say(f"Each request carries a signature that is checked with HMAC-SHA256 under the key's secret and against the clock; then it goes to a constant reply of {len(json.dumps(body, ensure_ascii=False).encode())} "
    f"bytes: over HTTP to an nginx of its own for the peers, over gRPC with a checked assertion for the gateway. All write an access log. {CONNECTIONS} connections "
    f"for {BUSY} s, minimum / median / maximum of {ROUNDS} rounds in turn. CPU is user and system time of all server processes, the constant reply's included. "
    f"*Added* is against that static reply, asked alone by one connection. The load comes from wrk on the same two cores. The full path is `madang up` on SQLite: a signed GET of a "
    f"collection with its permission from the database.")
rows = []
for server in (nginx, haproxy, apart, together, full):
    added = lambda own, base: Spread([one - other for one, other in zip(own, base)])
    rows.append([server.name, f"{Spread([cpu * 1000 for cpu in server.cpu]):.1f}", f"{added(server.p50, static.p50):.0f}", f"{added(server.p99, static.p99):.0f}", f"{Spread(server.rate):.0f}"])
table(["", "CPU ms per 1,000 requests", "added p50, µs", "added p99, µs", "requests/s"], rows)
say(f"The static reply alone: {Spread([cpu * 1000 for cpu in static.cpu]):.1f} ms per 1,000 requests, p50 {Spread(static.p50):.0f} µs.")
share = {server.name: Spread([theirs / ours for ours, theirs in zip(server.cpu, nginx.cpu)]) for server in (apart, together)}
for name, found in share.items():
    say(f"Throughput per CPU of nginx with Lua = 1, {name}: {found:.2f}.")
verdict(f"as separate processes at least {BAR:.0%} of nginx with Lua, per CPU", share[apart.name].median >= BAR)
verdict("in one process equal to nginx with Lua, per CPU (the goal)", share[together.name].median >= GOAL)
ratio = Spread([with_many / with_one - 1 for with_one, with_many in counts])
say(f"Instructions of gateway and service a request, counted by callgrind: {Spread([one for one, _ in counts]):.0f} with one key, {Spread([many for _, many in counts]):.0f} with {KEYS:,} keys in turn.")
verdict(f"{KEYS:,} keys instead of one cost at most {MORE:.0%} more instructions (counted: {ratio.median:+.1%})", ratio.median <= MORE)
