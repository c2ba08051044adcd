/** The shaders of a graph. Positions lie in a texture, so that an edge is no more than two rows. */

/** Nodes in a row of the texture. */
export const WIDTH = 2048;

const PLACE = `
uniform sampler2D places;
uniform vec2 centre;
uniform vec2 perPixel;
vec4 place(uint row) {
  vec2 at = texelFetch(places, ivec2(int(row % ${WIDTH}u), int(row / ${WIDTH}u)), 0).xy;
  // y grows downwards in positions and upwards on the canvas.
  return vec4((at - centre) * perPixel * vec2(1.0, -1.0), 0.0, 1.0);
}
`;

export const LINE_VERTEX = `${PLACE}
layout(location = 0) in uint end;
void main() { gl_Position = place(end); }
`;

export const LINE_FRAGMENT = `
uniform vec4 ink;
out vec4 color;
void main() { color = ink; }
`;

export const POINT_VERTEX = `${PLACE}
layout(location = 0) in vec4 fill;
layout(location = 1) in float diameter;
// 0 not there, 1 there, 2 selected, 3 under the pointer, 4 pointed at from elsewhere
layout(location = 2) in uint role;
uniform float ratio;
uniform int layer;
uniform vec3 paper;
uniform float faded;
flat out vec4 shade;
flat out float width;
flat out int rim;
void main() {
  int pass = role >= 2u ? 1 : 0;
  gl_Position = role == 0u || pass != layer ? vec4(2.0, 2.0, 2.0, 1.0) : place(uint(gl_VertexID));
  rim = role == 4u ? 0 : pass;
  width = (diameter + (rim == 1 ? min(5.0, 1.0 + 0.6 * diameter) : 0.0)) * ratio;
  gl_PointSize = width + 2.0;
  shade = vec4(mix(fill.rgb, paper, pass == 1 ? 0.0 : faded), 1.0);
}
`;

export const POINT_FRAGMENT = `
uniform vec3 accent;
uniform float ratio;
flat in vec4 shade;
flat in float width;
flat in int rim;
out vec4 color;
void main() {
  float off = length(gl_PointCoord - 0.5) * (width + 2.0);
  float inside = width / 2.0 - off;
  if (inside < -1.0) discard;
  float alpha = clamp(inside + 0.5, 0.0, 1.0);
  float edge = rim == 1 ? 1.0 - smoothstep(0.0, 1.0, inside - min(2.0 * ratio, 0.16 * width)) : 0.0;
  color = vec4(mix(shade.rgb, accent, edge), alpha);
}
`;

/** Edges that have a width and a colour each: four corners of a ribbon. */
export const RIBBON_VERTEX = `${PLACE}
layout(location = 0) in uvec2 ends;
layout(location = 1) in vec4 tint;
layout(location = 2) in float wide;
// CSS pixels a unit of the positions.
uniform float reach;
uniform float ratio;
flat out vec4 shade;
void main() {
  vec4 from = place(ends.x), to = place(ends.y);
  // A CSS pixel in clip space.
  vec2 pixel = perPixel / reach;
  vec2 way = (to.xy - from.xy) / pixel;
  float reaches = length(way);
  vec2 side = reaches > 0.0 ? vec2(-way.y, way.x) / reaches : vec2(0.0);
  float off = (gl_VertexID & 2) == 2 ? 0.5 : -0.5;
  // No thinner than the canvas can show; paler in its place.
  float drawn = max(wide, 1.0 / ratio);
  gl_Position = vec4(((gl_VertexID & 1) == 1 ? to.xy : from.xy) + side * off * drawn * pixel, 0.0, 1.0);
  shade = vec4(tint.rgb, min(1.0, wide * ratio));
}
`;

export const RIBBON_FRAGMENT = `
uniform float alpha;
flat in vec4 shade;
out vec4 color;
void main() { color = vec4(shade.rgb, shade.a * alpha); }
`;

/** A picture of how densely edges lie, made by the kernel for a box. */
export const DENSITY_VERTEX = `
uniform vec2 low;
uniform vec2 high;
out vec2 at;
void main() {
  at = vec2(float(gl_VertexID & 1), float((gl_VertexID >> 1) & 1));
  gl_Position = vec4(mix(low, high, at), 0.0, 1.0);
}
`;

export const DENSITY_FRAGMENT = `
uniform highp usampler2D values;
uniform vec4 ink;
in vec2 at;
out vec4 color;
void main() {
  ivec2 size = textureSize(values, 0);
  uint value = texelFetch(values, min(ivec2(at * vec2(size)), size - 1), 0).r;
  color = vec4(ink.rgb, ink.a * float(value) / 255.0);
}
`;
