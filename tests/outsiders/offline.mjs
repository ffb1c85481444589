// What every verifier here is given instead of a network: the files named on the command line.
//
//     node VERIFIER.mjs [--offer URL=FILE]... CREDENTIAL...
//
// A verifier prints one line of JSON for each credential, in order. Import this module first: it shuts
// the network before a library can keep a reference to the real `fetch`.
import fs from 'node:fs';
import net from 'node:net';
import {parseArgs} from 'node:util';

const {values, positionals} = parseArgs({
  options: {offer: {type: 'string', multiple: true, default: []}},
  allowPositionals: true
});

const offers = new Map(values.offer.map(offer => {
  const cut = offer.lastIndexOf('=');
  return [offer.slice(0, cut), offer.slice(cut + 1)];
}));

/** The credential files to verify. */
export const files = positionals;

/** Addresses that were asked for and not offered; empties itself when read. */
const refused = new Set();
export function takeRefused() {
  const urls = [...refused].sort();
  refused.clear();
  return urls;
}

export function read(file) {
  return JSON.parse(fs.readFileSync(file, 'utf8'));
}

/** The offered document, or an error for any other address. */
export function offered(url) {
  const file = offers.get(url);
  if(file === undefined) {
    refused.add(url);
    throw new TypeError(`no network here: ${url}`);
  }
  return read(file);
}

export function print(answer) {
  process.stdout.write(JSON.stringify(answer) + '\n');
}

globalThis.fetch = async request => {
  const document = offered(String(request.url ?? request));
  return new Response(JSON.stringify(document), {
    status: 200, headers: {'content-type': 'application/json'}
  });
};
net.Socket.prototype.connect = () => {
  throw new Error('no network here');
};
// Libraries chat on stdout; it carries answers only.
console.log = console.error;
