// Report collections: choose or make one; what belongs to it is drawn by the modules below.
import { byId, fill, h, hidePassing, showProblem } from "./dom.js";
import { documentsPart } from "./documents.js";
import { count } from "./format.js";
import { getJson, postJson, remove } from "./http.js";
import { collectionPath } from "./paths.js";
import { questionsPart } from "./questions.js";
import { runPart } from "./run.js";

const NOTHING = { collection: null, parts: [], run: null };
let shown = NOTHING;
let drawing = 0;

export function showReports([collectionId = null, runId = null]) {
  byId("collection-new").onsubmit = create;
  refreshCollections(false);
  if (collectionId !== shown.collection?.id) showCollection(collectionId, runId);
  else if (collectionId !== null) showRun(runId);
  return () => {
    if (!location.hash.startsWith(`#/reports/${collectionId}`)) stop();
  };
}

function stop() {
  drawing += 1;
  shown.run?.stop();
  for (const part of shown.parts) part.stop();
  shown = NOTHING;
}

async function refreshCollections(silent) {
  try {
    const { data } = await getJson("/v1/collections?limit=100", { silent });
    const current = location.hash.split("/")[2];
    hidePassing(byId("reports-problem"));
    byId("collection-new").hidden = false;
    fill(byId("collections"), data.map((it) => h("a", { href: `#/reports/${it.id}`, "aria-current": it.id === current && "page" }, it.name, " ", h("small", {}, count(it.documents.total)))));
    byId("collections-empty").hidden = data.length > 0;
  } catch (error) {
    const missing = error.status === 404;
    byId("collection-new").hidden = missing;
    byId("collections-empty").hidden = !missing;
    if (missing) byId("collections-empty").textContent = "This service does not offer report collections.";
    else showProblem(byId("reports-problem"), error, true);
  }
}

async function create(event) {
  event.preventDefault();
  const button = byId("collection-new").querySelector("button");
  button.disabled = true;
  showProblem(byId("reports-problem"), null);
  try {
    const made = await postJson("/v1/collections", { name: byId("collection-name").value.trim() });
    byId("collection-new").reset();
    location.hash = `#/reports/${made.id}`;
  } catch (error) {
    showProblem(byId("reports-problem"), error);
  } finally {
    button.disabled = false;
  }
}

async function showCollection(id, runId) {
  stop();
  const mine = drawing;
  byId("collection").hidden = id === null;
  if (id === null) return;
  fill(byId("collection"), h("p", { class: "hint" }, "Loading"));
  showProblem(byId("reports-problem"), null);
  try {
    const collection = await getJson(collectionPath(id));
    if (mine === drawing) draw(collection, runId);
  } catch (error) {
    if (mine !== drawing) return;
    byId("collection").hidden = true;
    showProblem(byId("reports-problem"), error);
  }
}

function draw(collection, runId) {
  const parts = [documentsPart(collection, () => refreshCollections(true)), questionsPart(collection)];
  shown = { collection, parts, run: null };
  const deletion = h("button", { type: "button", class: "quiet", onclick: () => drop(collection) }, "Delete collection");
  fill(byId("collection"), h("div", { class: "head block" }, h("h2", {}, collection.name), deletion),
    h("div", { class: "split" }, parts.map((part) => part.element)), h("div", { id: "run" }));
  showRun(runId);
}

// Documents and questions stay as they are when another run is looked at.
function showRun(runId) {
  if (shown.run?.id === runId) return;
  shown.run?.stop();
  shown.run = runId && { ...runPart(shown.collection, runId), id: runId };
  fill(byId("run"), shown.run?.element);
}

async function drop(collection) {
  if (!confirm(`Delete “${collection.name}” with its documents and answers?`)) return;
  try {
    await remove(collectionPath(collection.id));
    location.hash = "#/reports";
  } catch (error) {
    showProblem(byId("reports-problem"), error);
  }
}
