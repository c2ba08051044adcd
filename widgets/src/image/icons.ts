/** Small pictures of what buttons do, drawn in the colour of the text. */

const PATHS = {
  pan: "M8 1.5v13M1.5 8h13M8 1.5 6 3.5M8 1.5l2 2M8 14.5l-2-2M8 14.5l2-2M1.5 8l2-2M1.5 8l2 2M14.5 8l-2-2M14.5 8l-2 2",
  three: "M2 2h7.5v7.5H2zM12 2h2v7.5h-2zM2 12h7.5v2H2z",
  pick: "M3 2l4 11 1.7-4.3L13 7z",
  point: "M8 2v3M8 11v3M2 8h3M11 8h3M8 7.2a.8.8 0 1 0 0 1.6.8.8 0 0 0 0-1.6z",
  line: "M3.5 12.5 7 6l3 3 2.8-5.2M3.5 12.5h.01M12.8 3.8h.01",
  box: "M2.5 4h11v8h-11z",
  brush: "M13.5 2.5 7.5 8.5M7.4 8.4c1 .2 1.6 1 1.5 2-.2 2-2.2 3-5.9 3 1.2-.9 1-1.7 1.3-3 .3-1.4 1.6-2.3 3.1-2z",
  undo: "M3 6.5h6.5a3.5 3.5 0 0 1 0 7H6M3 6.5l3-3M3 6.5l3 3",
  play: "M4.5 2.8v10.4L13 8z",
  pause: "M4.5 3v10M11.5 3v10",
  camera: "M2 5h2.8l1.2-2h4l1.2 2H14v8H2zM8 6.7a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4z",
  help: "M5.8 6a2.2 2.2 0 1 1 3.4 1.9C8.4 8.4 8 8.9 8 9.8M8 12.3h.01",
  layers: "M8 2 2 5.3l6 3.3 6-3.3zM2 8.5l6 3.3 6-3.3M2 11.2l6 3.3 6-3.3",
  eye: "M1.5 8C3 5.2 5.3 3.8 8 3.8S13 5.2 14.5 8C13 10.8 10.7 12.2 8 12.2S3 10.8 1.5 8zM8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
  closed: "M1.5 8C3 10.8 5.3 12.2 8 12.2s5-1.4 6.5-4.2M4 11l-1 1.7M8 12.2V14M12 11l1 1.7",
  grip: "M6 4h.01M10 4h.01M6 8h.01M10 8h.01M6 12h.01M10 12h.01",
  close: "M4 4l8 8M12 4l-8 8",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  views: "M4 2h8v12l-4-3-4 3z",
  auto: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 2v12M8 4.5h3.4M8 7h5M8 9.5h5M8 12h3.4",
  dark: "M13.2 9.8A5.6 5.6 0 0 1 6.2 2.8a5.6 5.6 0 1 0 7 7z",
  light: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1.2v1.4M8 13.4v1.4M1.2 8h1.4M13.4 8h1.4M3.2 3.2l1 1M11.8 11.8l1 1M12.8 3.2l-1 1M4.2 11.8l-1 1",
  cross: "M8 1.5v5M8 9.5v5M1.5 8h5M9.5 8h5",
} as const;

export type Icon = keyof typeof PATHS;

/** An icon of 16 by 16 pixels. */
export function icon(name: Icon): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", `ndi-icon ndi-icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
