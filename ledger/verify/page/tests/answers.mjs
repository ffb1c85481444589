// Runs the page's verifier over jobs, so that another program can compare the answers.
//
//     node answers.mjs < jobs.json > answers.json
//
// Bundled for browsers, like the page. A job names what to do and gives files in base64; RPC
// addresses either have canned answers or are really asked.

import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { rolldown } from "rolldown";

const page = dirname(dirname(fileURLToPath(import.meta.url)));

async function bundled(entry) {
  const folder = mkdtempSync(join(tmpdir(), "perdure-page-"));
  try {
    const file = join(folder, "verify.mjs");
    const build = await rolldown({ input: join(page, entry), platform: "browser", logLevel: "warn" });
    await build.write({ file, format: "esm" });
    await build.close();
    return await import(pathToFileURL(file).href);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));

/** fetch for addresses whose answers are in the job; others are asked on the network. */
function answering(addresses, codes) {
  const network = globalThis.fetch;
  return async (url, options) => {
    const entry = addresses.find(({ address }) => address === url);
    if (entry === undefined || entry.answers === undefined) return network(url, options);
    const { id, method, params } = JSON.parse(options.body);
    const wanted = JSON.stringify(params);
    const found = entry.answers.find((each) => each.method === method && JSON.stringify(each.params) === wanted);
    const answer = { jsonrpc: "2.0", id };
    if (found?.error) answer.error = found.error;
    else if (found) answer.result = found.result;
    else if (method === "eth_getCode") answer.result = codes[params[0]];
    else answer.error = { code: -32601, message: "the vector has no answer to this" };
    return new Response(JSON.stringify(answer));
  };
}

function optionsOf(logic, job) {
  return {
    addresses: (job.addresses ?? []).map(({ address }) => logic.rpcReader(address)),
    networks: job.networks ? logic.parseNetworks(bytes(job.networks)) : logic.BUILT_IN,
    trust: job.trust ? logic.parseTrustList(bytes(job.trust)) : null,
    checkpoints: [
      ...(job.checkpoints ? logic.parseCheckpoints(bytes(job.checkpoints)) : []),
      ...(job.blockHashes ?? []).map(logic.parseBlockHash),
    ],
    now: new Date(job.now),
    email: job.email ?? undefined,
  };
}

/** Resolves once the program has had nothing to do for a while but to wait for answers. */
async function isWaiting(asked) {
  for (let turns = 0, before = asked(); turns < 50; turns = asked() === before ? turns + 1 : 0) {
    before = asked();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** What each kind of job answers. */
const KINDS = {
  /** Each file in the file, checked. */
  async report(logic, job) {
    const options = optionsOf(logic, job);
    const reports = [];
    for (const candidate of await logic.candidates(job.name, bytes(job.file))) {
      const report = await logic.verifyCandidate(candidate, options);
      reports.push({ json: report, text: logic.toText(report) });
    }
    return { reports, exitCode: logic.worst(reports.map(({ json }) => json)) };
  },
  /** A file, checked by addresses that wait until nothing more is asked: the questions of each round. */
  async rounds(logic, job) {
    const answer = globalThis.fetch;
    const rounds = [];
    let asked = [];
    globalThis.fetch = (url, options) =>
      new Promise((resolve) => {
        asked.push({ url, options, resolve });
      });
    let verdicts;
    KINDS.report(logic, job).then(({ reports }) => (verdicts = reports.map(({ json }) => json.verdict)));
    while (verdicts === undefined) {
      await isWaiting(() => asked.length);
      const round = asked;
      asked = [];
      if (round.length === 0) continue;
      rounds.push(
        round.map(({ url, options }) => {
          const { method, params } = JSON.parse(options.body);
          return [url, method, ...params];
        }),
      );
      // All of them are there before the first is handed on: how fast a node is makes no round.
      const replies = await Promise.all(
        round.map(async ({ url, options }) => {
          const reply = await answer(url, options);
          return new Response(await reply.text(), { status: reply.status });
        }),
      );
      round.forEach(({ resolve }, at) => resolve(replies[at]));
    }
    return { verdicts, rounds };
  },
  /** One address, used step by step: what each step said, and how much had been sent by then. */
  async reading(logic, job) {
    const reader = logic.rpcReader("http://localhost");
    const sent = [];
    globalThis.fetch = async (_, { body }) => {
      const { id, method, params } = JSON.parse(body);
      sent.push([method, ...params]);
      const reply = job.replies[sent.length - 1];
      return typeof reply === "number"
        ? new Response("", { status: reply })
        : new Response(JSON.stringify({ jsonrpc: "2.0", id, result: reply }));
    };
    const acts = {
      prefetch: (chainId, ...questions) => reader.prefetch(BigInt(chainId), questions),
      forget: () => reader.forget(),
      chainId: async () => String(await reader.chainId()),
      code: async (address) => Buffer.from(await reader.code(address, 1n)).toString("hex"),
    };
    const said = [];
    for (const [act, ...given] of job.steps) {
      try {
        said.push([(await acts[act](...given)) ?? null, sent.length]);
      } catch (error) {
        said.push([error.message, sent.length]);
      }
    }
    return said;
  },
  /** A file of the verifier's own, or a block hash, or an address: whether it is read. */
  async read(logic, job) {
    const parse = logic[job.by];
    const read = parse(job.text ?? bytes(job.file));
    return JSON.parse(JSON.stringify(read, (_, value) => (value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value)));
  },
};

/** A clock that stands still while other programs have the processor: the smaller of time gone by and time computed. */
function stopwatch() {
  const began = performance.now();
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return Math.min(performance.now() - began, (user + system) / 1_000);
  };
}

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const { jobs, codes } = JSON.parse(Buffer.concat(chunks).toString());
  const logic = await bundled("src/verify/index.ts");
  const network = globalThis.fetch;
  const answers = [];
  for (const job of jobs) {
    globalThis.fetch = answering(job.addresses ?? [], codes);
    const milliseconds = stopwatch();
    try {
      answers.push({ answer: await KINDS[job.kind](logic, job), milliseconds: milliseconds() });
    } catch (error) {
      answers.push({ error: error.name, message: error.message, milliseconds: milliseconds() });
    }
    globalThis.fetch = network;
  }
  process.stdout.write(JSON.stringify(answers));
}

await main();
