// Everything that the page shows is made here and set as text: nothing of a file is ever read as HTML.

import { hides } from "../verify/text";

type Attributes = Readonly<Record<string, string | boolean | ((event: Event) => void)>>;

/** An element; `true` sets an empty attribute, `false` none, a function listens to the event. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.map((child) => (typeof child === "string" ? printable(child) : child)));
  return element;
}

/** What could hide or reorder text becomes its number, as in the command's report. */
export function printable(text: string): string {
  let shown = "";
  for (const character of text) {
    const number = character.codePointAt(0) ?? 0;
    shown += character !== "\n" && hides(character) ? `<U+${number.toString(16).toUpperCase().padStart(4, "0")}>` : character;
  }
  return shown;
}

/** The element of index.html with this id. */
export function byId<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}`);
  return found;
}

/** The first element inside of another that fits. */
export function within<Kind extends Element>(parent: ParentNode, selector: string, kind: new () => Kind): Kind {
  const found = parent.querySelector(selector);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} ${selector}`);
  return found;
}
