// The form that asks one question or a follow-up, and the list of answers.
import { byId, showProblem } from "./dom.js";
import { Problem, postJson } from "./http.js";
import { jobCard } from "./jobcard.js";
import { asked, forget, remember } from "./session.js";

let followed = null;
let cards = [];

const submitButton = () => byId("ask-form").querySelector("[type=submit]");

export function setUpAsk() {
  byId("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  byId("ask-form").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.repeat) byId("ask-form").requestSubmit();
  });
  byId("history-clear").addEventListener("click", clear);
  byId("follow-drop").addEventListener("click", () => follow(null));
  // Other text than the one answered from begins anew.
  byId("context").addEventListener("input", () => follow(null));
  for (const entry of asked().reverse()) show(entry);
}

async function ask() {
  // Ctrl+Enter submits past a disabled button.
  if (submitButton().disabled) return;
  const question = byId("question").value.trim();
  const context = byId("context").value.trim() || null;
  if (!question) return showProblem(byId("ask-problem"), new Error("Write a question first."));
  showProblem(byId("ask-problem"), null);
  submitButton().disabled = true;
  try {
    const earlier = followed?.turns ?? [];
    const job = await submit(body(question, context, earlier));
    const entry = { id: job.id, question, context, earlier };
    remember(entry);
    show(entry, job);
    follow(null);
  } catch (error) {
    showProblem(byId("ask-problem"), error);
  } finally {
    submitButton().disabled = false;
  }
}

// Shows what the next question goes on from, null for a question of its own.
function follow(next) {
  followed = next;
  byId("follow").hidden = next === null;
  if (next === null) return;
  byId("follow-question").textContent = next.turns.at(-1).question;
  byId("context").value = next.context;
  byId("question").value = "";
  byId("question").focus();
}

function body(question, context, earlier) {
  const task = earlier.length ? "auto" : byId("task").value;
  const fields = { question, max_tokens: Number(byId("max-tokens").value) || 256 };
  if (context !== null) fields.context = context;
  if (task !== "auto") fields.task = task;
  if (earlier.length) fields.earlier = earlier;
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
  const card = jobCard(entry, job, { announce, follow });
  cards.push(card);
  byId("answers").prepend(card.element);
  byId("answers-empty").hidden = true;
  byId("history-clear").hidden = false;
}

function announce(words) {
  byId("announce").textContent = words;
}

function clear() {
  forget();
  follow(null);
  for (const card of cards) card.stop();
  cards = [];
  byId("answers").replaceChildren();
  byId("answers-empty").hidden = false;
  byId("history-clear").hidden = true;
  byId("question").focus();
}
