"""Sends requests that schemathesis makes from /openapi.json, right and wrong ones, single and in chains of links.

Arguments: base URL, credentials.json, data folder (not used). Prints a summary; exits with 1 at the first kind of failure. schemathesis
imports this file as well: requests of the Data Flow API are signed here, the others carry a token.
"""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import requests
import schemathesis

CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
SEED = "20260312"
DATA_FLOW = re.compile(r"/api/v1/(jobs|workflows|triggers|stats)(/|\?|$)")


class Login(requests.auth.AuthBase):
    """A token, or a signature over the request as it is sent."""

    def __init__(self, access_key, secret_key, token):
        self.access_key, self.secret_key, self.token = access_key, secret_key, token

    def __call__(self, request):
        if not DATA_FLOW.match(request.path_url):
            request.headers["Authorization"] = f"Bearer {self.token}"
            return request
        timestamp = str(int(time.time() * 1000))
        text = f"{request.method} {request.path_url}\n{timestamp}\n{self.access_key}"
        digest = hmac.new(self.secret_key.encode(), text.encode(), hashlib.sha256).digest()
        request.headers["x-ncp-apigw-timestamp"] = timestamp
        request.headers["x-ncp-iam-access-key"] = self.access_key
        request.headers["x-ncp-apigw-signature-v2"] = base64.b64encode(digest).decode()
        return request


def main():
    base, credentials = sys.argv[1], json.load(open(sys.argv[2]))
    body = {"username": credentials["username"], "password": credentials["password"]}
    token = requests.post(base + "/api/v1/auth/login", json=body).json()["access_token"]
    login = [credentials["access_key"], credentials["secret_key"], token]
    program = pathlib.Path(__file__)
    command = [pathlib.Path(sys.executable).with_name("schemathesis"), "run", base + "/openapi.json", "--checks", ",".join(CHECKS)]
    # What is documented as 501 answers 501.
    command += ["--exclude-tag", "Not served", "--phases", "coverage,fuzzing,stateful", "--max-examples", "40", "--seed", SEED, "--no-color"]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": program.stem, "PYTHONPATH": str(program.parent), "PROOF_LOGIN": json.dumps(login)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=program.parent, env=environment)
    print(f"schemathesis, seed {SEED}, checks: {', '.join(CHECKS)}")
    summary = done.stdout.split("SUMMARY", 1)[-1]
    for line in summary.splitlines():
        if re.search(r"Selected|Tested|generated|Coverage|Fuzzing|Stateful|passed", line):
            print(line.strip())
    if done.returncode != 0:
        print(done.stdout, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
else:
    schemathesis.auth.set_from_requests(Login(*json.loads(os.environ["PROOF_LOGIN"])))
