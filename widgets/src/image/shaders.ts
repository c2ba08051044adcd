/** The programs that draw layers. Their mathematics is that of ndlab/render/blend.py, which tests hold them to. */

/** A rectangle of device pixels, from the top left, as four corners; `texel` runs over the tile. */
export const RECT_VERTEX = `
uniform vec4 u_rect;
uniform vec2 u_canvas;
uniform vec4 u_texels;
out vec2 texel;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  // A middle of a pixel that lies between two voxels shows the second: a hair decides what rounding would.
  texel = mix(u_texels.xy, u_texels.zw, corner) + 0.001;
  vec2 at = (u_rect.xy + corner * u_rect.zw) / u_canvas;
  gl_Position = vec4(2.0 * at.x - 1.0, 1.0 - 2.0 * at.y, 0.0, 1.0);
}`;

const NORMAL = 0;
const ADDITIVE = 1;
const SUBTRACTIVE = 2;
const MULTIPLY = 3;
export const BLENDS = { normal: NORMAL, additive: ADDITIVE, subtractive: SUBTRACTIVE, multiply: MULTIPLY } as const;

/** u_blend says what the blending of the framebuffer is prepared for. */
const BLEND = `
uniform int u_blend;
vec4 blended(vec3 rgb, float a) {
  if (u_blend == ${MULTIPLY}) return vec4(1.0 - a + rgb * a, 1.0);
  return vec4(rgb * a, u_blend == ${NORMAL} ? a : 0.0);
}`;

/** Values of an image; `sampler` is usampler2D or sampler2D. */
export function imageFragment(sampler: "usampler2D" | "sampler2D"): string {
  return `
uniform highp ${sampler} u_values;
uniform vec2 u_size;
uniform vec2 u_affine;
uniform vec2 u_window;
uniform float u_gamma;
uniform bool u_invert;
uniform vec3 u_tint;
uniform float u_opacity;
in vec2 texel;
out vec4 color;
${BLEND}
float value(vec2 at) {
  ivec2 i = ivec2(clamp(floor(at), vec2(0.0), u_size - 1.0));
  return float(texelFetch(u_values, i, 0).r) * u_affine.y + u_affine.x;
}
void main() {
  float v = value(texel);
  if (isnan(v)) discard;
  float range = u_window.y - u_window.x;
  float shown = range > 0.0 ? clamp((clamp(v, u_window.x, u_window.y) - u_window.x) / range, 0.0, 1.0) : (v > u_window.x ? 1.0 : 0.0);
  if (u_gamma != 1.0) shown = pow(shown, u_gamma);
  if (u_invert) shown = 1.0 - shown;
  color = blended(shown * u_tint, u_opacity);
}`;
}

/** What the alpha of a colour says of its id. */
export const LUT = { hidden: 0, shown: 255, selected: 254 } as const;
export const LUT_WIDTH = 256;
export const STYLES = { fill: 0, outline: 1, both: 2 } as const;

export const LABELS_FRAGMENT = `
uniform highp usampler2D u_values;
uniform sampler2D u_lut;
uniform vec2 u_size;
uniform float u_opacity;
uniform int u_style;
uniform highp usampler2D u_rim;
uniform vec4 u_texels;
in vec2 texel;
out vec4 color;
uint index(ivec2 at) {
  return texelFetch(u_values, clamp(at, ivec2(0), ivec2(u_size) - 1), 0).r;
}
bool rim(int along, int side) { return texelFetch(u_rim, ivec2(along, side), 0).r != 0u; }
void main() {
  ivec2 at = ivec2(clamp(floor(texel), vec2(0.0), u_size - 1.0));
  uint i = index(at);
  vec4 entry = texelFetch(u_lut, ivec2(int(i & 255u), int(i >> 8u)), 0);
  if (entry.a == 0.0) discard;
  bool selected = entry.a < 1.0;
  bool edge = false;
  if (selected || u_style != ${STYLES.fill}) {
    edge = index(at + ivec2(1, 0)) != i || index(at - ivec2(1, 0)) != i || index(at + ivec2(0, 1)) != i || index(at - ivec2(0, 1)) != i;
    // The tile beside this one has indices of its own; where its ids differ was looked up before.
    ivec2 last = ivec2(u_texels.zw) - 1;
    ivec2 pixel = clamp(ivec2(floor(texel)), ivec2(0), last);
    if (pixel.x == 0) edge = edge || rim(pixel.y, 0);
    if (pixel.x == last.x) edge = edge || rim(pixel.y, 1);
    if (pixel.y == 0) edge = edge || rim(pixel.x, 2);
    if (pixel.y == last.y) edge = edge || rim(pixel.x, 3);
  }
  float a = u_opacity;
  if (u_style == ${STYLES.outline}) a = edge ? a : 0.0;
  if (u_style == ${STYLES.both}) a = edge ? 1.0 - (1.0 - a) * (1.0 - 0.5 * a) : 0.5 * a;
  vec3 rgb = entry.rgb;
  // What is selected has a white rim, whatever the style.
  if (selected && edge) { rgb = vec3(1.0); a = 1.0; }
  if (a == 0.0) discard;
  color = vec4(rgb * a, a);
}`;

