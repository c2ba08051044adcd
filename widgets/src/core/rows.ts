/** Labels as what changes from row to row: each row begins as a copy of the one above. ndlab/serve/rows.py says more. */

export type Indices = Uint8Array | Uint16Array | Uint32Array;

/** Fill an image of `width` with the numbers that the changes in `code` give its pixels. It comes with zeros. */
export function unfold(code: Uint8Array, values: Indices, width: number): void {
  const { length } = values;
  let [ready, pixel, at] = [width, 0, 0];
  let many = 0;
  // Seven bits a byte, the lowest first.
  const number = (): number => {
    let byte = code[at++] ?? 0;
    let found = byte & 127;
    for (let weight = 128; byte > 127; weight *= 128) {
      byte = code[at++] ?? 0;
      found += weight * (byte & 127);
    }
    return found;
  };
  while (at < code.length) {
    const first = code[at++] as number;
    const skip = first & 31;
    const kind = first >> 5;
    pixel += skip === 31 ? 31 + number() : skip;
    many = kind < 4 ? 1 + (kind >> 1) : kind === 7 ? 1 : kind === 6 ? 2 + number() : 3 + number();
    if (pixel + many > length) throw new Error(`labels that end after ${pixel + many} pixels where ${length} belong`);
    for (; ready < pixel + many; ready += width) values.copyWithin(ready, ready - width, ready);
    const value = kind > 5 ? number() : (values[kind & 1 ? pixel + many : pixel - 1] ?? 0);
    if (many === 1) values[pixel++] = value;
    else for (const end = pixel + many; pixel < end; pixel++) values[pixel] = value;
  }
  for (; ready < length; ready += width) values.copyWithin(ready, ready - width, ready);
}
