/** The little of WebGL2 that the pictures need: programs, and textures of numbers. */

export type Numbers = Uint8Array | Uint16Array | Uint32Array | Float32Array;

export interface Texture {
  readonly handle: WebGLTexture;
  readonly width: number;
  readonly height: number;
  readonly format: Format;
}

interface Format {
  readonly name: string;
  readonly internal: number;
  readonly layout: number;
  readonly type: number;
}

/** A linked program, and its uniforms by name. */
export class Program {
  private readonly places = new Map<string, WebGLUniformLocation | null>();

  constructor(
    readonly gl: WebGL2RenderingContext,
    readonly handle: WebGLProgram,
  ) {}

  float(name: string, ...values: readonly number[]): void {
    const at = this.place(name);
    const [a = 0, b = 0, c = 0, d = 0] = values;
    if (values.length === 1) this.gl.uniform1f(at, a);
    else if (values.length === 2) this.gl.uniform2f(at, a, b);
    else if (values.length === 3) this.gl.uniform3f(at, a, b, c);
    else this.gl.uniform4f(at, a, b, c, d);
  }

  int(name: string, value: number): void {
    this.gl.uniform1i(this.place(name), value);
  }

  private place(name: string): WebGLUniformLocation | null {
    let found = this.places.get(name);
    if (found === undefined) {
      found = this.gl.getUniformLocation(this.handle, name);
      this.places.set(name, found);
    }
    return found;
  }
}

/** Textures of one format and size that wait for new pixels; making one costs more than filling one. */
const SPARE = 8;
/** The unit that uploads go through; no shader reads it. */
const UPLOADS = 7;

export class Gl {
  private readonly programs = new Map<string, Program>();
  private readonly spare = new Map<string, WebGLTexture[]>();
  private current: Program | null = null;
  uploads = 0;

  constructor(readonly gl: WebGL2RenderingContext) {
    // Rows of tiles have any length.
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  }

  /** Make a context that draws on black; null where the browser has no WebGL2. Pixels that show voxels are not smoothed. */
  static of(canvas: HTMLCanvasElement, antialias = false): Gl | null {
    const gl = canvas.getContext("webgl2", { alpha: false, antialias, depth: false, stencil: false, powerPreference: "high-performance" });
    return gl === null ? null : new Gl(gl);
  }

  /** Use a program; it is compiled the first time. */
  use(name: string, vertex: string, fragment: string): Program {
    let found = this.programs.get(name);
    if (found === undefined) {
      found = new Program(this.gl, this.link(name, vertex, fragment));
      this.programs.set(name, found);
    }
    if (this.current !== found) this.gl.useProgram(found.handle);
    this.current = found;
    return found;
  }

  /** A texture of one number a pixel, to be read by texelFetch. */
  upload(values: Numbers, width: number, height: number): Texture {
    return this.put(formatOf(this.gl, values), values, width, height);
  }

  /** A texture of four bytes a pixel. */
  uploadColors(values: Uint8Array, width: number, height: number): Texture {
    const { gl } = this;
    return this.put({ name: "rgba", internal: gl.RGBA8, layout: gl.RGBA, type: gl.UNSIGNED_BYTE }, values, width, height);
  }

  /** A texture of two floats a pixel. */
  uploadPlaces(values: Float32Array, width: number, height: number): Texture {
    const { gl } = this;
    return this.put({ name: "places", internal: gl.RG32F, layout: gl.RG, type: gl.FLOAT }, values, width, height);
  }

  /** Give a texture back. */
  release(texture: Texture): void {
    const name = sizeName(texture.format, texture.width, texture.height);
    const spare = this.spare.get(name) ?? [];
    this.spare.set(name, spare);
    if (spare.length < SPARE) spare.push(texture.handle);
    else this.gl.deleteTexture(texture.handle);
  }

  /** Let the shader read a texture as number `unit`. */
  bind(unit: number, texture: Texture): void {
    this.gl.activeTexture(this.gl.TEXTURE0 + unit);
    this.gl.bindTexture(this.gl.TEXTURE_2D, texture.handle);
  }

  private put(format: Format, values: Numbers, width: number, height: number): Texture {
    const { gl } = this;
    const waiting = this.spare.get(sizeName(format, width, height))?.pop();
    const handle = waiting ?? gl.createTexture();
    // Beside those that a shader may be about to read.
    gl.activeTexture(gl.TEXTURE0 + UPLOADS);
    gl.bindTexture(gl.TEXTURE_2D, handle);
    if (waiting === undefined) {
      gl.texStorage2D(gl.TEXTURE_2D, 1, format.internal, width, height);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    }
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, height, format.layout, format.type, values);
    this.uploads++;
    return { handle, width, height, format };
  }

  private link(name: string, vertex: string, fragment: string): WebGLProgram {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, vertex],
      [gl.FRAGMENT_SHADER, fragment],
    ] as const) {
      const shader = gl.createShader(kind);
      if (shader === null) break;
      gl.shaderSource(shader, `#version 300 es\nprecision highp float;\nprecision highp int;\n${source}`);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
        throw new Error(`${name}: ${gl.getShaderInfoLog(shader) ?? ""}`);
      }
      gl.deleteShader(shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`${name}: ${gl.getProgramInfoLog(program) ?? ""}`);
    }
    return program;
  }
}

function sizeName(format: Format, width: number, height: number): string {
  return `${format.name} ${width} ${height}`;
}

function formatOf(gl: WebGL2RenderingContext, values: Numbers): Format {
  if (values instanceof Float32Array) return { name: "f32", internal: gl.R32F, layout: gl.RED, type: gl.FLOAT };
  const layout = gl.RED_INTEGER;
  if (values instanceof Uint8Array) return { name: "u8", internal: gl.R8UI, layout, type: gl.UNSIGNED_BYTE };
  if (values instanceof Uint16Array) return { name: "u16", internal: gl.R16UI, layout, type: gl.UNSIGNED_SHORT };
  return { name: "u32", internal: gl.R32UI, layout, type: gl.UNSIGNED_INT };
}
