// Queues and workers as they are now: a word in the top bar, and tiles.
import { byId, fill, h, icon } from "./dom.js";
import { count, duration, plural, rate } from "./format.js";
import { getJson } from "./http.js";
import { poll } from "./poll.js";

const EVERY_MS = 5000;
const LANES = { interactive: "Interactive questions", bulk: "Bulk work" };
let latest = null;
const watchers = new Set();

export function setUpPulse() {
  poll(async () => {
    try {
      latest = await getJson("/v1/overview", { silent: true });
      pulse(latest);
    } catch (error) {
      latest = null;
      away(error);
    }
    for (const watcher of watchers) watcher(latest);
  }, EVERY_MS);
}

// Draws tiles into `element` at each news; returns a function that stops it.
export function watchOverview(element) {
  const draw = (overview) => drawTiles(element, overview);
  watchers.add(draw);
  draw(latest);
  return () => watchers.delete(draw);
}

function pulse(overview) {
  const working = overview.workers.filter((worker) => !worker.draining).length;
  const waiting = Object.values(overview.lanes).reduce((sum, lane) => sum + lane.waiting, 0);
  const details = [rate(overview.tokens_per_second), waiting ? `${count(waiting)} waiting` : null].filter(Boolean).map((words) => ` · ${words}`);
  byId("pulse").classList.toggle("away", working === 0);
  tell(working ? "check" : "warn", working ? plural(working, "worker") : "No worker", details.join(""));
}

function away(error) {
  byId("pulse").classList.add("away");
  tell("warn", error.status === 401 ? "Key needed" : error.status === 404 ? "No overview" : "Not reachable", "");
}

function tell(sign, words, details) {
  const shown = byId("pulse");
  // Screen readers hear what changed in kind, not every rate.
  if (shown.dataset.words === words) return void (shown.querySelector(".wide").textContent = details);
  shown.dataset.words = words;
  fill(shown, icon(sign), words, h("span", { class: "wide", "aria-hidden": "true" }, details));
}

function drawTiles(element, overview) {
  if (overview === null) return fill(element, h("p", { class: "empty" }, "The overview is not available right now."));
  const lanes = Object.entries(overview.lanes).map(([name, lane]) => laneTile(name, lane));
  const workers = overview.workers.map(workerTile);
  return fill(element, h("h2", { class: "unseen" }, "Queue and workers"), h("div", { class: "cards" }, lanes, endedTile(overview), workers));
}

function laneTile(name, lane) {
  const age = lane.waiting ? `the next has waited ${duration(lane.head_age_ms)}` : "nothing waits";
  return h("div", { class: "tile" }, h("h3", {}, LANES[name] ?? name),
    h("p", {}, h("span", { class: "big" }, count(lane.waiting)), " waiting"), h("p", { class: "hint" }, `${plural(lane.backlog_tokens, "token")}; ${age}`));
}

function endedTile(overview) {
  const { running = 0, succeeded = 0, failed = 0, cancelled = 0 } = overview.counts;
  return h("div", { class: "tile" }, h("h3", {}, "Jobs"),
    h("p", {}, h("span", { class: "big" }, count(running)), " running"),
    h("p", { class: "hint" }, `${count(succeeded)} succeeded, ${count(failed)} failed, ${count(cancelled)} cancelled`));
}

function workerTile(worker) {
  const share = Math.min(100, (100 * worker.running) / worker.max_rows);
  return h("div", { class: "tile" }, h("h3", {}, `Worker ${worker.name}`),
    h("p", {}, h("span", { class: "big" }, rate(worker.tokens_per_second) ?? "no rate yet")),
    meter([[share, ""]], `${worker.running} of ${worker.max_rows} rows running`),
    h("p", { class: "hint" }, `${worker.running} of ${plural(worker.max_rows, "row")}, ${worker.engine}${worker.draining ? ", stopping" : ""}`));
}

// A bar of (percent, class) parts with its meaning in words.
export function meter(parts, words) {
  const bar = h("div", { class: "meter", role: "img", "aria-label": words });
  for (const [percent, kind] of parts) {
    const piece = h("span", { class: kind });
    piece.style.width = `${percent}%`;
    bar.append(piece);
  }
  return bar;
}
