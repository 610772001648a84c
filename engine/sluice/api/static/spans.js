// Places in a text. The server counts code points, as Python does; JavaScript counts UTF-16 units.

/** Spans in code points → spans in UTF-16 units, within the text. */
export function toUnits(text, spans) {
  const starts = [0];
  for (const character of text) starts.push(starts.at(-1) + character.length);
  const at = (position) => starts[Math.min(Math.max(position, 0), starts.length - 1)];
  return spans.map((span) => ({ ...span, start: at(span.start), end: at(span.end) })).filter((s) => s.start < s.end);
}

/** The spans that an edit left whole, moved to where they are now. */
export function rebase(spans, before, after) {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < shorter - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const moved = after.length - before.length;
  return spans.flatMap((span) => {
    if (span.end <= head) return [span];
    if (span.start >= before.length - tail) return [{ ...span, start: span.start + moved, end: span.end + moved }];
    return [];
  });
}

/** Cut a text where spans begin and end: pieces, each with the spans that cover it. */
export function cut(text, spans) {
  const edges = new Set([0, text.length]);
  for (const span of spans) edges.add(span.start).add(span.end);
  const ordered = [...edges].sort((a, b) => a - b);
  return ordered.slice(0, -1).map((start, index) => {
    const end = ordered[index + 1];
    return { text: text.slice(start, end), spans: spans.filter((span) => span.start <= start && span.end >= end) };
  });
}
