// The side panel with a page's text, the quote marked.
import { byId, fill, h, icon, showProblem } from "./dom.js";
import { getJson } from "./http.js";

let opener = null;
let opened = 0;

export function setUpSource() {
  fill(byId("source-close"), icon("cross"));
  byId("source-close").addEventListener("click", close);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !byId("source").hidden && !byId("key-dialog").open) close();
  });
}

export function openText(title, text, quote) {
  open(title);
  showText(text, quote);
}

// Opens a page of a document of a collection; the quote is looked for on that page.
export async function openPage(documentsPath, documentId, name, page, quote) {
  const mine = open(`${name}, page ${page}`);
  byId("source-text").textContent = "Loading the page";
  try {
    const found = await getJson(`${documentsPath}/${encodeURIComponent(documentId)}/pages/${page}`);
    if (mine !== opened) return;
    byId("source-title").textContent = `${found.document ?? name}, page ${found.page} of ${found.pages}`;
    showText(found.text, quote);
    const turn = (to, words) => h("button", { type: "button", class: "quiet", disabled: to < 1 || to > found.pages, onclick: () => openPage(documentsPath, documentId, name, to, quote) }, words);
    fill(byId("source-pager"), turn(found.page - 1, "Page before"), turn(found.page + 1, "Next page"));
  } catch (error) {
    if (mine !== opened) return;
    byId("source-text").textContent = "";
    showProblem(byId("source-problem"), error);
  }
}

// Returns the number of this opening; only the latest one draws.
function open(title) {
  const panel = byId("source");
  if (panel.hidden) opener = document.activeElement;
  panel.hidden = false;
  document.body.classList.add("with-source");
  showProblem(byId("source-problem"), null);
  fill(byId("source-pager"));
  byId("source-title").textContent = title;
  byId("source-title").focus();
  opened += 1;
  return opened;
}

export function close() {
  if (byId("source").hidden) return;
  byId("source").hidden = true;
  document.body.classList.remove("with-source");
  if (opener?.isConnected) opener.focus();
  opener = null;
}

function showText(text, quote) {
  const place = quote ? find(text, quote) : null;
  if (place === null) return fill(byId("source-text"), text);
  const mark = h("mark", {}, text.slice(place.start, place.end));
  fill(byId("source-text"), text.slice(0, place.start), mark, text.slice(place.end));
  return mark.scrollIntoView({ block: "center" });
}

// The quote as it stands, or with other white space between its words.
export function find(text, quote) {
  const start = text.indexOf(quote);
  if (start >= 0) return { start, end: start + quote.length };
  const words = quote.trim().split(/\s+/).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const match = words[0] && text.match(new RegExp(words.join("\\s+")));
  return match ? { start: match.index, end: match.index + match[0].length } : null;
}
