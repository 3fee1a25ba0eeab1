// Elements from plain values: text always becomes text nodes, never markup.

export const byId = (id) => document.getElementById(id);

// h("a", {class: "x", href, onclick}, child, ...): functions become listeners, null and false leave an attribute out.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (typeof value === "function") element.addEventListener(name.slice(2), value);
  else element.setAttribute(name, value === true ? "" : value);
}

export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
}

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  check: "M3 8.5 6.5 12 13 4.5",
  half: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M8 2.5v11",
  warn: "M8 2 15 14H1ZM8 6.5v3.5M8 12v.2",
  cross: "M4 4l8 8M12 4l-8 8",
  clock: "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12M8 5v3.5l2 1.5",
  run: "M5 3.5 12 8l-7 4.5Z",
  dash: "M4 8h8",
  sun: "M8 5a3 3 0 1 0 0 6a3 3 0 1 0 0-6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13 9.8A5.6 5.6 0 0 1 6.2 3a5.6 5.6 0 1 0 6.8 6.8Z",
  page: "M4 1.5h5.5L13 5v9.5H4ZM9.5 1.5V5H13",
};

// A decorative sign; the words beside it carry the meaning.
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

// A `passing` problem is one that the next success proves over.
export function showProblem(element, error, passing = false) {
  element.textContent = error === null ? "" : error.message;
  element.hidden = error === null;
  element.toggleAttribute("data-passing", passing);
}

export function hidePassing(element) {
  if (element.hasAttribute("data-passing")) showProblem(element, null);
}
