// Numbers by image below the slider, and fates of stills.
let scan = null;
const CURVES = { counts: [["spots", 0], ["indexed", 1], ["integrated", 3]], "% indexed": [["percent", 1]], intensity: [["intensity", 1]],
  "I/sigma": [["i_over_sigma", 1]], background: [["background", 0]] };
const HIT = { "too few spots for a hit": "blank", indexed: "indexed", integrated: "indexed" };
const FATE_OF_STILL = { blank: "#999999", hit: "#e69f00", indexed: "#0072b2", "not processed": "#dddddd" };
async function fetchScan() {
  const run = S.run;
  scan = null;
  try {
    const got = unpack(await ask("scan", { run }));
    if (S.run !== run) return;
    got.percent = Float32Array.from(got.spots, (v, i) => (v ? (100 * got.indexed[i]) / v : NaN));
    scan = got;
    $("still-row").hidden = !scan.fate;
    drawScan();
  } catch (error) { fail(error); }
}
// Return what became of a still: blank, hit (not indexed), indexed or not processed.
function stillKind(i) {
  const words = scan.fates[scan.fate[i]];
  if (words === undefined) return "not processed";
  return HIT[words] || (["no lattice found", "the lattice found differs from the cell given", "the crystal could not be refined"].includes(words) ? "hit" : "blank");
}
function drawScan() {
  const canvas = $("scan"), ratio = devicePixelRatio, w = canvas.clientWidth, h = canvas.clientHeight;
  canvas.width = w * ratio; canvas.height = h * ratio;
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (!scan || !models) return;
  const run = runOf(S.run), n = scan.spots.length, x = (i) => ((i + 0.5) / n) * w, here = S.image - run.first;
  const curves = CURVES[$("scan-what").value], foot = scan.fate ? 9 : 3;
  let top = 0;
  for (const [name] of curves) for (const v of scan[name]) if (v > top) top = v;
  top = top || 1;
  curves.forEach(([name, k], at) => {
    ctx.strokeStyle = ctx.fillStyle = FATE_COLOURS[k];
    ctx.beginPath();
    let pen = false;
    scan[name].forEach((v, i) => {
      if (v !== v) { pen = false; return; }
      ctx[pen ? "lineTo" : "moveTo"](x(i), h - foot - (Math.max(0, v) / top) * (h - foot - 14));
      pen = true;
    });
    ctx.stroke();
    const v = scan[name][here];
    ctx.fillText(`${name} ${v === v ? (Number.isInteger(v) ? v : v.toPrecision(4)) : "none"}`, 4 + 110 * at, 10);
  });
  if (scan.fate) {
    for (let i = 0; i < n; i++) { ctx.fillStyle = FATE_OF_STILL[stillKind(i)]; ctx.fillRect((i / n) * w, h - 6, Math.max(1, w / n), 6); }
    ctx.fillStyle = "#222";
    ctx.fillText(`${scan.event_id[here] >= 0 ? "event " + scan.event_id[here] + ": " : ""}${scan.fates[scan.fate[here]] || "not processed"}`, 4 + 110 * curves.length, 10);
  }
  ctx.strokeStyle = "#222";
  ctx.beginPath(); ctx.moveTo(x(here), 0); ctx.lineTo(x(here), h); ctx.stroke();
}
// Go to the next still, or the one before, of the kind that is chosen.
function nextStill(step) {
  if (!scan || !scan.fate) return;
  const first = runOf(S.run).first, n = scan.fate.length, kind = $("still-kind").value;
  for (let i = S.image - first + step; i >= 0 && i < n; i += step) if (stillKind(i) === kind) { goTo(first + i); return; }
  say(`there is no ${kind} still ${step > 0 ? "after" : "before"} this one`);
}
function goToEvent() {
  const at = scan && scan.fate ? scan.event_id.indexOf(Number($("event").value)) : -1;
  if (at < 0) say(`there is no event ${$("event").value} in this run`); else goTo(runOf(S.run).first + at);
}
function wireScan() {
  on("run", fetchScan);
  on("image", drawScan);
  addEventListener("resize", drawScan);
  $("scan-what").addEventListener("change", drawScan);
  $("still-next").addEventListener("click", () => nextStill(1));
  $("still-previous").addEventListener("click", () => nextStill(-1));
  $("event").addEventListener("change", goToEvent);
  $("scan").addEventListener("click", (e) => {
    if (!models) return;
    const r = $("scan").getBoundingClientRect(), run = runOf(S.run);
    goTo(run.first + Math.floor(((e.clientX - r.left) / r.width) * run.images));
  });
}
