// Jobs that run on the store: their progress and log; what they complete is shown at once.
let watching = false, stepsSeen = null, runsSeen = null;
function listRuns() {
  const shown = new Set([...$("run").options].map((o) => o.value));
  for (const run of summary.runs) if (!shown.has(run.name)) { const o = document.createElement("option"); o.textContent = run.name; $("run").append(o); }
}
async function refresh(got) {
  const steps = JSON.stringify(got.steps);
  if (runsSeen !== null && got.runs > runsSeen) { summary = await ask("summary"); listRuns(); }
  if (got.runs >= 0) runsSeen = got.runs;
  if (got.runs >= 0 && stepsSeen !== null && steps !== stepsSeen && models) { // results are asked for again
    models = await askModels(S.run);
    tell("run");
    L.points = null;
    E.got = null;
    if (!$("explore-panel").hidden) fetchExploration();
    redraw();
  }
  if (got.runs >= 0) stepsSeen = steps;
}
async function watch() {
  watching = true;
  let again = 10000;
  try {
    const got = await ask("progress"), job = got.jobs[got.jobs.length - 1];
    $("job").textContent = job ? job.text + (job.rate ? `; ${job.rate.toPrecision(3)} tasks/s` : "") : "no job is running";
    $("job-done").hidden = !job || !job.total;
    if (job && job.total) { $("job-done").max = job.total; $("job-done").value = job.done; }
    const log = $("log"), end = log.scrollTop + log.clientHeight > log.scrollHeight - 20;
    log.textContent = got.log.join("\n") || "there is no log";
    if (end) log.scrollTop = log.scrollHeight;
    await refresh(got);
    if (job) again = 1500;
  } catch { $("job").textContent = "the viewer does not answer"; }
  setTimeout(watch, again);
}
function wireJobs() {
  $("log-open").addEventListener("click", () => { $("log").hidden = !$("log").hidden; $("log-open").classList.toggle("on", !$("log").hidden); $("log").scrollTop = $("log").scrollHeight; });
}
