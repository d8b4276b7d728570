"""The Spec Store's own client library (npm's datahub-client) against the hub: pushes data packages, public and private, and reads their
status. Only the host is changed.

Arguments: base URL, credentials.json, data folder (not used). Node and npm must be here.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

import requests

BASE, CREDENTIALS = sys.argv[1], json.load(open(sys.argv[2]))
CLIENT = "datahub-client@0.5.8"

PUSH = """
const {authenticate, DataHub} = require('datahub-client')
const {Dataset} = require('data.js')
const [base, token, folder, findability, outputs] = process.argv.slice(2)
async function main() {
  const who = await authenticate(base, token)
  const dataset = await Dataset.load(folder)
  const hub = new DataHub({apiUrl: base, token, ownerid: who.profile.id, owner: who.profile.username})
  const options = {findability, outputs: JSON.parse(outputs), schedule: 'every 30d'}
  const answer = await hub.push(dataset, options)
  console.log(JSON.stringify({who: who.profile, answer}))
}
main().catch(error => { console.error(error.message); process.exit(1) })
"""

RIVERS = "name,length_km,seen\nHan,494,2026-03-12\nNakdong,510.36,2026-03-13\n금강,397.79,\n"
FIELDS = [{"name": "name", "type": "string"}, {"name": "length_km", "type": "number"}, {"name": "seen", "type": "date"}]


def package(folder, name, rows=RIVERS, **more):
    """A data package with one table and one file that is none."""
    (folder / "data").mkdir(parents=True)
    (folder / "data/rivers.csv").write_text(rows)
    (folder / "notes.txt").write_text("measured by hand\n")
    (folder / "README.md").write_text("# Rivers\n")
    table = {"name": "rivers", "path": "data/rivers.csv", "format": "csv", "schema": {"fields": FIELDS}} | more
    resources = [table, {"name": "notes", "path": "notes.txt", "format": "txt"}]
    (folder / "datapackage.json").write_text(json.dumps({"name": name, "title": "Rivers", "resources": resources}))


def push(home, folder, token, findability="published", outputs=None):
    call = ["node", "push.js", BASE, token, str(folder), findability, json.dumps(outputs or {})]
    done = subprocess.run(call, cwd=home, capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip()


def status(flow, token=None):
    """As the client's page does it: asks until the state is a last one."""
    headers = {"Auth-Token": token} if token else {}
    for _ in range(120):
        answer = requests.get(f"{BASE}/source/{flow}", headers=headers)
        if answer.status_code != 200:
            return answer.status_code, None
        if answer.json()["state"] not in ("QUEUED", "INPROGRESS"):
            return 200, answer.json()
        time.sleep(0.5)
    raise AssertionError(f"{flow} does not end")


def main():
    home = pathlib.Path(tempfile.mkdtemp())
    (home / "push.js").write_text(PUSH)
    (home / "package.json").write_text(json.dumps({"private": True, "dependencies": {"datahub-client": CLIENT.split("@")[1]}}))
    installed = subprocess.run(["npm", "install", "--silent", "--no-fund", "--no-audit"], cwd=home, capture_output=True, text=True)
    assert installed.returncode == 0, installed.stderr[-2000:]
    token = CREDENTIALS["spec_store_token"]

    package(home / "open", "waters")
    began = time.monotonic()
    pushed = push(home, home / "open", token, outputs={"zip": True, "sqlite": True})
    assert isinstance(pushed, dict), pushed
    flow = pushed["answer"]["flow_id"]
    assert flow == f"{CREDENTIALS['owner_id']}/waters/1", pushed
    _, ended = status(flow)
    assert ended["state"] == "SUCCEEDED", ended
    titles = sorted({pipeline["title"] for pipeline in ended["pipelines"].values()})
    print(f"{CLIENT} with {subprocess.run(['node', '--version'], capture_output=True, text=True).stdout.strip()}")
    print(f"push of a package with a table and a text: {ended['state']}, {len(ended['pipelines'])} pipelines ({', '.join(titles)})")
    print(f"rows {ended['stats']['count_of_rows']}, bytes {ended['stats']['bytes']}, hash of the descriptor {len(ended['stats']['hash'])} digits")
    assert ended["stats"]["count_of_rows"] == 3, ended["stats"]
    final = requests.get(ended["pipelines"][flow]["stats"][".dpp"]["out-datapackage-url"]).json()
    names = [resource["name"] for resource in final["resources"]]
    print(f"the package: {', '.join(names)}")
    csv = next(resource for resource in final["resources"] if resource["name"] == "rivers_csv")
    rows = requests.get(csv["path"]).content.decode()
    assert rows.split("\r\n")[3].startswith("금강,397.79"), rows

    again = push(home, home / "open", token)
    assert again["answer"]["flow_id"].endswith("/waters/2"), again
    print("pushed again: revision 2; the files were there already")

    access = requests.post(f"{BASE}/api/v1/auth/login", json={"username": CREDENTIALS["username"], "password": CREDENTIALS["password"]}).json()
    package(home / "hidden", "hidden")
    pushed = push(home, home / "hidden", access["access_token"], "private")
    assert isinstance(pushed, dict), pushed
    flow = pushed["answer"]["flow_id"]
    seen, (_, own) = status(flow)[0], status(flow, token)
    assert seen == 404 and own["state"] == "SUCCEEDED", (seen, own)
    print(f"private, with the token of a login: {own['state']} for its owner, {seen} for others")

    package(home / "wrong", "wrong", rows="name,length_km,seen\nHan,far,2026-03-12\n")
    flow = push(home, home / "wrong", token)["answer"]["flow_id"]
    _, ended = status(flow)
    assert ended["state"] == "FAILED", ended
    print(f"a value of another type: {ended['state']}, {ended['error_log']}")

    package(home / "named", "Rivers of Korea")
    print(f"a name that is none: {push(home, home / 'named', token)!r}")


main()
