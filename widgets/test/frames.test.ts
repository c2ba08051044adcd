import { describe, expect, it } from "vitest";
import { FrameParser, type Picture, decode, decodeQuick, isQuick, layerOf, unpack } from "../src/core/frames";
import fixture from "./frames.json";

const bytes = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

function read(picture: Picture): unknown {
  if (picture.kind === "error") return picture.message;
  if (picture.kind === "outside") return "outside";
  const at = (y: number, x: number): unknown => {
    const value = picture.values[picture.values.length === 1 ? 0 : y * picture.width + x] ?? 0;
    return picture.kind === "labels" ? String(picture.ids[value]) : value;
  };
  return Array.from({ length: picture.height }, (_, y) => Array.from({ length: picture.width }, (_, x) => at(y, x)));
}

function wanted(one: (typeof fixture.frames)[number]): unknown {
  if ("text" in one) return one.text;
  if ("outside" in one) return "outside";
  return one.dtype === "f32" ? (one.values as number[][]).map((row) => row.map(Math.fround)) : one.values;
}

const exact = fixture.frames.filter(({ codec }) => codec !== "jpeg");

describe.each(exact)("the frame: $about", (one) => {
  it("says what Python put in", async () => {
    const frame = unpack(bytes(one.hex));
    expect([frame.index, frame.height, frame.width]).toEqual([one.index, ...one.shape]);
    expect(layerOf(frame)).toBe(one.layer);
    expect(read(await decode(frame))).toEqual(wanted(one));
    if (isQuick(frame)) expect(read(decodeQuick(frame))).toEqual(wanted(one));
  });

  it("is the same from the middle of a message, at any alignment", async () => {
    for (const shift of [1, 2, 3, 4, 7]) {
      const whole = new Uint8Array(shift + bytes(one.hex).length + 3);
      whole.set(bytes(one.hex), shift);
      expect(read(await decode(unpack(whole.subarray(shift, whole.length - 3))))).toEqual(wanted(one));
    }
  });
});

describe("a stream", () => {
  const stream = bytes(fixture.stream);
  const whole = new FrameParser().push(stream);

  it("is the frames one after the other", () => {
    expect(whole.map(({ index }) => index)).toEqual(fixture.frames.map(({ index }) => index));
  });

  it("is the same however it is cut", () => {
    for (const size of [1, 2, 3, 15, 16, 17, 100, 1000]) {
      const parser = new FrameParser();
      const found = [];
      for (let at = 0; at < stream.length; at += size) {
        found.push(...parser.push(stream.subarray(at, at + size)));
        expect(parser.clean).toBe(at + size >= stream.length || parser.clean);
      }
      expect(found).toEqual(whole);
      expect(parser.clean).toBe(true);
    }
  });

  it("knows when it ended within a frame", () => {
    const parser = new FrameParser();
    parser.push(stream.subarray(0, 20));
    expect(parser.clean).toBe(false);
    const header = new FrameParser();
    header.push(stream.subarray(0, 3));
    expect(header.clean).toBe(false);
  });
});

it("refuses frames that are not what they say", () => {
  const [first] = fixture.frames;
  const good = bytes(first?.hex ?? "");
  expect(() => unpack(good.subarray(0, 10))).toThrow("10 bytes");
  expect(() => unpack(good.subarray(0, good.length - 1))).toThrow("says that it has");
  const wider = good.slice();
  wider[10] = 9;
  expect(() => decodeQuick(unpack(wider))).toThrow("values where 18 belong");
});
