// The questions put to a collection, and the earlier runs of questions.
import { fill, h, showProblem } from "./dom.js";
import { count, moment, plural } from "./format.js";
import { getJson, postJson } from "./http.js";
import { poll } from "./poll.js";
import { collectionPath } from "./paths.js";
import { statusMark } from "./status.js";

const EVERY_MS = 5000;

export function questionsPart(collection) {
  const path = `${collectionPath(collection.id)}/queries`;
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const box = h("textarea", { id: "questions", rows: "7", placeholder: "What was total revenue?\nBy how much did net income change?" });
  const template = h("input", { type: "checkbox", id: "template" });
  const scope = ["documents", "collection"].map((value, index) => h("input", { type: "radio", name: "scope", value, checked: index === 0 }));
  const runs = h("div", { class: "block" });
  const form = h("form", { onsubmit: start },
    h("label", { for: "questions" }, "Questions ", h("span", { class: "optional" }, "one a line")), box,
    h("label", { class: "choice" }, template, h("span", {}, "Signals ", h("span", { class: "optional" }, "revenue, growth, margins, guidance, risks, dividends, buy-backs and more"))),
    h("fieldset", {}, h("legend", {}, "Ask"), h("label", {}, scope[0], "each document by itself"), h("label", {}, scope[1], "the collection as a whole")),
    problem, h("div", { class: "actions" }, h("button", { class: "primary", type: "submit" }, "Ask all")));

  async function start(event) {
    event.preventDefault();
    const questions = box.value.split("\n").map((line) => line.trim()).filter(Boolean);
    if (!questions.length && !template.checked) return showProblem(problem, new Error("Write a question, or choose the signals."));
    showProblem(problem, null);
    const body = { questions, template: template.checked ? "signals" : null, scope: scope.find((it) => it.checked).value };
    try {
      const run = await postJson(path, body);
      location.hash = `#/reports/${collection.id}/${run.id}`;
    } catch (error) {
      showProblem(problem, error.status === 404 ? new Error("This service does not answer questions over collections.") : error);
    }
    return undefined;
  }

  async function refresh() {
    const found = await getJson(path, { silent: true }).catch(() => null);
    if (found === null || runs.contains(document.activeElement)) return;
    fill(runs, found.data.length > 0 && [h("h4", {}, "Runs"), h("ul", {}, found.data.map((run) => runLine(collection, run, location.hash.split("/")[3])))]);
  }
  const element = h("section", { "aria-labelledby": "questions-title" }, h("div", { class: "head" }, h("h3", { id: "questions-title" }, "What to ask")), form, runs);
  return { element, stop: poll(refresh, EVERY_MS) };
}

function runLine(collection, run, current) {
  const asked = run.template ? `${run.template} template` : plural(run.questions?.length ?? 0, "question");
  const { total = 0, succeeded = 0, failed = 0 } = run.counts ?? {};
  return h("li", { class: "run" }, statusMark(run.status), " ",
    h("a", { href: `#/reports/${collection.id}/${run.id}`, "aria-current": run.id === current && "true" }, asked), " ",
    h("span", { class: "hint" }, `${count(succeeded + failed)} of ${count(total)} answers, ${moment(run.created_at)}`));
}
