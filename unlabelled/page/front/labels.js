// The labels for other programs: one line for each sample.

function labelRows() {
  return data.names.map((path, row) => ({
    path,
    start: data.starts[row],
    end: data.ends[row],
    label: junk[row] ? "" : labelOfLeaf(leafOf[row]),
    cluster: clusterOfLeaf[leafOf[row]] + 1, // as the page shows it
    junk: Boolean(junk[row]),
    moved: Boolean(moved[row]),
  }));
}

function cell(value) {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function exportCsv() {
  const columns = ["path", "start", "end", "label", "cluster", "junk", "moved"];
  const lines = labelRows().map((line) => columns.map((name) => cell(line[name])).join(","));
  save("labels.csv", "text/csv", [columns.join(","), ...lines, ""].join("\n"));
}

function exportJson() {
  const names = [...nodeNames].map(([node, name]) => ({ node, name }));
  const content = { root: data.root, clusters: cut, names, merges: data.merges, samples: labelRows() };
  save("labels.json", "application/json", `${JSON.stringify(content, null, 1)}\n`);
}

function save(name, type, text) {
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  report(`${name} is saved where your browser puts files.`);
}
