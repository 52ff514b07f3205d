/* A link marked `data-opens` shows the page's part marked `data-sheet` in a dialog; any failure just follows the link. */

export function openInPlace() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-opens]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (!window.HTMLDialogElement) return;
    event.preventDefault();
    show(link.href);
  });
}

async function show(address) {
  const dialog = document.createElement("dialog");
  const close = document.createElement("button");
  const pane = document.createElement("div");
  close.type = "button";
  close.className = "close";
  close.setAttribute("aria-label", "Close");
  close.textContent = "×";
  pane.className = "pane";
  pane.setAttribute("aria-busy", "true");
  const opening = document.createElement("p");
  opening.className = "opening";
  opening.setAttribute("role", "status");
  opening.textContent = "Opening…";
  pane.append(opening);
  dialog.setAttribute("aria-label", "Evidence");
  dialog.append(close, pane);
  document.body.append(dialog);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const sheet = page.querySelector("[data-sheet]");
    if (!answer.ok || !sheet) throw new Error("no sheet");
    pane.replaceChildren(sheet);
    pane.removeAttribute("aria-busy");
    const heading = sheet.querySelector("h1");
    if (heading?.id) {
      dialog.removeAttribute("aria-label");
      dialog.setAttribute("aria-labelledby", heading.id);
    }
  } catch {
    location.assign(address);
  }
}
