// An answer's value as a plain number, so that answers in several scales can be compared.

const WORTH = { thousand: 1e3, million: 1e6, billion: 1e9, percent: 1e-2 };

// Null where the value is no number; a value that has no decimal comes as a fraction, `2/3`.
export function amountOf({ value, scale }) {
  if (!value) return null;
  const [over, under = 1] = value.split("/").map(Number);
  const amount = (over / under) * (WORTH[scale] ?? 1);
  return Number.isNaN(amount) ? null : amount;
}
