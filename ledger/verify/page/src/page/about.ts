// What the page says of itself: its version, and what is built into it.

import { BUILT_IN, type Network } from "../verify/index";
import { byId, make } from "./elements";

/** Fill in what only the build and the logic know. */
export function showAbout(): void {
  for (const place of document.querySelectorAll("[data-version]")) place.textContent = `version ${__VERSION__}`;
  for (const place of document.querySelectorAll("[data-version-alone]")) place.textContent = __VERSION__;
  byId("built-in", HTMLElement).append(...BUILT_IN.map(networkCard));
  // From disk there is nothing to save: it is there.
  const keep = byId("keep", HTMLAnchorElement);
  if (location.protocol === "http:" || location.protocol === "https:") {
    keep.href = location.pathname;
    keep.hidden = false;
  }
}

const hex = (bytes: Uint8Array): string => `0x${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;

function networkCard(network: Network): HTMLElement {
  const rows: [string, string][] = [
    ["Chain", `eip155:${network.chainId}`],
    ["First block", hex(network.genesisHash)],
    ["AnchorRegistry", network.anchorRegistry],
    ["IssuerRegistry", network.issuerRegistry],
  ];
  return make(
    "section",
    { class: "network" },
    make("h3", {}, network.test ? `${network.name} (TEST)` : network.name),
    make("dl", {}, ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, make("code", {}, value))])),
  );
}
