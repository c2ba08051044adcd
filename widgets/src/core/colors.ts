/** Colours of labels: the same for the same 64-bit id, here and in ndlab/render/colors.py. */

export type Rgb = readonly [number, number, number];

/** The colour of an id; 0 has none. */
export function labelColor(id: bigint): Rgb {
  return halvesColor(Number(id & 0xffffffffn), Number((id >> 32n) & 0xffffffffn));
}

/** The same of an id in two halves of 32 bits. */
export function halvesColor(low: number, high: number): Rgb {
  const h = scramble(low, high);
  return fromHsl(h / 2 ** 32, 0.65 + (0.25 * (h & 0xff)) / 255, 0.45 + (0.2 * ((h >>> 8) & 0xff)) / 255);
}

/** murmur3's last step over both halves of an id. */
function scramble(low: number, high: number): number {
  let h = low ^ Math.imul(high, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Hue, saturation and lightness from 0 to 1 -> red, green, blue from 0 to 255. */
export function fromHsl(hue: number, saturation: number, light: number): Rgb {
  const chroma = (1 - Math.abs(2 * light - 1)) * saturation;
  const sector = hue * 6;
  const second = chroma * (1 - Math.abs((sector % 2) - 1));
  const low = light - chroma / 2;
  const [r, g, b] = (
    [
      [chroma, second, 0],
      [second, chroma, 0],
      [0, chroma, second],
      [0, second, chroma],
      [second, 0, chroma],
      [chroma, 0, second],
    ] as const
  )[Math.min(5, Math.floor(sector))] ?? [0, 0, 0];
  return [Math.round(255 * (r + low)), Math.round(255 * (g + low)), Math.round(255 * (b + low))];
}

/** RRGGBB, with or without #, -> red, green, blue from 0 to 1; white for what is no colour. */
export function fromHex(hex: string): Rgb {
  const found = /^#?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(hex);
  if (found === null) return [1, 1, 1];
  const [r, g, b] = found.slice(1).map((pair) => parseInt(pair, 16) / 255);
  return [r ?? 1, g ?? 1, b ?? 1];
}
