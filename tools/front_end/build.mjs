// Bundle the modules of entry.js to unlabelled/page/front/d3.js, with their licences, and write its checksum:
//   npm ci && npm run build
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const target = "../../unlabelled/page/front/d3.js";
const { outputFiles, metafile } = await build({
  entryPoints: ["entry.js"], bundle: true, minify: true, format: "iife", globalName: "d3", target: "es2022", charset: "ascii",
  legalComments: "none", metafile: true, write: false,
});

const bundled = Object.values(metafile.outputs)[0].inputs;
const names = [...new Set(Object.keys(bundled).flatMap((path) => path.match(/^node_modules\/([^/]+)\//)?.[1] ?? []))].sort();
const packages = names.map((name) => {
  const { version, license } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  const [copyright, ...terms] = readFileSync(`node_modules/${name}/LICENSE`, "utf8").trim().split("\n");
  return { name, version, license, copyright, terms: terms.join("\n").trim() };
});

// Each text of a licence once, below the packages that have it.
const notices = [...new Set(packages.map(({ terms }) => terms))].map((terms) => {
  const lines = packages.filter((each) => each.terms === terms).map((each) => `${each.name} ${each.version} (${each.license}). ${each.copyright}`);
  return `${lines.join("\n")}\n\n${terms}`;
});
const text = `/* Made by tools/front_end; do not edit.\n\n${notices.join("\n\n")}\n*/\n${outputFiles[0].text}`;
if (/[^\x00-\x7f]/.test(text)) throw new Error("the bundle must be in ASCII: a page is");
writeFileSync(target, text);
writeFileSync("d3.sha256", `${createHash("sha256").update(text).digest("hex")}  ${target}\n`);
console.log(`${packages.map(({ name, version }) => `${name} ${version}`).join(", ")}: ${text.length} bytes`);
