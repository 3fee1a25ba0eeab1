// The table of answers: filter, sort, and citations that open the page they stand on.
import { amountOf } from "./amount.js";
import { doubts, markedText, operandList } from "./answer.js";
import { answerBadge } from "./badge.js";
import { h, icon } from "./dom.js";
import { evidencePart } from "./evidence.js";
import { count, percent } from "./format.js";
import { arrange } from "./keyed.js";
import { openPage } from "./source.js";
import { statusMark } from "./status.js";
import { timingsBar } from "./timings.js";

const FIRST = 300;
const SURE = 0.8;
const COLUMNS = [
  ["Document", (row) => row.document ?? ""],
  ["Question", (row) => row.question],
  ["Answer", (row) => amountOf(row) ?? row.text ?? ""],
  ["Confidence", (row) => row.confidence ?? -1],
  ["Check", (row) => row.verification ?? row.status],
];
const KEEPS = {
  all: () => true,
  verified: (row) => row.verification === "verified",
  sure: (row) => row.verification === "verified" && row.confidence >= SURE,
  doubtful: (row) => ["unverified", "partly verified"].includes(row.verification),
  not_found: (row) => row.kind === "not_found",
  failed: (row) => row.status === "failed",
  pending: (row) => row.status === "pending",
};
const KEEP_WORDS = { all: "All answers", verified: "Verified", sure: `Verified and ${percent(SURE)} sure`, doubtful: "Unverified or partly", not_found: "Not found", failed: "Failed", pending: "Pending" };

export function rowsTable(documentsPath) {
  const rows = new Map();
  const order = { column: null, down: false };
  let most = FIRST;
  let timer = null;
  const search = h("input", { type: "search", id: "row-search", placeholder: "Document, question or answer", oninput: draw });
  const keep = h("select", { id: "row-keep", onchange: draw }, Object.entries(KEEP_WORDS).map(([value, words]) => h("option", { value }, words)));
  const told = h("span", { class: "hint", role: "status" });
  const heads = COLUMNS.map(([title], index) => h("th", { scope: "col" }, h("button", { type: "button", onclick: () => sort(index) }, title)));
  const body = h("tbody");
  const more = h("button", { type: "button", hidden: true, onclick: () => { most += FIRST; draw(); } }, "Show more");
  const table = h("table", { class: "rows", "aria-labelledby": "run-title" }, h("thead", {}, h("tr", {}, heads)), body);

  function sort(index) {
    order.down = order.column === index && !order.down;
    order.column = index;
    heads.forEach((head, at) => {
      if (at === index) head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    draw();
  }

  function put(fresh) {
    for (const row of fresh) {
      const text = JSON.stringify(row);
      if (rows.get(row.index)?.text !== text) rows.set(row.index, { row, text, element: null });
    }
    timer ??= setTimeout(draw, 100);
  }

  function draw() {
    timer = null;
    const wanted = search.value.trim().toLowerCase();
    const found = [...rows.values()].filter(({ row }) => KEEPS[keep.value](row) && matches(row, wanted));
    found.sort(comparison(order));
    arrange(body, found.slice(0, most).map((entry) => (entry.element ??= rowElement(entry.row, documentsPath))));
    more.hidden = found.length <= most;
    told.textContent = found.length === rows.size ? `${count(rows.size)} rows` : `${count(found.length)} of ${count(rows.size)} rows`;
  }

  const element = h("div", {}, h("div", { class: "tools" }, h("label", { for: "row-search" }, "Find"), search, h("label", { for: "row-keep" }, "Show"), keep, told),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of answers" }, table), more);
  return { element, put };
}

function matches(row, wanted) {
  return !wanted || [row.document, row.question, row.text].some((text) => text?.toLowerCase().includes(wanted));
}

function comparison({ column, down }) {
  const sign = down ? -1 : 1;
  if (column === null) return (a, b) => a.row.index - b.row.index;
  const read = COLUMNS[column][1];
  return (a, b) => {
    const [left, right] = [read(a.row), read(b.row)];
    // Numbers come before words, and each sort among themselves.
    if (typeof left !== typeof right) return typeof left === "number" ? -1 : 1;
    const by = typeof left === "number" ? left - right : left.localeCompare(right, "en", { numeric: true });
    return sign * by || a.row.index - b.row.index;
  };
}

function rowElement(row, documentsPath) {
  return h("tr", {}, h("th", { scope: "row", class: "document" }, row.document ?? "All documents"),
    h("td", { class: "question" }, row.question), h("td", { class: "answer-cell" }, answerCell(row, documentsPath)), h("td", {}, percent(row.confidence) ?? ""), h("td", {}, check(row)));
}

function answerCell(row, documentsPath) {
  if (row.status !== "succeeded") return row.error ? h("span", { class: "why" }, row.error.message) : "";
  const links = (row.citations ?? []).filter((citation) => citation.page).map((citation) => pageButton(row, citation, documentsPath));
  return [h("span", {}, ...markedText(row.text ?? "", row.numbers ?? [])), row.program && h("div", { class: "hint" }, h("code", {}, row.program)), links.length > 0 && h("div", { class: "links" }, links), behind(row, documentsPath)];
}

// How the answer came to be: the numbers of its program, what was read and what was left out, and where its time went.
function behind(row, documentsPath) {
  const parts = [operandList(row), doubts(row), evidencePart(row.evidence, (page) => pageButton(row, page, documentsPath)), row.timings && timingsBar(row.timings)].flat().filter(Boolean);
  return parts.length > 0 && h("details", { class: "read" }, h("summary", {}, "What was read"), h("div", { class: "behind" }, parts));
}

// A page by its number, and by its document's name where that is not the row's; a quote is marked on it.
function pageButton(row, place, documentsPath) {
  const documentId = place.document_id ?? row.document_id;
  const name = place.document === row.document || !place.document ? "" : `${place.document}, `;
  const words = `${name}page ${place.page}`;
  if (!documentId) return h("span", { class: "hint" }, words);
  const open = () => openPage(documentsPath, documentId, place.document ?? row.document, place.page, place.quote);
  return h("button", { type: "button", title: place.quote, onclick: open }, icon("page"), words);
}

function check(row) {
  if (row.status !== "succeeded") return statusMark(row.status);
  return answerBadge(row);
}
