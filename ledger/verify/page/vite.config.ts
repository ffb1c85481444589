/// <reference types="node" />

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";
import { viteSingleFile } from "vite-plugin-singlefile";

// The page goes with the release that it was built in, so there is one number.
const version = /^version = "([^"]+)"$/m.exec(readFileSync(new URL("../../../pyproject.toml", import.meta.url), "utf8"))?.[1];
if (version === undefined) throw new Error("pyproject.toml has no version");

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** The licence texts of the packages whose code is in the page: they ask to go with it. */
const licences = (modules: Iterable<string>): string => {
  const folders = new Map<string, string>();
  for (const id of modules) {
    const found = /^\0?(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(id);
    if (found) folders.set(found[2]!, found[1]!);
  }
  return [...folders.keys()].sort().map((name) => {
    const folder = folders.get(name)!;
    const { version } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8")) as { version: string };
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${name} has no licence file`);
    return `${name} ${version}\n\n${readFileSync(`${folder}/${file}`, "utf8").trim()}\n`;
  }).join("\n\n");
};

/** Everything that one element holds, hashed as a content security policy wants it. */
const hashes = (html: string, element: "script" | "style"): string =>
  [...html.matchAll(new RegExp(`<${element}[^>]*>([\\s\\S]*?)</${element}>`, "g"))]
    .map(([, content]) => `'sha256-${createHash("sha256").update(content!).digest("base64")}'`)
    .join(" ");

/**
 * Runs after everything was put into the one file. The policy names script and style by hash, so
 * that a saved page runs what was built and nothing else; the only way out are the addresses that
 * a person enters.
 */
const seal = (): Plugin => {
  let modules: string[] = [];
  return {
    name: "perdure-seal",
    enforce: "post",
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        for (const file of Object.values(bundle)) {
          if (file.type !== "asset" || !file.fileName.endsWith(".html")) continue;
          const html = String(file.source).replace("<!-- licences -->", () => escaped(licences(modules)));
          const policy = [
            "default-src 'none'",
            `script-src ${hashes(html, "script")}`,
            `style-src ${hashes(html, "style")}`,
            "connect-src https: http://127.0.0.1:* http://localhost:*",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
          ].join("; ");
          const charset = '<meta charset="utf-8">';
          if (!html.includes(charset)) throw new Error("the page does not say its charset");
          // Before anything that it governs.
          file.source = html.replace(charset, () => `${charset}\n  <meta http-equiv="Content-Security-Policy" content="${policy}">`);
        }
      },
    },
    renderChunk(_code, chunk) {
      modules = [...modules, ...chunk.moduleIds];
      return null;
    },
  };
};

export default defineConfig({
  plugins: [viteSingleFile({ removeViteModuleLoader: true }), seal()],
  define: { __VERSION__: JSON.stringify(version) },
  build: { target: "es2022", modulePreload: { polyfill: false }, reportCompressedSize: false },
});
