/** Labels as what changes from row to row: each row begins as a copy of the one above. ndlab/serve/rows.py says more. */

export type Indices = Uint8Array | Uint16Array | Uint32Array;

/**
 * Fill an image of `width` with the numbers that the changes in `code` give its pixels. It comes with zeros.
 *
 * There are tens of thousands of changes in a plane, no two alike: what takes time are branches that nobody foresees,
 * so the frequent ones, of a pixel or two beside what is there, have hardly any.
 */
export function unfold(code: Uint8Array, values: Indices, width: number): void {
  const size = code.length;
  let [ready, pixel, at] = [width, 0, 0];
  while (at < size) {
    const first = code[at++] as number;
    const kind = first >> 5;
    let skip = first & 31;
    // A number has seven bits a byte, the lowest first.
    if (skip === 31) for (let byte = 128, unit = 1; byte > 127; unit *= 128) skip += unit * ((byte = code[at++] ?? 0) & 127);
    pixel += skip;
    if (kind < 4) {
      const many = 1 + (kind >> 1);
      if (pixel + many > ready) ready = copied(values, width, ready, pixel + many);
      const value = values[pixel - 1 + (kind & 1) * (many + 1)] ?? 0;
      values[pixel] = value;
      pixel += many;
      values[pixel - 1] = value;
      continue;
    }
    let many = kind === 7 ? 1 : kind === 6 ? 2 : 3;
    if (kind < 7) for (let byte = 128, unit = 1; byte > 127; unit *= 128) many += unit * ((byte = code[at++] ?? 0) & 127);
    const end = pixel + many;
    if (end > ready) ready = copied(values, width, ready, end);
    let value = 0;
    if (kind < 6) value = values[kind === 5 ? end : pixel - 1] ?? 0;
    else for (let byte = 128, unit = 1; byte > 127; unit *= 128) value += unit * ((byte = code[at++] ?? 0) & 127);
    for (; pixel < end; pixel++) values[pixel] = value;
  }
  copied(values, width, ready, values.length);
}

/** Copy rows from above until `end`; return where the copies end. */
function copied(values: Indices, width: number, ready: number, end: number): number {
  if (end > values.length) throw new Error(`labels of ${end} pixels and more where ${values.length} belong`);
  for (; ready < end; ready += width) values.copyWithin(ready, ready - width, ready);
  return ready;
}
