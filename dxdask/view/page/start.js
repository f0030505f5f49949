// The first requests, and views named by the address.
async function followFragment() {
  if (location.hash === written || !summary.runs.length) return;
  const v = new URLSearchParams(location.hash.slice(1)), name = v.get("run") || summary.runs[0].name;
  S.layout = v.get("layout") === "laboratory" ? "laboratory" : "frame"; $("layout").value = S.layout;
  S.n = Math.max(1, Number(v.get("n")) || 1); $("n").value = S.n;
  if (["sum", "max", "mean"].includes(v.get("stack"))) { S.stack = v.get("stack"); $("stack").value = S.stack; }
  await goToRun(name, v.has("image") ? Number(v.get("image")) : undefined);
  if (Number(v.get("zoom")) > 0) S.zoom = Number(v.get("zoom"));
  if (v.has("panel")) [S.x, S.y] = toPlane(Number(v.get("panel")), Number(v.get("x")), Number(v.get("y")));
  else if (v.has("x") && v.has("y")) { S.x = Number(v.get("x")); S.y = Number(v.get("y")); }
  redraw();
}
async function start() {
  try {
    summary = await ask("summary");
    $("store").textContent = `${summary.store}${summary.branch === "main" ? "" : ", branch " + summary.branch}`;
    document.title = `${summary.store}: dxdask view`;
    listRuns();
    if (!watching) watch();
    if (!summary.runs.length) { say("this store holds no complete run yet; it is looked at again in 5 s"); setTimeout(start, 5000); return; }
    wireFrames(); wireOverlays(); wireScan(); wireThresholds(); wireMasks(); wireLattice(); wireJobs(); wireLedger(); wireExplore();
    await followFragment();
    addEventListener("hashchange", () => followFragment().catch(fail));
  } catch (error) { fail(error); }
}
addEventListener("DOMContentLoaded", start);
