/* Keeps the parts of a page marked `data-live="name"` as the hub would serve them now.

   The hub says over server-sent events that something happened (the browser resumes with Last-Event-ID); the page is then
   fetched again and only the parts that changed are replaced. `data-follow` on <main> is the number of seconds after which
   it is fetched in any case, for time passes without events. */

const SOON = 1200; // ms: the hub draws up registers within about a second of what they rest on
const AGAIN = 3500; // and once more, should that have taken longer
const ATLEAST = 1500; // ms between two fetches
const RETRY = 3000; // ms until a hub that did not answer is asked again

export function follow() {
  const main = document.querySelector("main[data-follow]");
  if (!main) return;
  const every = Number(main.dataset.follow) * 1000;
  let busy = false;
  let missed = false;
  let last = 0;
  let timers = [];
  let retry = 0;

  async function refresh() {
    if (busy) {
      missed = true;
      return;
    }
    busy = true;
    await pause(last + ATLEAST - Date.now());
    last = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(answer.statusText);
      swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
      say("");
    } catch {
      say("The hub does not answer; trying again.");
      clearTimeout(retry);
      retry = setTimeout(refresh, RETRY);
    } finally {
      busy = false;
      if (missed) {
        missed = false;
        refresh();
      }
    }
  }

  function news() {
    if (document.hidden) {
      missed = true;
      return;
    }
    timers.forEach(clearTimeout);
    timers = [setTimeout(refresh, SOON), setTimeout(refresh, AGAIN)];
    if (Date.now() - last > 2 * AGAIN) refresh();
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
  setInterval(() => document.hidden || refresh(), every);
  listen(news);
}

function listen(news) {
  const source = new EventSource("/api/v1/events");
  for (const kind of ["frame", "register", "health", "reset"]) source.addEventListener(kind, news);
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(news), 5000);
  });
}

function swap(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
    if (!other) continue;
    const folded = part.querySelectorAll("details");
    other.querySelectorAll("details").forEach((fold, place) => (fold.open = folded[place]?.open ?? false));
    if (other.innerHTML === part.innerHTML) continue;
    const held = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    part.replaceChildren(...other.childNodes);
    if (held) part.querySelector(`[href="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
  }
}

function say(words) {
  const place = document.querySelector("[data-link-state]");
  if (place && place.textContent !== words) place.textContent = words;
}

const pause = (ms) => new Promise((done) => setTimeout(done, Math.max(0, ms)));
