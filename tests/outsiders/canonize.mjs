// jsonld.js, for scripts/bench: documents on stdin, their canonical N-Quads and the CPU time of each on stdout.
import jsonld from "jsonld";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { contexts, documents, rounds } = JSON.parse(Buffer.concat(chunks));
const documentLoader = async (url) => {
  if (!(url in contexts)) throw new Error(`not pinned: ${url}`);
  return { contextUrl: null, documentUrl: url, document: contexts[url] };
};
const options = {
  algorithm: "RDFC-1.0",
  format: "application/n-quads",
  base: null,
  safe: true,
  documentLoader,
};
const texts = [];
for (const document of documents) texts.push(await jsonld.canonize(document, options));
const begun = process.cpuUsage();
for (let round = 0; round < rounds; round += 1) {
  for (const document of documents) await jsonld.canonize(document, options);
}
const { user, system } = process.cpuUsage(begun);
process.stdout.write(
  JSON.stringify({ texts, microseconds: (user + system) / rounds / documents.length }),
);
