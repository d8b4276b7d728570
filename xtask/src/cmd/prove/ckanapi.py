"""CKAN's own client, library and command line, against two hubs: actions, errors, dump of one and load into the other, both ways.

Arguments: base URL, credentials.json, data folder (not used). The second hub is started here, beside the first: MADANG_BIN is the program.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

from ckanapi import NotAuthorized, NotFound, RemoteCKAN, ValidationError

BASE, CREDENTIALS = sys.argv[1], json.load(open(sys.argv[2]))
BIN = pathlib.Path(sys.executable).parent
THINGS = ["users", "organizations", "groups", "datasets"]


def token(path):
    return json.loads(pathlib.Path(path).read_text())["ckan_api_token"]


def command(*arguments, base, key, text=None):
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "NO_PROXY": "*"}
    call = [BIN / "ckanapi", *arguments, "-r", base, "-a", key]
    done = subprocess.run(call, capture_output=True, text=True, input=text, env=environment)
    assert done.returncode == 0, (arguments, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def raises(kind, call):
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


def fill(site):
    """Something of everything."""
    people = [site.action.user_create(name=f"user-{n}", email=f"user-{n}@example.com", password="12345678") for n in range(5)]
    organizations = [site.action.organization_create(name=f"org-{n}", title=f"기관 {n}", users=[{"name": "user-0", "capacity": "editor"}]) for n in range(3)]
    groups = [site.action.group_create(name=f"group-{n}", title=f"모임 {n}") for n in range(3)]
    for n in range(40):
        site.action.package_create(
            name=f"data-{n}", title=f"자료 {n}", owner_org=organizations[n % 3]["id"], groups=[{"id": groups[n % 3]["id"]}],
            tags=[{"name": "수질 관리"}, {"name": "open"}], extras=[{"key": "k", "value": "v"}], license_id="cc-by",
            resources=[{"url": f"http://example.com/{n}.csv", "name": "rows", "custom": {"a": [1]}}, {"url": "http://example.com/x.pdf"}],
        )
    return len(people), len(organizations), len(groups)


def compared(text):
    """What must be the same on both sides."""
    moments = {"metadata_created", "metadata_modified", "created", "creator_user_id", "last_active", "package_count", "num_followers", "number_created_packages"}

    def without(value):
        if isinstance(value, dict):
            return {key: without(inner) for key, inner in value.items() if key not in moments}
        return [without(inner) for inner in value] if isinstance(value, list) else value

    return {row["id"]: without(row) for row in map(json.loads, text.splitlines())}


first = RemoteCKAN(BASE, apikey=CREDENTIALS["ckan_api_token"])
fill(first)
assert first.action.status_show()["ckan_version"].startswith("2.11")
assert RemoteCKAN(BASE, get_only=True).action.package_show(id="data-1")["title"] == "자료 1"
assert first.call_action("package_patch", {"id": "data-1", "notes": "설명"})["notes"] == "설명"
missing = raises(NotFound, lambda: first.action.package_show(id="nothing"))
denied = raises(NotAuthorized, lambda: RemoteCKAN(BASE).action.package_create(name="x"))
wrong = raises(ValidationError, lambda: first.action.package_create(name="x"))
print(f"library: actions by POST and GET; NotFound ({missing or 'no detail'}), NotAuthorized, ValidationError {wrong}")
shown = json.loads(command("action", "package_show", "id=data-2", "-j", base=BASE, key=CREDENTIALS["ckan_api_token"]))
assert shown["title"] == "자료 2"

with tempfile.TemporaryDirectory() as folder:
    home = pathlib.Path(folder)
    call = [os.environ["MADANG_BIN"], "up", "--data-dir", home / "data", "--http", "127.0.0.1:0", "--https", "off"]
    hub = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        other = dict(pair.split("=", 1) for pair in hub.stdout.readline().split()[2:])["http"]
        keys = {BASE: CREDENTIALS["ckan_api_token"], other: token(home / "data/credentials.json")}
        for here, there in [(BASE, other), (other, BASE)]:
            for things in THINGS:
                text = command("dump", things, "--all", base=here, key=keys[here])
                command("load", things, "--quiet", base=there, key=keys[there], text=text)
                back = command("dump", things, "--all", base=there, key=keys[there])
                mine, theirs = compared(text), compared(back)
                same = sum(theirs.get(key) == row for key, row in mine.items())
                print(f"dump and load of {things}: {len(mine)} from {'first to second' if here == BASE else 'second to first'}, {same} read the same there")
                assert same == len(mine), [(row, theirs.get(key)) for key, row in mine.items() if theirs.get(key) != row][:1]
    finally:
        hub.send_signal(signal.SIGTERM)
        hub.wait()
