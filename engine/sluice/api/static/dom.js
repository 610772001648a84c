// Elements without markup: whatever a post or a link says becomes text, never HTML.

/** An element; attributes as given, `on…` functions as listeners, strings among the children as text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** The element with an id. */
export const byId = (id) => document.getElementById(id);

/** `self_harm` → `self-harm`. */
export const nameLabel = (label) => label.replaceAll("_", "-");

/** `image:0` → `picture 1`. */
export function namePart(part) {
  const [kind, index] = part.split(":");
  const name = { text: "text", image: "picture", audio: "clip" }[kind] ?? kind;
  return index === undefined ? name : `${name} ${Number(index) + 1}`;
}

/** A first letter that is large. */
export const capitalise = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A score as people read it. */
export const formatScore = (score) => score.toFixed(2);

/** Seconds as m:ss.s. */
export function formatTime(seconds) {
  const tenths = Math.round(seconds * 10);
  return `${Math.floor(tenths / 600)}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
}

/** Say something to those who listen to the page instead of looking at it. */
export function announce(message) {
  byId("said").textContent = message;
}

/** Put text on the clipboard; the button says whether it worked. */
export async function copyText(button, text) {
  button.dataset.name ??= button.textContent;
  let said = "Copied";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    said = "Not allowed here";
  }
  button.textContent = said;
  announce(said);
  setTimeout(() => { button.textContent = button.dataset.name; }, 1500);
}
