// Numbers, times and sizes as people read them.

const whole = new Intl.NumberFormat("en-US");

export const count = (value) => whole.format(value ?? 0);
export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

export function duration(ms) {
  if (ms < 1) return "<1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

export function bytes(size) {
  if (size < 1024) return `${size} B`;
  if (size < 1024 ** 2) return `${(size / 1024).toFixed(0)} kB`;
  return `${(size / 1024 ** 2).toFixed(1)} MB`;
}

// Cut, not rounded: nothing is 100% sure, not even a share whose four digits came out as 1.
export const percent = (share) => (share === null || share === undefined ? null : `${Math.min(99, Math.floor(Math.round(10_000 * share) / 100))}%`);

export const rate = (value) => (value ? `${value < 10 ? value.toFixed(1) : count(Math.round(value))} tokens/s` : null);

// Batches tell Unix seconds, everything else RFC 3339.
export function moment(value) {
  if (!value) return "";
  const date = new Date(typeof value === "number" ? value * 1000 : value);
  return date.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
