// Evidence in the text as it is typed: a layer behind the text area with the same letters, some of them marked.

import { strictest } from "./decide.js";
import { make } from "./dom.js";
import { cut, rebase } from "./spans.js";

export class Marks {
  #text = "";
  #spans = [];

  constructor(layer) {
    this.layer = layer;
  }

  /** Spans of UTF-16 units, each with the decision that its label asks for. */
  show(text, spans) {
    this.#text = text;
    this.#spans = spans;
    this.#draw();
  }

  /** Keep what an edit left whole until the next verdict is there. */
  follow(text) {
    this.show(text, rebase(this.#spans, this.#text, text));
  }

  #draw() {
    const pieces = cut(this.#text, this.#spans).map((piece) =>
      piece.spans.length === 0
        ? piece.text
        : make("mark", { "data-decision": strictest(piece.spans.map((span) => span.decision)) }, piece.text));
    this.layer.replaceChildren(...pieces, "\u200b"); // a last line that is empty has its height too
  }
}
