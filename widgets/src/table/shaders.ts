/** The shaders of points: each is two numbers from 0 to 1, a colour and a role. */

export const VERTEX = `
layout(location = 0) in vec2 place;
layout(location = 1) in vec4 fill;
// 0 not there, 1 there, 2 selected, 3 under the pointer
layout(location = 2) in uint role;
// What lies at the left and bottom edge, and how much is seen.
uniform vec2 low;
uniform vec2 span;
uniform float diameter;
uniform float alpha;
uniform float faded;
uniform int layer;
flat out vec4 shade;
flat out float width;
flat out int rim;
void main() {
  int mine = role >= 2u ? 1 : 0;
  vec2 at = (place - low) / span * 2.0 - 1.0;
  gl_Position = role == 0u || mine != layer || any(isnan(place)) ? vec4(2.0, 2.0, 2.0, 1.0) : vec4(at, 0.0, 1.0);
  width = diameter * (role == 3u ? 1.8 : mine == 1 ? 1.25 : 1.0);
  gl_PointSize = width + 1.0;
  rim = mine;
  shade = vec4(fill.rgb, mine == 1 ? 1.0 : alpha * faded);
}
`;

export const FRAGMENT = `
uniform vec3 ink;
flat in vec4 shade;
flat in float width;
flat in int rim;
out vec4 color;
void main() {
  float inside = width / 2.0 - length(gl_PointCoord - 0.5) * (width + 1.0);
  if (inside < -0.5) discard;
  float edge = rim == 1 && width > 4.0 ? 1.0 - smoothstep(0.5, 1.5, inside) : 0.0;
  color = vec4(mix(shade.rgb, ink, edge), shade.a * clamp(inside + 0.5, 0.0, 1.0));
}
`;
