// A picture of the post, with boxes where the models saw something.

import { make, nameLabel } from "./dom.js";

export class PictureView {
  constructor(file, onRemove) {
    this.url = URL.createObjectURL(file);
    this.boxes = make("div", { class: "boxes", "aria-hidden": "true" });
    const image = make("img", { src: this.url, alt: `Picture: ${file.name}`, onerror: () => this.#showNothing(file) });
    this.frame = make("div", { class: "frame" }, image, this.boxes);
    this.caption = make("figcaption", {}, file.name);
    const remove = make("button", { type: "button", class: "remove", "aria-label": `Remove ${file.name}`, onclick: onRemove }, "×");
    this.element = make("figure", { class: "picture" }, this.frame, this.caption, remove);
  }

  /** Boxes as shares of width and height: { box, label, decision }. */
  show(evidence) {
    const named = findNamed(evidence);
    this.boxes.replaceChildren(...evidence.map((item) => {
      const { box: [left, top, right, bottom], label, decision } = item;
      const name = named.has(item) ? make("span", {}, nameLabel(label)) : null;
      const box = make("div", { class: "box", "data-decision": decision, "data-label": label }, name);
      box.style.left = `${left * 100}%`;
      box.style.top = `${top * 100}%`;
      box.style.width = `${(right - left) * 100}%`;
      box.style.height = `${(bottom - top) * 100}%`;
      return box;
    }));
  }

  dispose() {
    URL.revokeObjectURL(this.url);
  }

  #showNothing(file) {
    const note = make("p", { class: "unshown" }, `This browser cannot show ${file.name}. It is scored all the same.`);
    this.frame.replaceChildren(note);
  }
}

const NAME = { width: 0.25, height: 0.09 }; // shares of a picture that a name takes, about

/** Which boxes carry their label's name: none that would lie over another name. */
export function findNamed(evidence) {
  const named = [];
  for (const item of evidence) {
    const [left, top] = item.box;
    const covers = ({ box }) => Math.abs(box[0] - left) < NAME.width && Math.abs(box[1] - top) < NAME.height;
    if (!named.some(covers)) named.push(item);
  }
  return new Set(named);
}
