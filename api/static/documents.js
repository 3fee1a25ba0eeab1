// A collection's documents: drop files or folders, see how each is read and why one cannot be.
import { fill, h, hidePassing, icon, showProblem } from "./dom.js";
import { chosenFiles, droppedFiles } from "./dropped.js";
import { bytes, count, plural } from "./format.js";
import { getJson, remove } from "./http.js";
import { keyed } from "./keyed.js";
import { poll } from "./poll.js";
import { collectionPath } from "./paths.js";
import { statusMark } from "./status.js";
import { uploadsTo } from "./uploads.js";

const EVERY_MS = 2500;
const PAGE = 1000;

export function documentsPart(collection, onChange) {
  const path = `${collectionPath(collection.id)}/documents`;
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const list = h("div");
  const tally = h("p", { class: "hint", role: "status" });
  const body = h("tbody");
  let settled = "";
  const view = { path, problem, list, tally, body, table: table(body), drawRows: keyed((it) => row(view, it)), refresh: async (again = true) => {
    try {
      const documents = await allDocuments(path, again);
      hidePassing(problem);
      const key = JSON.stringify(documents);
      if (key !== settled) draw(view, documents);
      if (settled && key !== settled) onChange();
      settled = key;
    } catch (error) {
      showProblem(problem, error, true);
    }
  } };
  const queue = uploadsTo(path);
  queue.onSent = () => view.refresh();
  const element = h("section", { "aria-labelledby": "documents-title" },
    h("div", { class: "head" }, h("h3", { id: "documents-title" }, "Documents"), tally), dropZone(queue), queue.element, problem, list);
  const stopPoll = poll(view.refresh, EVERY_MS);
  const stop = () => {
    stopPoll();
    queue.onSent = null;
  };
  return { element, stop };
}

async function allDocuments(path, silent) {
  const found = [];
  for (let after = ""; ; after = `&after=${found.at(-1).id}`) {
    const page = await getJson(`${path}?limit=${PAGE}${after}`, { silent });
    found.push(...page.data);
    if (!page.has_more || !page.data.length) return found;
  }
}

function dropZone(queue) {
  const files = h("input", { type: "file", multiple: true, class: "unseen", tabindex: "-1", "aria-label": "Files", onchange: taken });
  const folder = h("input", { type: "file", webkitdirectory: true, class: "unseen", tabindex: "-1", "aria-label": "Folder", onchange: taken });
  function taken(event) {
    queue.add(chosenFiles(event.target.files));
    event.target.value = "";
  }
  const zone = h("div", { class: "drop" }, h("p", {}, "Drop reports here: PDF, HTML, text, Markdown, or a zip of them"),
    h("div", { class: "actions" }, h("button", { type: "button", onclick: () => files.click() }, "Choose files"), h("button", { type: "button", onclick: () => folder.click() }, "Choose a folder")), files, folder);
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    queue.add(await droppedFiles(event.dataTransfer));
  });
  return zone;
}

function draw(view, documents) {
  const failed = documents.filter((it) => it.status === "failed").length;
  const ready = documents.filter((it) => it.status === "ready").length;
  view.tally.textContent = documents.length ? `${count(ready)} of ${plural(documents.length, "document")} ready${failed ? `, ${count(failed)} failed` : ""}` : "";
  view.drawRows(view.body, documents);
  if (!documents.length) view.table.remove();
  else if (!view.table.isConnected) fill(view.list, view.table);
}

function table(body) {
  const heads = ["Document", "Status", "Pages", "Size", ""].map((words) => h("th", { scope: "col", class: ["Pages", "Size"].includes(words) && "numeric" }, words || h("span", { class: "unseen" }, "Actions")));
  return h("div", { class: "scroll" }, h("table", { "aria-labelledby": "documents-title" }, h("thead", {}, h("tr", {}, heads)), body));
}

function row(view, it) {
  const about = [it.company, it.period, it.doc_type].filter(Boolean).join(" · ");
  const deletion = h("button", { type: "button", class: "quiet icon-only", "aria-label": `Remove ${it.name}`, onclick: () => drop(view, it) }, icon("cross"));
  return h("tr", {}, h("th", { scope: "row" }, it.name, about && h("div", { class: "hint" }, about)),
    h("td", {}, statusMark(it.status), it.error && h("span", { class: "why" }, it.error.message)),
    h("td", { class: "numeric" }, it.pages ?? ""), h("td", { class: "numeric" }, bytes(it.bytes)), h("td", {}, deletion));
}

async function drop(view, it) {
  try {
    await remove(`${view.path}/${it.id}`);
    await view.refresh();
  } catch (error) {
    showProblem(view.problem, error);
  }
}
