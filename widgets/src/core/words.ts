/** Numbers as people read them: thin spaces between thousands, units that fit, no digits nobody needs. */

const THIN = "\u2009";

/** 1234567 -> "1 234 567", with thin spaces; four digits stay together. */
export function count(n: number): string {
  const digits = Math.round(n).toString();
  return digits.length <= 4 ? digits : digits.replace(/\B(?=(\d{3})+$)/g, THIN);
}

/** Seconds -> "4 s", "2 min 5 s", "3 h 20 min", "2 d 4 h"; never more than two units. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return "–";
  if (seconds < 10) return `${seconds < 0.05 ? 0 : seconds.toFixed(1).replace(/\.0$/, "")} s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  const [m, h, d] = [Math.floor(s / 60), Math.floor(s / 3600), Math.floor(s / 86400)];
  if (s < 3600) return two(m, "min", s % 60, "s");
  return s < 86400 ? two(h, "h", m % 60, "min") : two(d, "d", h % 24, "h");
}

function two(a: number, unit: string, b: number, smaller: string): string {
  return b ? `${a} ${unit} ${b} ${smaller}` : `${a} ${unit}`;
}

/** Blocks a second, or the inverse where blocks take long. */
export function rate(perSecond: number): string {
  if (!(perSecond > 0) || !Number.isFinite(perSecond)) return "–";
  if (perSecond >= 100) return `${count(perSecond)} blocks/s`;
  if (perSecond >= 1) return `${perSecond.toFixed(1)} blocks/s`;
  return `${duration(1 / perSecond)} a block`;
}

/** Share of a whole in percent; 100 % only when nothing is missing, 0 % only when nothing is there. */
export function percent(part: number, whole: number): string {
  if (whole <= 0) return "–";
  const exact = (100 * part) / whole;
  if (part > 0 && exact < 1) return "<1 %";
  if (part < whole && exact > 99) return ">99 %";
  return `${Math.round(exact)} %`;
}

/** A length in nm with the unit that fits. */
export function length(nm: number): string {
  const size = Math.abs(nm);
  if (size >= 1e6) return `${short(nm / 1e6)} mm`;
  if (size >= 1e3) return `${short(nm / 1e3)} µm`;
  return `${short(nm)} nm`;
}

function short(value: number): string {
  return Number(value.toPrecision(4)).toString();
}

/** One noun, counted: "1 block", "2 blocks". */
export function counted(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
}
