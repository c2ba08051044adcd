/** Keeps what was made as long as what it was made of is the same. */
export function memo<K extends readonly unknown[], T>(make: (...keys: K) => T): (...keys: K) => T {
  let last: { readonly keys: K; readonly value: T } | null = null;
  return (...keys) => {
    if (last === null || keys.some((key, i) => key !== last?.keys[i])) last = { keys, value: make(...keys) };
    return last.value;
  };
}
