// One question as a card: its place in the queue, its text as it comes, its answer.
import { answerDetails, markedText } from "./answer.js";
import { answerBadge, confidenceBadge } from "./badge.js";
import { fill, h, icon } from "./dom.js";
import { duration } from "./format.js";
import { getJson, postJson } from "./http.js";
import { backoff, isLasting, retried } from "./retry.js";
import { openText } from "./source.js";
import { followInTurn } from "./streams.js";
import { timingsBar } from "./timings.js";

const OWN_TEXT = "The text you gave";
const LOOK_EVERY_MS = 2000;
// As many as the service takes.
const MOST_TURNS = 8;
const ENDS = new Set(["succeeded", "failed", "cancelled", "expired"]);

// `announce` speaks news; `follow` is told what a follow-up would go on from. Returns the card and what ends its requests.
export function jobCard(entry, job, { announce, follow: onFollowUp }) {
  const title = h("h3", { id: `q-${entry.id}` }, entry.question);
  const state = h("p", { class: "state" });
  const text = h("div", { class: "answer" });
  const cancel = h("button", { type: "button", class: "quiet" }, "Cancel");
  const below = h("div");
  const before = entry.earlier?.at(-1);
  const card = h("article", { class: "card", "aria-labelledby": title.id, tabindex: "-1" }, h("div", { class: "head" }, title, cancel), before && h("p", { class: "hint" }, `After “${before.question}”`), state, text, below);
  const closing = new AbortController();
  const path = `/v1/jobs/${entry.id}`;
  watch({ entry, path, card, state, text, cancel, below, announce, onFollowUp, closing, status: null, streaming: false }, job);
  return { element: card, stop: () => closing.abort() };
}

async function watch(view, job) {
  view.cancel.addEventListener("click", () => cancel(view));
  try {
    const seen = job ?? (await firstLook(view));
    if (ENDS.has(seen.status)) return end(view, seen, false);
    running(view, seen);
    await attend(view, seen.links.events);
  } catch (error) {
    if (view.closing.signal.aborted) return;
    view.closing.abort();
    view.cancel.hidden = true;
    view.status = "failed";
    showState(view, "cross", error.status === 404 ? "The service no longer keeps this answer." : error.message);
  }
}

function firstLook(view) {
  const { signal } = view.closing;
  return retried((again) => getJson(view.path, { silent: again, signal }), signal, (error) => showState(view, "warn", error.message));
}

// Until the job's end: its events where a stream is free, and looks for what no stream tells.
async function attend(view, events) {
  const { signal } = view.closing;
  const pause = backoff(LOOK_EVERY_MS);
  while (!signal.aborted) {
    if (!view.streaming) stream(view, events);
    await pause.wait(signal);
    if (await look(view)) pause.reset();
  }
}

async function stream(view, events) {
  view.streaming = true;
  const turn = { isRunning: () => view.status !== "queued", signal: view.closing.signal };
  // What goes wrong here for good, the next look is told too.
  await followInTurn(events, (type, data) => onEvent(view, type, data), turn).catch(() => {});
  view.streaming = false;
}

// A stream tells everything but the place in the queue.
const isTold = (view) => view.closing.signal.aborted || (view.streaming && view.status !== "queued");

// Returns whether the service could be asked, or need not be.
async function look(view) {
  if (document.hidden || isTold(view)) return true;
  const job = await lookedAt(view);
  if (job === null || isTold(view)) return job !== null;
  if (ENDS.has(job.status)) end(view, job, true);
  else if (!view.streaming || job.status === "queued") running(view, job);
  return true;
}

async function lookedAt(view) {
  const { signal } = view.closing;
  try {
    return await getJson(view.path, { silent: true, signal });
  } catch (error) {
    if (signal.aborted || isLasting(error)) throw error;
    return null;
  }
}

