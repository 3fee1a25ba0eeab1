// The form that asks one question, and the list of answers.
import { byId, showProblem } from "./dom.js";
import { Problem, postJson } from "./http.js";
import { jobCard } from "./jobcard.js";
import { asked, forget, remember } from "./session.js";

const submitButton = () => byId("ask-form").querySelector("[type=submit]");

export function setUpAsk() {
  byId("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  byId("ask-form").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("ask-form").requestSubmit();
  });
  byId("history-clear").addEventListener("click", clear);
  for (const entry of asked().reverse()) show(entry);
}

async function ask() {
  const question = byId("question").value.trim();
  const context = byId("context").value.trim() || null;
  if (!question) return showProblem(byId("ask-problem"), new Error("Write a question first."));
  showProblem(byId("ask-problem"), null);
  submitButton().disabled = true;
  try {
    const job = await submit(body(question, context));
    const entry = { id: job.id, question, context };
    remember(entry);
    show(entry, job);
  } catch (error) {
    showProblem(byId("ask-problem"), error);
  } finally {
    submitButton().disabled = false;
  }
}

function body(question, context) {
  const task = byId("task").value;
  const fields = { question, max_tokens: Number(byId("max-tokens").value) || 256 };
  if (context !== null) fields.context = context;
  if (task !== "auto") fields.task = task;
  return fields;
}

// A submission that broke off is sent again under the same key, which cannot ask twice.
async function submit(fields) {
  const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const headers = { "Idempotency-Key": `"${key}"` };
  try {
    return await postJson("/v1/jobs", fields, headers);
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 0) throw error;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return postJson("/v1/jobs", fields, headers);
  }
}

function show(entry, job = null) {
  byId("answers").prepend(jobCard(entry, job, announce));
  byId("answers-empty").hidden = true;
  byId("history-clear").hidden = false;
}

function announce(words) {
  byId("announce").textContent = words;
}

function clear() {
  forget();
  byId("answers").replaceChildren();
  byId("answers-empty").hidden = false;
  byId("history-clear").hidden = true;
  byId("question").focus();
}
