/* Keeps the parts of a page marked `data-live="name"` as the hub would serve them now.

   <main> says what concerns the page: `data-events` names the server-sent events of /api/v1/events after which it is
   fetched again (with `data-lecture` or `data-date` only those `register` events that are about it), `data-follow` the
   seconds after which it is fetched in any case, for time passes without events. Only parts that changed are replaced. */

const ATLEAST = 1000; // ms between two fetches,
const REST = 5; // as many times as long as the last one took, for pages left open must not keep the hub busy,
const ATMOST = 5000; // ms, lest one slow answer makes the page sleep
const RETRY = 3000; // ms until a hub that did not answer is asked again

export function follow() {
  const main = document.querySelector("main[data-follow]");
  if (!main) return;
  let busy = false;
  let missed = false;
  let rested = 0;
  let retry = 0;

  async function refresh() {
    if (busy || document.hidden) {
      missed = true;
      return;
    }
    busy = true;
    await pause(rested - Date.now());
    missed = false; // what happens from here on may not be in the answer
    const began = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(answer.statusText);
      swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
      say("");
    } catch {
      say("The hub does not answer; trying again.");
      clearTimeout(retry);
      retry = setTimeout(refresh, RETRY);
    }
    rested = Date.now() + Math.min(ATMOST, Math.max(ATLEAST, REST * (Date.now() - began)));
    busy = false;
    if (missed) refresh();
  }

  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, Number(main.dataset.follow) * 1000);
  listen(main.dataset, refresh);
}

function listen(wanted, refresh) {
  const source = new EventSource("/api/v1/events");
  let lost = false;
  for (const kind of ["reset", ...(wanted.events ?? "").split(" ").filter(Boolean)]) {
    source.addEventListener(kind, (event) => concerns(wanted, kind, event) && refresh());
  }
  source.addEventListener("open", () => {
    if (lost) refresh();
    lost = false;
  });
  source.addEventListener("error", () => {
    if (!lost) refresh(); // which says so if the hub is gone
    lost = true;
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(wanted, refresh), RETRY);
  });
}

function concerns(wanted, kind, event) {
  if (kind !== "register" || !(wanted.lecture || wanted.date)) return true;
  const { date, lectures } = JSON.parse(event.data);
  return wanted.lecture ? lectures.includes(wanted.lecture) : date === wanted.date;
}

function swap(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
    if (!other) continue;
    const folded = part.querySelectorAll("details");
    other.querySelectorAll("details").forEach((fold, place) => (fold.open = folded[place]?.open ?? false));
    if (other.innerHTML === part.innerHTML) continue;
    keepPictures(part, other);
    const held = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    part.replaceChildren(...other.childNodes);
    if (held) part.querySelector(`[href="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
  }
}

// The same picture stays the same element: a new one would flicker.
function keepPictures(part, other) {
  const shown = new Map([...part.querySelectorAll("img")].map((image) => [image.outerHTML, image]));
  for (const image of other.querySelectorAll("img")) {
    const same = shown.get(image.outerHTML);
    if (!same) continue;
    shown.delete(image.outerHTML);
    image.replaceWith(same);
  }
}

function say(words) {
  const place = document.querySelector("[data-link-state]");
  if (place && place.textContent !== words) place.textContent = words;
}

const pause = (ms) => new Promise((done) => setTimeout(done, Math.max(0, ms)));