function running(view, job) {
  view.status = job.status;
  view.characters = 0;
  if (job.status !== "queued") return showState(view, "run", "Running");
  const { position, jobs_in_lane: waiting, eta_s: eta } = job.queue ?? { position: 1, jobs_in_lane: 1, eta_s: null };
  const soon = eta === null ? "" : `, about ${duration(eta * 1000)} to the answer`;
  return showState(view, "clock", `Waiting, number ${position} of ${waiting}${soon}`);
}

function onEvent(view, type, data) {
  if (view.closing.signal.aborted) return true;
  if (type === "running") {
    view.status = "running";
    reset(view);
    showState(view, "run", "Reading");
  } else if (type === "token") {
    append(view, data);
  } else if (type === "requeued") {
    view.status = "queued";
    reset(view);
    showState(view, "clock", "Its worker went away; waiting for another");
  } else if (type === "cancelling") {
    showState(view, "clock", "Cancelling");
  } else if (ENDS.has(type)) {
    end(view, data.job, true);
    return true;
  }
  return false;
}

function reset(view) {
  view.text.replaceChildren();
  view.characters = 0;
}

function append(view, data) {
  // Events may repeat text that was seen before the connection broke.
  const fresh = Array.from(data.text).slice(Math.max(0, view.characters - data.offset)).join("");
  view.characters = Math.max(view.characters, data.offset + Array.from(data.text).length);
  view.text.append(fresh);
  view.text.classList.add("writing");
  showState(view, "run", "Writing");
}

function showState(view, sign, words) {
  if (view.state.textContent === words) return;
  fill(view.state, icon(sign), words);
}

async function cancel(view) {
  view.cancel.disabled = true;
  try {
    await postJson(`${view.path}/cancel`);
  } catch (error) {
    view.cancel.disabled = false;
    showState(view, "warn", error.message);
  }
}

const ENDED = {
  cancelled: ["cross", "Cancelled"],
  expired: ["cross", "Not answered in time"],
  failed: ["warn", "Failed"],
};

function end(view, job, isNews) {
  view.status = job.status;
  view.text.classList.remove("writing");
  if (view.card.contains(document.activeElement) && document.activeElement === view.cancel) view.card.focus();
  view.cancel.hidden = true;
  if (job.status !== "succeeded") {
    const [sign, words] = ENDED[job.status];
    showState(view, sign, job.error ? `${words}: ${job.error.message}` : words);
  } else {
    succeeded(view, job.result);
  }
  if (isNews) view.announce(job.status === "succeeded" ? `Answer: ${job.result.text}` : view.state.textContent);
  view.closing.abort();
}

function succeeded(view, result) {
  const { answer } = result;
  view.state.replaceChildren();
  if (answer?.verification) fill(view.state, answerBadge(answer), confidenceBadge(answer));
  if (answer?.kind === "unparseable") view.state.append(h("span", { class: "badge plain" }, "As the model wrote it; not computed"));
  if (result.finish_reason === "length") view.state.append(h("span", { class: "badge plain" }, "Cut at the longest length asked for"));
  fill(view.text, ...markedText(result.text, answer?.numbers));
  view.text.classList.toggle("figure", result.text.length < 40);
  const cite = view.entry.context === null ? null : (citation) => openText(OWN_TEXT, view.entry.context, citation.quote);
  fill(view.below, answer && answerDetails(named(answer), cite), timingsBar(result.timings), followUp(view, answer));
}

function followUp({ entry, onFollowUp }, answer) {
  if (answer?.task !== "figures" || answer.kind === "unparseable" || entry.context === null) return null;
  const turns = [...(entry.earlier ?? []), { question: entry.question, line: answer.line }].slice(-MOST_TURNS);
  return h("button", { type: "button", class: "quiet", onclick: () => onFollowUp({ context: entry.context, turns }) }, "Ask a follow-up");
}

// The service calls a job's only source "context"; people know it as what they pasted.
const named = (answer) => ({ ...answer, citations: (answer.citations ?? []).map((citation) => ({ ...citation, document: OWN_TEXT })) });
