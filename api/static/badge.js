// What the check of an answer's numbers said, as a sign and words.
import { h, icon } from "./dom.js";
import { percent } from "./format.js";

const BADGES = {
  verified: ["check", "good", "Verified"],
  "partly verified": ["half", "fair", "Partly verified"],
  unverified: ["warn", "poor", "Unverified"],
  "no numbers": ["dash", "plain", "No numbers"],
  not_found: ["dash", "plain", "Not in the text"],
};

// A refusal has no numbers, but that it is one is what people want to read.
export function answerBadge({ kind, verification }) {
  const checked = kind === "not_found" ? kind : (verification ?? "no numbers");
  const [sign, tone, words] = BADGES[checked] ?? ["dash", "plain", checked.replaceAll("_", " ")];
  return h("span", { class: `badge ${tone}` }, icon(sign), words);
}

export function confidenceBadge({ confidence }) {
  const sure = percent(confidence);
  return sure && h("span", { class: "badge plain", title: "The probability that the model gave to its answer" }, `${sure} sure`);
}
