// The view of all clusters: one row for each, in the order of the tree.

const stripLength = 24;
const expanded = new Set();
let rowCache = new Map();

function drawClusters(view, fresh) {
  if (fresh) rowCache = new Map();
  const kept = new Map();
  for (const each of clusters) {
    const key = `${each.node}|${each.number}|${expanded.has(each.node)}`;
    kept.set(key, rowCache.get(key) || clusterRow(each));
  }
  rowCache = kept;
  const parts = [...kept.values()];
  if (junkRows.length) parts.push(junkRow());
  view.replaceChildren(...parts);
}

function clusterRow(each) {
  const { node, rows } = each;
  const section = element("section", { class: "cluster", "aria-labelledby": `c${node}`, "data-node": node });
  section.style.setProperty("--colour", colourOf(node));
  const name = element("input", {
    class: "cluster-name", type: "text", placeholder: `Cluster ${each.number + 1}`, value: nodeNames.get(node) || "", dir: "auto",
    "aria-label": `Name of cluster ${each.number + 1}`, maxlength: 200,
    onchange: () => act({ type: "name", node, text: name.value.trim() }, `Cluster ${each.number + 1} is named.`),
  });
  const all = element("button", {
    type: "button", "aria-expanded": String(expanded.has(node)),
    text: expanded.has(node) ? "Show fewer" : `Show all ${rows.length}`,
    onclick: () => { if (!expanded.delete(node)) expanded.add(node); redraw(); focusRow(node); },
  });
  const toJunk = element("button", {
    type: "button", text: "Junk", title: "Mark all samples of this cluster as junk",
    onclick: () => act({ type: "junk", rows: rows.slice(), on: true }, `${rows.length} samples are marked as junk.`),
  });
  const heading = element("h2", { id: `c${node}`, class: "hidden", text: titleOf(node) });
  const facts = element("p", { class: "facts" }, ...clusterFacts(each));
  section.append(element("div", { class: "cluster-head" }, heading, name, facts, rows.length > stripLength ? all : "", toJunk));
  if (!rows.length) section.append(element("p", { class: "empty", text: "Empty." }));
  else if (expanded.has(node)) section.append(tileGrid(rows, titleOf(node)));
  else lazyStrip(section, rows, titleOf(node));
  return section;
}

function lazyStrip(section, rows, label) {
  const place = element("div", { class: "strip-place" });
  place.fill = () => { nearWindow.unobserve(place); place.replaceWith(tileStrip(rows, stripLength, label)); };
  section.append(place);
  nearWindow.observe(place);
}

function clusterFacts({ node, rows }) {
  const facts = [`${rows.length} ${rows.length === 1 ? "sample" : "samples"}`];
  if (rows.length) facts.push(`mean confidence ${d3.mean(rows, (row) => data.confidences[row]).toFixed(2)}`);
  const shares = classShares(rows);
  const made = facts.map((text) => element("span", { text }));
  for (const { name, share } of shares.slice(0, 3)) made.push(element("span", { class: "class" }, element("bdi", { text: name }), ` ${percent(share)}`));
  if (shares.length > 3) made.push(element("span", { class: "class", text: `${shares.length - 3} more classes` }));
  const modalities = modalityText(node);
  if (modalities) made.push(element("span", { text: `by ${modalities}`, title: "Share of the samples that each modality alone puts into their cluster of the method" }));
  return made;
}

function junkRow() {
  const section = element("section", { class: "cluster junk-row", "aria-label": "Junk", "data-node": "junk" });
  const back = element("button", {
    type: "button", text: "Restore all",
    onclick: () => act({ type: "junk", rows: junkRows.slice(), on: false }, "No sample is junk."),
  });
  section.append(element("div", { class: "cluster-head" }, element("h2", { text: `Junk: ${junkRows.length}` }), back));
  section.append(tileStrip(junkRows, stripLength, "Junk"));
  return section;
}

function focusRow(node) {
  document.querySelector(`[data-node="${node}"] .cluster-head button`)?.focus();
}
