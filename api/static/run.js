// One run of questions over a collection: progress, actions, and the table of answers as they come.
import { fill, h, hidePassing, showProblem } from "./dom.js";
import { follow } from "./events.js";
import { count } from "./format.js";
import { download, getJson, postJson } from "./http.js";
import { meter } from "./overview.js";
import { collectionPath } from "./paths.js";
import { retried } from "./retry.js";
import { rowsTable } from "./rows.js";
import { statusMark } from "./status.js";

const ENDED = new Set(["completed", "cancelled", "failed", "expired"]);
const PAGE = 500;
const DRAW_EVERY_MS = 400;

export function runPart(collection, id) {
  const path = `${collectionPath(collection.id)}/queries/${encodeURIComponent(id)}`;
  const closing = new AbortController();
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const progress = h("div");
  const said = h("p", { class: "unseen", role: "status" });
  const actions = h("div", { class: "actions" });
  const table = rowsTable(`${collectionPath(collection.id)}/documents`);
  const element = h("section", { class: "block", "aria-labelledby": "run-title" },
    h("div", { class: "head" }, h("h2", { id: "run-title" }, "Answers"), actions), problem, progress, said, table.element);
  const view = { path, collection, id, problem, progress, said, actions, table, run: null, timer: null, closing };
  live(view).catch((error) => closing.signal.aborted || showProblem(problem, error));
  return { element, stop: () => closing.abort() };
}

async function live(view) {
  await load(view);
  if (ENDED.has(view.run.status)) return;
  await follow(`${view.path}/events`, (type, data) => onEvent(view, type, data), view.closing.signal);
  if (!view.closing.signal.aborted) await load(view);
}

async function load(view) {
  view.run = await answered(view, view.path);
  draw(view);
  for (let after = ""; ; ) {
    const page = await answered(view, `${view.path}/rows?limit=${PAGE}${after}`);
    view.table.put(page.data);
    if (!page.has_more || view.closing.signal.aborted) return;
    after = `&after=${page.last_index}`;
  }
}

// Asks until the service answers: a run that gave up halfway would look like one that goes on.
async function answered(view, path) {
  const { signal } = view.closing;
  const found = await retried((again) => getJson(path, { silent: again, signal }), signal, (error) => showProblem(view.problem, error, true));
  hidePassing(view.problem);
  return found;
}

function onEvent(view, type, data) {
  if (data.counts) view.run = { ...view.run, counts: data.counts, status: data.status ?? view.run.status };
  const row = data.row ?? data;
  if (type === "row" && row.index !== undefined) view.table.put([row]);
  if (ENDED.has(type)) return true;
  view.timer ??= setTimeout(() => {
    view.timer = null;
    draw(view);
  }, DRAW_EVERY_MS);
  return false;
}

function draw(view) {
  const { counts, status } = view.run;
  const done = counts.succeeded + counts.failed + counts.cancelled;
  const words = `${count(done)} of ${count(counts.total)} answers`;
  const share = (part) => (counts.total ? (100 * part) / counts.total : 0);
  const tally = [["verified", counts.verified], ["unverified", counts.unverified], ["not found", counts.not_found], ["failed", counts.failed], ["cancelled", counts.cancelled]];
  fill(view.progress, meter([[share(counts.succeeded), ""], [share(counts.failed), "bad"]], words),
    h("ul", { class: "tally" }, h("li", {}, statusMark(status)), h("li", {}, words),
      tally.filter(([, value]) => value).map(([name, value]) => h("li", {}, h("b", {}, count(value)), ` ${name}`))),
    view.run.error && h("p", { class: "why" }, view.run.error.message));
  const tenth = Math.floor(share(done) / 10);
  // A screen reader hears each tenth, not each row.
  if (view.said.dataset.tenth !== `${tenth} ${status}`) {
    view.said.dataset.tenth = `${tenth} ${status}`;
    view.said.textContent = `${words}, ${status}`;
  }
  if (view.actions.dataset.status !== status) drawActions(view, status, counts);
}

function drawActions(view, status, counts) {
  view.actions.dataset.status = status;
  const button = (words, task) => h("button", { type: "button", onclick: single(() => act(view, task)) }, words);
  fill(view.actions,
    !ENDED.has(status) && status !== "cancelling" && button("Cancel", () => cancel(view)),
    ENDED.has(status) && counts.failed > 0 && button("Retry failed", () => retry(view)),
    button("CSV", () => download(`${view.path}/export?format=csv`, `${view.id}.csv`)),
    button("JSON lines", () => download(`${view.path}/export?format=jsonl`, `${view.id}.jsonl`)));
}

// A press while the one before is served counts for nothing.
function single(task) {
  let busy = false;
  return async () => {
    if (busy) return;
    busy = true;
    await task();
    busy = false;
  };
}

async function cancel(view) {
  await postJson(`${view.path}/cancel`);
  await load(view);
}

// The failed rows are asked again as a run of their own.
async function retry(view) {
  const made = await postJson(`${view.path}/retry`);
  if (!view.closing.signal.aborted) location.hash = `#/reports/${view.collection.id}/${made.id}`;
}

async function act(view, task) {
  showProblem(view.problem, null);
  try {
    await task();
  } catch (error) {
    showProblem(view.problem, error);
  }
}
