// Making elements. Text becomes text nodes, and nothing is ever parsed as HTML: what comes from a
// database, a token or an answer can be shown, and cannot do anything.

const SVG = "http://www.w3.org/2000/svg";

function put(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** An element with attributes, listeners (`onclick`) and children. */
export function h(name, properties, ...children) {
  const element = put(document.createElement(name), properties, children);
  // The value of a choice is one of its options, which are there only now.
  if (name === "select" && properties?.value !== undefined) element.value = properties.value;
  return element;
}

/** An element of a drawing. */
export function s(name, properties, ...children) {
  return put(document.createElementNS(SVG, name), properties, children);
}

/** Takes what is there away, and puts this in its place; the control that had the focus has it. */
export function replace(parent, ...children) {
  const focused = document.activeElement;
  const key = parent.contains(focused) ? focused.dataset.key : undefined;
  const at = key && "selectionStart" in focused ? focused.selectionStart : null;
  parent.replaceChildren();
  append(parent, children);
  if (!key) return;
  const again = parent.querySelector(`[data-key="${CSS.escape(key)}"]`);
  again?.focus({ preventScroll: true });
  if (again && at !== null) {
    try {
      again.setSelectionRange(at, at);
    } catch {
      // Not all kinds of fields have a selection.
    }
  }
}

/** A choice. Options are values, or pairs of a value and its label. */
export function choice(properties, options) {
  const pairs = options.map((option) => (Array.isArray(option) ? option : [option, option]));
  const known = pairs.some(([value]) => value === properties.value);
  if (!known && properties.value) pairs.push([properties.value, properties.value]);
  return h("select", properties, pairs.map(([value, label]) => h("option", { value }, label)));
}

/** Tabs by the pattern of WAI-ARIA: arrows move between them. */
export function tabs(label, entries, current, onchange) {
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = [...event.currentTarget.children];
    const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
    next.focus();
    next.click();
  };
  const tab = ([id, text]) =>
    h(
      "button",
      {
        type: "button",
        role: "tab",
        "data-key": `tab-${label}-${id}`,
        "aria-selected": String(id === current),
        tabindex: id === current ? "0" : "-1",
        onclick: () => onchange(id),
      },
      text,
    );
  return h(
    "div",
    { role: "tablist", "aria-label": label, class: "tabs", onkeydown: move },
    entries.map(tab),
  );
}

/** A button that copies a text, and says that it has. */
export function copyButton(text, label = "Copy") {
  const button = h("button", { type: "button", class: "small" }, label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed here: select and copy it";
    }
    setTimeout(() => (button.textContent = label), 1500);
  });
  return button;
}
