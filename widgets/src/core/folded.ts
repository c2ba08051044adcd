/** Labels as they came, unfolded into pixels when somebody looks at them: most that is fetched ahead nobody ever does. */

import { type Indices, unfold } from "./rows";

/** Bytes of pixels that are held for who looks again soon, and then used for those of others. */
const HELD = 24 << 20;

export class Folded {
  readonly kind = "labels";
  readonly #code: Uint8Array;
  readonly #type: typeof Uint8Array | typeof Uint16Array | typeof Uint32Array;

  constructor(
    readonly height: number,
    readonly width: number,
    readonly ids: BigUint64Array,
    readonly absent: boolean,
    code: Uint8Array,
    size: number,
  ) {
    this.#code = code;
    this.#type = size === 1 ? Uint8Array : size === 2 ? Uint16Array : Uint32Array;
  }

  /** Bytes that the pixels take, here or as a texture. */
  get bytes(): number {
    return this.height * this.width * this.#type.BYTES_PER_ELEMENT;
  }

  /** For each pixel which id. Use them at once: when some more were looked at, they are another's. */
  get values(): Indices {
    const found = held.get(this);
    if (found === undefined) return hold(this, (room) => this.unfolded(room));
    held.delete(this);
    held.set(this, found);
    return found;
  }

  private unfolded(room: Indices | undefined): Indices {
    const length = this.height * this.width;
    const fits = room?.length === length && room instanceof this.#type;
    const values = fits ? room.fill(0, 0, this.width) : new this.#type(length);
    unfold(this.#code, values, this.width);
    return values;
  }
}

/** Those that nobody looked at for longest come first. */
const held = new Map<Folded, Indices>();
let bytes = 0;

/** Make pixels, in the room of the last that had to go for it, and hold them. */
function hold(picture: Folded, make: (room: Indices | undefined) => Indices): Indices {
  let room: Indices | undefined;
  for (const [old, values] of held) {
    if (bytes + picture.bytes <= HELD) break;
    held.delete(old);
    bytes -= old.bytes;
    room = values;
  }
  const values = make(room);
  held.set(picture, values);
  bytes += picture.bytes;
  return values;
}
