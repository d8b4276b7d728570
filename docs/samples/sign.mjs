// NCP signature v2 in JavaScript: `sign METHOD TARGET TIMESTAMP` or `call METHOD URL [BODY]`, with ACCESS_KEY and SECRET_KEY set.

import { createHmac } from "node:crypto";

const { ACCESS_KEY, SECRET_KEY } = process.env;

/** `target` is path and query as they travel; the secret's characters are used as they are. */
function sign(method, target, timestamp) {
  return createHmac("sha256", SECRET_KEY).update(`${method} ${target}\n${timestamp}\n${ACCESS_KEY}`).digest("base64");
}

async function call(method, address, body) {
  const url = new URL(address);
  const timestamp = String(Date.now()); // read once, used twice
  const answer = await fetch(url, {
    method,
    body,
    headers: {
      "x-ncp-apigw-timestamp": timestamp,
      "x-ncp-iam-access-key": ACCESS_KEY,
      "x-ncp-apigw-signature-v2": sign(method, url.pathname + url.search, timestamp),
      "Content-Type": "application/json",
    },
  });
  const text = await answer.text();
  if (!answer.ok) {
    // Who may, reads why at /madang/v1/refusals/<this name>.
    console.error(answer.status, text, "x-madang-refusal:", answer.headers.get("x-madang-refusal"));
    process.exit(1);
  }
  return text;
}

const [action, ...rest] = process.argv.slice(2);
console.log(await { sign, call }[action](...rest));
