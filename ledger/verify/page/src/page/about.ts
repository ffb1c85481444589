// What the page says of itself: its version, and what is built into it.

import { BUILT_IN } from "../verify/index";
import { byId, make } from "./elements";

/** Fill in what only the build and the logic know. */
export function showAbout(): void {
  for (const place of document.querySelectorAll("[data-version]")) place.textContent = `version ${__VERSION__}`;
  for (const place of document.querySelectorAll("[data-version-alone]")) place.textContent = __VERSION__;
  byId("built-in", HTMLTableSectionElement).append(
    ...BUILT_IN.map((network) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, network.test ? `${network.name} (TEST)` : network.name),
        make("td", {}, make("code", {}, `eip155:${network.chainId}`)),
        make("td", {}, make("code", {}, hex(network.genesisHash))),
        make("td", {}, "Anchors ", make("code", {}, network.anchorRegistry), make("br"), "Issuers ", make("code", {}, network.issuerRegistry)),
      ),
    ),
  );
  // From disk there is nothing to save: it is there.
  const keep = byId("keep", HTMLAnchorElement);
  if (location.protocol === "http:" || location.protocol === "https:") {
    keep.href = location.pathname;
    keep.hidden = false;
  }
}

const hex = (bytes: Uint8Array): string => `0x${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