/** Stripes where there is nothing to show: colours that no grey image has. Of twelve pixels u_part are light. */
export const HATCH_FRAGMENT = `
uniform vec3 u_dark;
uniform vec3 u_light;
uniform float u_part;
uniform float u_opacity;
out vec4 color;
void main() {
  bool stripe = mod(gl_FragCoord.x + gl_FragCoord.y, 12.0) < u_part;
  color = vec4((stripe ? u_light : u_dark) * u_opacity, u_opacity);
}`;

/** Copies a picture of more than 8 bits. */
export const COPY_FRAGMENT = `
uniform sampler2D u_picture;
out vec4 color;
void main() {
  color = vec4(texelFetch(u_picture, ivec2(gl_FragCoord.xy), 0).rgb, 1.0);
}`;

const PLACE = `
uniform vec2 u_canvas;
uniform vec2 u_at;
uniform vec2 u_base;
uniform float u_scale;
uniform int u_col;
uniform int u_row;
uniform int u_depth;
vec2 pixel(vec3 nm) { return u_at + (vec2(nm[u_col], nm[u_row]) - u_base) / u_scale; }
vec4 clip(vec2 pixel) { return vec4(2.0 * pixel.x / u_canvas.x - 1.0, 1.0 - 2.0 * pixel.y / u_canvas.y, 0.0, 1.0); }`;

/** Points that lie near the plane; they fade with the distance from it. */
export const POINTS_VERTEX = `
${PLACE}
layout(location = 0) in vec3 a_nm;
layout(location = 1) in float a_selected;
uniform float u_plane;
uniform float u_reach;
uniform float u_diameter;
out float near;
out float chosen;
void main() {
  float off = abs(a_nm[u_depth] - u_plane);
  near = 1.0 - off / u_reach;
  chosen = a_selected;
  gl_Position = near > 0.0 ? clip(pixel(a_nm)) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = u_diameter * (0.5 + 0.5 * max(near, 0.0)) * (1.0 + 0.3 * chosen);
}`;

export const POINTS_FRAGMENT = `
uniform vec3 u_tint;
uniform float u_opacity;
uniform float u_others;
in float near;
in float chosen;
out vec4 color;
void main() {
  float r = length(2.0 * gl_PointCoord - 1.0);
  if (r > 1.0) discard;
  float a = u_opacity * (0.25 + 0.75 * near) * (chosen > 0.5 ? 1.0 : u_others);
  vec3 rgb = r > 0.7 ? (chosen > 0.5 ? vec3(1.0) : 0.25 * u_tint) : u_tint;
  color = vec4(rgb * a, a);
}`;

/** Boxes that the plane cuts, as their four sides. */
export const BOXES_VERTEX = `
${PLACE}
layout(location = 0) in vec3 a_low;
layout(location = 1) in vec3 a_high;
layout(location = 2) in float a_selected;
uniform float u_plane;
out vec2 from_low;
out vec2 from_high;
out float chosen;
void main() {
  bool cut = u_plane >= a_low[u_depth] && u_plane < a_high[u_depth];
  vec2 low = pixel(a_low);
  vec2 high = pixel(a_high);
  vec2 at = mix(low - 1.0, high + 1.0, vec2(gl_VertexID & 1, gl_VertexID >> 1));
  from_low = at - low;
  from_high = high - at;
  chosen = a_selected;
  gl_Position = cut ? clip(at) : vec4(2.0, 2.0, 2.0, 1.0);
}`;

export const BOXES_FRAGMENT = `
uniform vec3 u_tint;
uniform float u_opacity;
in vec2 from_low;
in vec2 from_high;
in float chosen;
out vec4 color;
void main() {
  vec2 inside = min(from_low, from_high);
  if (min(inside.x, inside.y) > 1.5) discard;
  vec3 rgb = chosen > 0.5 ? vec3(1.0) : u_tint;
  color = vec4(rgb * u_opacity, u_opacity);
}`;
