// The questions put to a collection, and the earlier runs of questions.
import { h, showProblem } from "./dom.js";
import { count, moment, plural } from "./format.js";
import { getJson, postJson } from "./http.js";
import { keyed } from "./keyed.js";
import { poll } from "./poll.js";
import { collectionPath } from "./paths.js";
import { statusMark } from "./status.js";

const EVERY_MS = 5000;
// What was typed stays while other parts are looked at.
const forms = new Map();

export function questionsPart(collection) {
  const path = `${collectionPath(collection.id)}/queries`;
  if (!forms.has(path)) forms.set(path, questionForm(collection, path));
  const runs = runList(collection, path);
  const element = h("section", { "aria-labelledby": "questions-title" }, h("div", { class: "head" }, h("h3", { id: "questions-title" }, "What to ask")), forms.get(path), runs.element);
  return { element, stop: runs.stop };
}

function questionForm(collection, path) {
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const box = h("textarea", { id: "questions", rows: "7", placeholder: "What was total revenue?\nBy how much did net income change?" });
  const template = h("input", { type: "checkbox", id: "template" });
  const scope = ["documents", "collection"].map((value, index) => h("input", { type: "radio", name: "scope", value, checked: index === 0 }));
  const button = h("button", { class: "primary", type: "submit" }, "Ask all");
  return h("form", { onsubmit: start },
    h("label", { for: "questions" }, "Questions ", h("span", { class: "optional" }, "one a line")), box,
    h("label", { class: "choice" }, template, h("span", {}, "Signals ", h("span", { class: "optional" }, "revenue, growth, margins, guidance, risks, dividends, buy-backs and more"))),
    h("fieldset", {}, h("legend", {}, "Ask"), h("label", {}, scope[0], "each document by itself"), h("label", {}, scope[1], "the collection as a whole")),
    problem, h("div", { class: "actions" }, button));

  async function start(event) {
    event.preventDefault();
    const questions = box.value.split("\n").map((line) => line.trim()).filter(Boolean);
    if (!questions.length && !template.checked) return showProblem(problem, new Error("Write a question, or choose the signals."));
    showProblem(problem, null);
    const body = { questions, template: template.checked ? "signals" : null, scope: scope.find((it) => it.checked).value };
    button.disabled = true;
    try {
      const run = await postJson(path, body);
      location.hash = `#/reports/${collection.id}/${run.id}`;
    } catch (error) {
      showProblem(problem, error);
    } finally {
      button.disabled = false;
    }
    return undefined;
  }
}

function runList(collection, path) {
  const list = h("ul");
  const element = h("div", { class: "block", hidden: true }, h("h4", {}, "Runs"), list);
  const drawRuns = keyed((run) => runLine(collection, run));

  async function refresh() {
    const found = await getJson(path, { silent: true }).catch(() => null);
    if (found === null) return;
    const current = location.hash.split("/")[3];
    drawRuns(list, found.data.map((run) => ({ ...run, isCurrent: run.id === current })));
    element.hidden = !found.data.length;
  }
  const stopPoll = poll(refresh, EVERY_MS);
  addEventListener("hashchange", refresh);
  const stop = () => {
    stopPoll();
    removeEventListener("hashchange", refresh);
  };
  return { element, stop };
}

function runLine(collection, run) {
  const asked = run.template ? `${run.template} template` : plural(run.questions?.length ?? 0, "question");
  const { total = 0, succeeded = 0, failed = 0 } = run.counts ?? {};
  return h("li", { class: "run" }, statusMark(run.status), " ",
    h("a", { href: `#/reports/${collection.id}/${run.id}`, "aria-current": run.isCurrent && "true" }, asked), " ",
    h("span", { class: "hint" }, `${count(succeeded + failed)} of ${count(total)} answers, ${moment(run.created_at)}`));
}
