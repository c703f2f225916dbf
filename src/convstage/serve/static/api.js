// Requests to the server. A problem that it answers with becomes an error that says what to do.

/** What went wrong with a request, for people. */
export class ApiError extends Error {
  constructor(detail, { status = 0, problem = {} } = {}) {
    super(detail);
    this.name = "ApiError";
    this.status = status;
    this.problem = problem;
  }
}

/** An overloaded server says when to come again: so often, and only when it does not take longer. */
const TRIES = 3,
  LONGEST_WAIT = 5;

const GONE = "The server does not answer. Is `convstage serve` still running? Start it again, then reload the page.";

async function request(path, { method = "GET", body, signal, type } = {}) {
  const isForm = body instanceof FormData;
  const options = { method, signal, headers: { Accept: "application/json" }, credentials: "same-origin" };
  if (body !== undefined) options.body = isForm ? body : JSON.stringify(body);
  if (body !== undefined && !isForm) options.headers["Content-Type"] = type ?? "application/json";
  for (let attempt = 1; ; attempt++) {
    let response;
    try {
      response = await fetch(path, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(GONE);
    }
    if (response.ok) return response.json();
    const wait = Number(response.headers.get("Retry-After") ?? Infinity);
    if (response.status !== 503 || attempt === TRIES || !(wait <= LONGEST_WAIT)) throw await asError(response);
    await pause(1000 * Math.max(wait, 0.2), signal);
  }
}

async function asError(response) {
  let problem = {};
  try {
    problem = await response.json();
  } catch {
    // What stands between the page and the server may answer with something else than JSON.
  }
  const detail = problem.detail || problem.title || `The server answered ${response.status} ${response.statusText}.`;
  return new ApiError(String(detail), { status: response.status, problem });
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("stopped", "AbortError"));
    });
  });
}

/** Whether an error says only that something newer has taken the place of a request. */
export const isStopped = (error) => error?.name === "AbortError";

/**
 * A line in which only the newest request counts: those before it are stopped.
 *
 * `await line((signal) => api.post(path, body, { signal }))` throws an error for which `isStopped` holds when a
 * newer one has come.
 */
export function latest() {
  let current = null;
  const line = async (ask) => {
    current?.abort();
    const own = (current = new AbortController());
    const answer = await ask(own.signal);
    if (own.signal.aborted) throw new DOMException("stopped", "AbortError");
    return answer;
  };
  line.stop = () => current?.abort();
  return line;
}

export const api = {
  get: (path, options = {}) => request(path, options),
  post: (path, body, options = {}) => request(path, { ...options, method: "POST", body }),
};
