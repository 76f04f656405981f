// The view of another run: for each cluster of the cut that is shown, where its samples are in that run.

const smallPart = 0.05;

function otherTitle(number) {
  return `cluster ${number + 1} of ${data.compare.title}`;
}

// How many samples of each cluster that is shown are in each cluster of the other run, without junk and samples of one run alone.
function crossTable() {
  const rows = byConfidence.filter((row) => data.compare.clusters[row] >= 0 && !junk[row]);
  const own = (row) => clusterOfLeaf[leafOf[row]], other = (row) => data.compare.clusters[row], size = (each) => each.length;
  const found = d3.rollup(rows, size, own, other);
  return { counts: clusters.map(({ number }) => found.get(number) || new Map()), totals: d3.rollup(rows, size, other) };
}

// A sample has moved if neither a split nor a merge of clusters explains where it is: it is in the main part of neither.
function movedSamples({ counts, totals }) {
  const mainOther = counts.map((each) => d3.greatest(each, ([, count]) => count)?.[0]);
  const mainOwn = new Map([...totals.keys()].map((other) => [other, d3.greatest(clusters, ({ number }) => counts[number].get(other)).number]));
  return byConfidence.filter((row) => {
    const other = data.compare.clusters[row], own = clusterOfLeaf[leafOf[row]];
    return other >= 0 && !junk[row] && mainOther[own] !== other && mainOwn.get(other) !== own;
  });
}

function drawCompare(view) {
  const table = crossTable();
  const all = movedSamples(table);
  const common = data.compare.clusters.filter((other) => other >= 0).length;
  const { nmi, ari, title } = data.compare;
  const heading = element("h2", {}, "Compared with ", element("bdi", { text: title }));
  const parts = [`at ${cut} clusters: NMI ${nmi[cut - 1].toFixed(3)}, adjusted Rand index ${ari[cut - 1].toFixed(3)}`, `${common} of ${numSamples} samples are in both runs`, `${all.length} have moved`];
  const facts = element("p", { class: "facts" }, ...parts.map((text) => element("span", { text })));
  view.replaceChildren(heading, facts, ...clusters.map((each) => comparedCluster(each, table, all)));
}

function comparedCluster({ node, number, rows }, { counts, totals }, all) {
  const section = element("section", { class: "cluster", "aria-label": titleOf(node) });
  section.style.setProperty("--colour", colourOf(node));
  const total = d3.sum(counts[number].values());
  const places = [...counts[number]].sort((a, b) => b[1] - a[1]);
  const parts = places.filter(([, count]) => count >= smallPart * total);
  const bar = element("div", { class: "share-bar", "aria-hidden": "true" });
  const list = element("ul", { class: "shares" });
  for (const [other, count] of parts) {
    const piece = element("span");
    piece.style.setProperty("flex-grow", count);
    bar.append(piece);
    list.append(element("li", {}, element("bdi", { text: otherTitle(other) }), `: ${count} of its ${totals.get(other)} samples`));
  }
  const head = element("div", { class: "cluster-head" }, element("h3", { dir: "auto", text: titleOf(node) }), element("p", { class: "facts", text: verdict(parts, totals, total, rows.length) }));
  section.append(head, bar, list);
  const here = all.filter((row) => clusterOfLeaf[leafOf[row]] === number);
  if (here.length) section.append(element("p", { class: "facts", text: `Moved: ${here.length}` }), tileStrip(here, stripLength, `Moved samples of ${titleOf(node)}`));
  return section;
}

function verdict(parts, totals, total, size) {
  if (!total) return size ? "The other run has none of its samples." : "Empty.";
  const whole = parts.filter(([other, count]) => count >= 0.5 * totals.get(other));
  if (parts.length === 1 && whole.length === 1 && parts[0][1] >= 0.9 * totals.get(parts[0][0])) return "The same in both runs.";
  if (whole.length > 1) return `Merges ${whole.length} clusters of the other run.`;
  if (parts.length === 1) return "A part of one cluster of the other run.";
  return `Has samples of ${parts.length} clusters of the other run.`;
}
