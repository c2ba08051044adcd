// Build each widget of src/ into one ES module that needs nothing from the network.
//
//   node build.mjs [--out FOLDER]     (default ../ndlab/explore/static)
//
// The first line of each bundle records a digest of everything it was built from, so that a test without Node.js can
// tell a bundle that is older than its sources.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build, transform } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: { out: { type: "string", default: join(here, "..", "ndlab", "explore", "static") } },
});

/** Every file under a folder, its own folders included. */
function files(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

/** SHA-256 over names and contents of what a bundle is made from. */
function digest() {
  const sources = [...files(join(here, "src")), join(here, "build.mjs"), join(here, "package-lock.json")];
  const named = sources.map((path) => [relative(here, path).split(sep).join("/"), path]);
  named.sort(([a], [b]) => (a < b ? -1 : 1));
  const hash = createHash("sha256");
  for (const [name, path] of named) hash.update(`${name}\0`).update(readFileSync(path)).update("\0");
  return hash.digest("hex");
}

// A file directly in src/ is a widget; what widgets are made of stands in folders.
const widgets = readdirSync(join(here, "src")).filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"));

/** Style sheets and shaders are text in a bundle: without what only people read. */
const texts = {
  name: "texts",
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, "utf8"), { loader: "css", minify: true });
      return { contents: code, loader: "text" };
    });
    build.onLoad({ filter: /shaders\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      return { contents: text.replace(/^ *\/\/.*\n/gm, "").replace(/^ +/gm, ""), loader: "ts" };
    });
  },
};

await build({
  absWorkingDir: here,
  entryPoints: widgets.map((name) => join(here, "src", name)),
  outdir: values.out,
  bundle: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "eof",
  plugins: [texts],
  banner: { js: `/* ndlab widgets; sources sha256:${digest()} */` },
  logLevel: "info",
});
