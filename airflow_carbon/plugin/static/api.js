// Ask the data API, and say in words what went wrong.

const PATIENCE_MS = 20_000;

/** What a page shows in place of data, by what happened. */
export class Trouble extends Error {
  constructor(title, text, { ended = false, severe = true } = {}) {
    super(text);
    this.title = title;
    this.ended = ended;
    this.severe = severe;
  }
}

const UNREACHED = "Airflow's web server does not answer. The page tries again by itself; what it shows may be old.";
const ENDED = "Reload Airflow and log in again; this page goes on where it was.";

/** Get JSON from a route relative to the mount. */
export async function get(path, query = {}) {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of Object.entries(query)) url.searchParams.append(name, value);
  return answer(url, {});
}

/** Ask to start a waiting task now; the token goes into the header, and no cookie along with it. */
export async function release(task, reason) {
  const { token } = await answer(new URL("api/token", document.baseURI), { headers: { "X-Carbon-Page": "1" } });
  const { dag_id, run_id, task_id, map_index } = task;
  return answer(new URL("api/release", document.baseURI), {
    method: "POST",
    credentials: "omit",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ dag_id, run_id, task_id, map_index, reason }),
  });
}

async function answer(url, options) {
  let response;
  try {
    response = await fetch(url, {
      credentials: "same-origin",
      cache: "no-store",
      ...options,
      headers: { Accept: "application/json", ...options.headers },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch {
    throw new Trouble("No connection to Airflow", UNREACHED);
  }
  const data = await json(response);
  if (response.ok && data !== null) return data;
  throw trouble(response.status, data);
}

async function json(response) {
  // Where the app could not be loaded, Airflow answers with its main page and 200.
  if (!(response.headers.get("content-type") ?? "").includes("json")) return null;
  try {
    return await response.json();
  } catch {
    return null;
  }
}

function trouble(status, data) {
  const detail = typeof data?.detail === "string" ? data.detail : "";
  if (status === 401) return new Trouble("Your session has ended", ENDED, { ended: true });
  if (status === 403) return new Trouble("Not allowed", detail || "Your role in Airflow does not include this.", { ended: true });
  if (status === 404) return new Trouble("Nothing is known of it", detail || "Airflow knows no such task or DAG.");
  if (status === 422 || status === 413) return new Trouble("This was not accepted", detail || "A value is wrong.");
  if (status === 503) return new Trouble("Something does not answer", `${detail || "The ledger or a source does not answer."} The page tries again by itself.`);
  if (status < 400) {
    return new Trouble("The carbon pages are not loaded", "Airflow answered with something else than data. Its web server's log says why the plugin could not be loaded; `airflow plugins` shows it too.");
  }
  return new Trouble("Airflow answered with an error", `${detail || `Its status is ${status}.`} The page tries again by itself.`);
}
