// The official Node SDK as a program: one question per line on standard input, one answer per line on standard output.
//
// A question is {"call": "payment_intents.create", "args": [...], "key": "..."}; with "all": true every page is fetched.
// An answer is {"object": ..., "headers": {...}} or {"error": {...}}, with what the SDK made of it.

import { createInterface } from "node:readline";
import process from "node:process";
import Stripe from "stripe";

const [, , url, secretKey, retries] = process.argv;
const { hostname, port } = new URL(url);
const stripe = new Stripe(secretKey, {
  host: hostname,
  port,
  protocol: "http",
  maxNetworkRetries: Number(retries),
  telemetry: false,
});

const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

function operation(call) {
  const parts = call.split(".").map(camel);
  const name = parts.pop();
  const resource = parts.reduce((node, part) => node[part], stripe);
  return resource[name === "delete" ? "del" : name].bind(resource);
}

async function answer({ call, args, key, all }) {
  const options = key ? [{ idempotencyKey: key }] : [];
  const promise = operation(call)(...args, ...options);
  if (all) {
    const items = [];
    for await (const item of promise) items.push(item);
    return { object: items };
  }
  const object = await promise;
  const { headers } = object.lastResponse;
  return { object, headers };
}

function refused(error) {
  return {
    class: error.constructor.name,
    status: error.statusCode ?? null,
    body: error.raw ?? {},
    headers: error.headers ?? {},
    message: error.message,
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  const told = await answer(question).catch((error) => ({ error: refused(error) }));
  process.stdout.write(JSON.stringify(told) + "\n");
}
