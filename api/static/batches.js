// Batches: what runs, its counts, its files, and a way to start one.
import { byId, fill, h, hidePassing, showProblem } from "./dom.js";
import { count, moment } from "./format.js";
import { download, getJson, postJson, upload } from "./http.js";
import { keyed } from "./keyed.js";
import { meter, watchOverview } from "./overview.js";
import { poll } from "./poll.js";
import { statusMark } from "./status.js";

const EVERY_MS = 4000;
const ENDED = new Set(["completed", "failed", "expired", "cancelled"]);
const body = h("tbody");
const table = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Batches" },
  h("table", { "aria-labelledby": "batches-list-title" }, h("thead", {}, h("tr", {}, ["Batch", "Status", "Progress", "Started", "Files"].map((words) => h("th", { scope: "col" }, words)))), body));
const drawRows = keyed(row);

export function showBatches() {
  const stopOverview = watchOverview(byId("overview"));
  const stopList = poll(refresh, EVERY_MS);
  byId("batch-new").onsubmit = start;
  return () => {
    stopOverview();
    stopList();
  };
}

async function refresh(again = true) {
  try {
    const { data } = await getJson("/v1/batches?limit=50", { silent: again });
    hidePassing(byId("batches-problem"));
    byId("batch-new").hidden = false;
    draw(data);
  } catch (error) {
    const missing = error.status === 404;
    byId("batch-new").hidden = missing;
    if (missing) fill(byId("batch-list"), h("p", { class: "empty" }, "This service does not offer batches."));
    showProblem(byId("batches-problem"), missing ? null : error, true);
  }
}

async function start(event) {
  event.preventDefault();
  const [file] = byId("batch-file").files;
  const button = byId("batch-new").querySelector("button");
  button.disabled = true;
  showProblem(byId("batches-problem"), null);
  try {
    const form = new FormData();
    form.append("purpose", "batch");
    form.append("file", file);
    const stored = await upload("/v1/files", form, (share) => (button.textContent = `Sending ${Math.round(share * 100)} %`));
    await postJson("/v1/batches", { input_file_id: stored.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
    byId("batch-new").reset();
    await refresh();
  } catch (error) {
    showProblem(byId("batches-problem"), error);
  } finally {
    button.disabled = false;
    button.textContent = "Start batch";
  }
}

function draw(batches) {
  drawRows(body, batches);
  if (!batches.length) fill(byId("batch-list"), h("p", { class: "empty" }, "No batch yet."));
  else if (!table.isConnected) fill(byId("batch-list"), table);
}

function row(batch) {
  const { total = 0, completed = 0, failed = 0 } = batch.request_counts ?? {};
  const words = `${count(completed + failed)} of ${count(total)} done${failed ? `, ${count(failed)} failed` : ""}`;
  const share = (part) => (total ? (100 * part) / total : 0);
  const reasons = batch.errors?.data?.map((error) => error.message).join(" ");
  return h("tr", {},
    h("th", { scope: "row" }, h("code", {}, batch.id)),
    h("td", {}, statusMark(batch.status), reasons && h("span", { class: "why" }, reasons)),
    h("td", {}, meter([[share(completed), ""], [share(failed), "bad"]], words), words),
    h("td", {}, moment(batch.created_at)),
    h("td", {}, h("div", { class: "links" },
      fileButton(batch, batch.output_file_id, `${batch.id}.jsonl`, "Answers"),
      fileButton(batch, batch.error_file_id, `${batch.id}-errors.jsonl`, "Errors"),
      !ENDED.has(batch.status) && batch.status !== "cancelling" && h("button", { type: "button", "aria-label": `Cancel ${batch.id}`, onclick: () => act(() => postJson(`/v1/batches/${batch.id}/cancel`)) }, "Cancel"))));
}

function fileButton(batch, fileId, name, words) {
  return fileId && h("button", { type: "button", "aria-label": `${words} of ${batch.id}`, onclick: () => act(() => download(`/v1/files/${fileId}/content`, name)) }, words);
}

async function act(task) {
  showProblem(byId("batches-problem"), null);
  try {
    await task();
    await refresh();
  } catch (error) {
    showProblem(byId("batches-problem"), error);
  }
}
