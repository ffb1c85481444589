// The same as rounds.py, for competitors in JavaScript.
import { createInterface } from "node:readline";

export async function serve(prepare) {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const { answer, run } = prepare(JSON.parse((await lines.next()).value));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
  for await (const _ of lines) {
    const begun = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(begun);
    process.stdout.write(`${(user + system) / 1e6}\n`);
  }
}
