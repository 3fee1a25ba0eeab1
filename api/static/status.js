// Statuses as a sign and a word, never as a colour alone.
import { h, icon } from "./dom.js";

const SIGNS = {
  ready: ["check", "good"], succeeded: ["check", "good"], completed: ["check", "good"],
  pending: ["clock", ""], queued: ["clock", ""], validating: ["clock", ""], uploading: ["clock", ""],
  parsing: ["run", ""], running: ["run", ""], in_progress: ["run", ""], finalizing: ["run", ""],
  failed: ["warn", "poor"], expired: ["warn", "poor"],
  cancelling: ["cross", "fair"], cancelled: ["cross", "fair"],
};

export function statusMark(status) {
  const [sign, tone] = SIGNS[status] ?? ["dash", ""];
  const words = status.replaceAll("_", " ");
  return h("span", { class: `status ${tone}` }, icon(sign), words[0].toUpperCase() + words.slice(1));
}
