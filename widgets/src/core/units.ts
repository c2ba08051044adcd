/** Lengths for people: a unit that fits, a scale bar of a round length. */

export interface Length {
  readonly nm: number;
  readonly text: string;
}

const UNITS = [
  [1e6, "mm"],
  [1e3, "µm"],
  [1, "nm"],
] as const;

/** nm -> "1.5 µm"; four digits at most. */
export function lengthText(nm: number): string {
  const size = Math.abs(nm);
  const [unit, name] = UNITS.find(([least]) => size >= least) ?? [1, "nm"];
  return `${Number((nm / unit).toPrecision(4))} ${name}`;
}

/** The longest of 1, 2, 5, 10, … nm that takes at most so many pixels. */
export function roundLength(nmPerPixel: number, pixels: number): Length {
  const most = nmPerPixel * pixels;
  const power = 10 ** Math.floor(Math.log10(most));
  const digit = [5, 2, 1].find((n) => n * power <= most) ?? 1;
  const nm = Number((digit * power).toPrecision(12));
  return { nm, text: lengthText(nm) };
}
