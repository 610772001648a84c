// Tabs as the ARIA Authoring Practices have them: arrow keys move, one stop in the order of the page.

import { make } from "./dom.js";

/** Fill a tab list; `onSelect(name)` is told at once and with every change. */
export function makeTabs(list, panel, names, onSelect) {
  const tabs = names.map((name) => make("button", {
    type: "button", role: "tab", id: `tab-${name}`, "aria-controls": panel.id, onclick: () => select(name),
  }, name));
  const select = (name, focus = false) => {
    for (const tab of tabs) {
      const chosen = tab.textContent === name;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      if (chosen && focus) tab.focus();
    }
    panel.setAttribute("aria-labelledby", `tab-${name}`);
    onSelect(name);
  };
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = tabs.findIndex((tab) => tab.tabIndex === 0);
    select(names[(at + step + names.length) % names.length], true);
  });
  list.replaceChildren(...tabs);
  select(names[0]);
}
