// Clusters of a cut: the nodes that are left when the last merges are undone.

const positions = new Int32Array(numLeaves);
data.order.forEach((leaf, place) => { positions[leaf] = place; });
const spans = Array.from({ length: numNodes }, (_, node) => (node < numLeaves ? [positions[node], positions[node] + 1] : [0, 0]));
data.merges.forEach(([left, right], merge) => {
  spans[numLeaves + merge] = [Math.min(spans[left][0], spans[right][0]), Math.max(spans[left][1], spans[right][1])];
});

const leafSizes = new Int32Array(numLeaves);
for (const leaf of data.leaves) leafSizes[leaf]++;

let cut = Math.min(Math.max(data.clusters, Math.min(2, numLeaves)), numLeaves);
let clusters = [];
let junkRows = [];
let clusterOfLeaf = new Int32Array(numLeaves);

function cutNodes(number) {
  const first = numNodes - (number - 1); // the first node that is undone
  const nodes = [];
  for (let node = 0; node < first; node++) if (parents[node] < 0 || parents[node] >= first) nodes.push(node);
  return nodes.sort((a, b) => spans[a][0] - spans[b][0]);
}

function computeClusters() {
  clusters = cutNodes(cut).map((node, number) => ({ node, number, rows: [] }));
  for (const each of clusters) {
    for (let place = spans[each.node][0]; place < spans[each.node][1]; place++) clusterOfLeaf[data.order[place]] = each.number;
  }
  junkRows = [];
  for (const row of byConfidence) (junk[row] ? junkRows : clusters[clusterOfLeaf[leafOf[row]]].rows).push(row);
}

function rowsOf(node) {
  const [begin, end] = spans[node];
  return byConfidence.filter((row) => !junk[row] && positions[leafOf[row]] >= begin && positions[leafOf[row]] < end);
}

function colourOf(node) {
  const [begin, end] = spans[node];
  return `hsl(${Math.round((360 * (begin + end)) / 2 / numLeaves)} 65% 50%)`;
}

function titleOf(node) {
  if (nodeNames.has(node)) return nodeNames.get(node);
  const shown = clusters.find((each) => each.node === node);
  return shown ? `Cluster ${shown.number + 1}` : `Node ${node}`;
}

// The most specific name above a leaf: a named part of a named cluster keeps its own.
function labelOfLeaf(leaf) {
  for (let node = leaf; node >= 0; node = parents[node]) if (nodeNames.has(node)) return nodeNames.get(node);
  return "";
}

// Samples that are moved into a cluster follow its largest leaf when the cluster is split.
function mainLeaf(node) {
  const sizes = d3.rollup(rowsOf(node), (rows) => rows.length, (row) => leafOf[row]);
  return d3.greatest(sizes, ([, size]) => size)?.[0] ?? data.order[spans[node][0]];
}

// Classes where the data have any, else the labels that were propagated from the user's.
const [labelOf, labelNames] = data.classes.length || !data.suggested ? [data.labels, data.classes] : [data.suggested, data.suggestedNames];

function classShares(rows) {
  const labelled = rows.filter((row) => labelOf[row] >= 0);
  const counts = d3.rollup(labelled, (each) => each.length, (row) => labelOf[row]);
  return [...counts].sort((a, b) => b[1] - a[1]).map(([label, size]) => ({ name: labelNames[label], share: size / labelled.length }));
}

function suggestionOf(row) {
  if (!data.suggested || data.suggested[row] < 0) return "";
  return `${data.suggestedNames[data.suggested[row]]} (${data.suggestedConfidences[row].toFixed(2)})`;
}

function modalityText(node) {
  const names = Object.keys(data.modalities);
  if (names.length < 2) return "";
  const [begin, end] = spans[node];
  const leavesHere = data.order.slice(begin, end);
  const total = d3.sum(leavesHere, (leaf) => leafSizes[leaf]);
  const shares = names.map((name) => d3.sum(leavesHere, (leaf) => leafSizes[leaf] * data.modalities[name][leaf]) / total);
  const best = Math.max(...shares);
  const decisive = names.filter((_, index) => shares[index] >= 0.8 * best);
  const detail = names.map((name, index) => `${name} ${percent(shares[index])}`).join(", ");
  return `${decisive.length === names.length ? "all modalities" : decisive.join(" and ")} (${detail})`;
}

function percent(share) {
  return `${Math.round(100 * share)} %`;
}
