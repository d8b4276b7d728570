"""NCP signature v2 in Python: `sign METHOD TARGET TIMESTAMP` or `call METHOD URL [BODY]`, with ACCESS_KEY and SECRET_KEY set."""

import base64
import hashlib
import hmac
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

ACCESS_KEY = os.environ["ACCESS_KEY"]
SECRET_KEY = os.environ["SECRET_KEY"]


def sign(method, target, timestamp):
    """`target` is path and query as they travel; the secret's characters are used as they are."""
    text = f"{method} {target}\n{timestamp}\n{ACCESS_KEY}"
    digest = hmac.new(SECRET_KEY.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def call(method, url, body=None):
    parts = urllib.parse.urlsplit(url)
    target = parts.path + ("?" + parts.query if parts.query else "")
    timestamp = str(int(time.time() * 1000))  # read once, used twice
    request = urllib.request.Request(url, method=method, data=body.encode() if body else None)
    request.add_header("x-ncp-apigw-timestamp", timestamp)
    request.add_header("x-ncp-iam-access-key", ACCESS_KEY)
    request.add_header("x-ncp-apigw-signature-v2", sign(method, target, timestamp))
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        # Who may, reads why at /madang/v1/refusals/<this name>.
        sys.exit(f"{error.code} {error.read().decode()} x-madang-refusal: {error.headers['x-madang-refusal']}")


action, *arguments = sys.argv[1:]
print({"sign": sign, "call": call}[action](*arguments))
