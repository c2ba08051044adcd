/** Ids of a tile, each once, and for each pixel which: exact for 64 bits, and without a big integer for each pixel. */

import type { Numbers } from "./codecs";

export interface Interned {
  readonly ids: BigUint64Array;
  /** As narrow as can be. */
  readonly index: Uint8Array | Uint16Array | Uint32Array;
}

/** Ids as Python's astype("u8") makes them: negative ones count from 2^64 down. */
export function intern(values: Numbers): Interned {
  const [low, high] = halves(values);
  const index = new Uint32Array(low.length);
  let places = new Int32Array(1 << 10).fill(-1);
  const [lows, highs]: [number[], number[]] = [[], []];
  const find = (a: number, b: number): number => {
    for (let at = hash(a, b) & (places.length - 1); ; at = (at + 1) & (places.length - 1)) {
      const known = places[at] as number;
      if (known < 0 || (lows[known] === a && highs[known] === b)) return at;
    }
  };
  const grow = (): void => {
    places = new Int32Array(4 * places.length).fill(-1);
    lows.forEach((a, i) => (places[find(a, highs[i] as number)] = i));
  };
  let [lastLow, lastHigh, last] = [0, 0, -1];
  for (let i = 0; i < low.length; i++) {
    const [a, b] = [low[i] as number, high === null ? 0 : (high[i] as number)];
    // Neighbours mostly are of one id.
    if (last < 0 || a !== lastLow || b !== lastHigh) {
      const at = find(a, b);
      last = places[at] as number;
      if (last < 0) {
        last = places[at] = lows.length;
        lows.push(a);
        highs.push(b);
        if (2 * lows.length > places.length) grow();
      }
      [lastLow, lastHigh] = [a, b];
    }
    index[i] = last;
  }
  const ids = BigUint64Array.from(lows, (a, i) => (BigInt(highs[i] as number) << 32n) | BigInt(a));
  return { ids, index: lows.length <= 256 ? Uint8Array.from(index) : lows.length <= 65536 ? Uint16Array.from(index) : index };
}

function hash(a: number, b: number): number {
  const mixed = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca77);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** The low and the high 32 bits of each id. */
function halves(values: Numbers): [Uint32Array, Uint32Array | null] {
  if (values.BYTES_PER_ELEMENT !== 8) {
    const low = Uint32Array.from(values as Int32Array, (value) => value >>> 0);
    const signed = values instanceof Int8Array || values instanceof Int16Array || values instanceof Int32Array;
    return [low, signed ? Uint32Array.from(values, (value) => (value < 0 ? 0xffffffff : 0)) : null];
  }
  const pairs = new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
  const [low, high] = [new Uint32Array(values.length), new Uint32Array(values.length)];
  for (let i = 0; i < values.length; i++) [low[i], high[i]] = [pairs[2 * i] as number, pairs[2 * i + 1] as number];
  return [low, high];
}
