// What a page does by itself: it looks again when something has happened, and shows what changed in place.
// Without a script all pages work as well; they are then as old as the last time they were loaded.
"use strict";

(() => {
  const PAUSE = 700; // ms: much of what happens happens together
  const APART = 5000; // ms between two looks, however much happens
  const TYPING = 250; // ms: who types is not answered letter by letter
  const AGES = 30_000; // "5 min ago" goes on, too
  let due = null;
  let looked = -APART;
  let typed = null;

  const isBusy = () => {
    const at = document.activeElement;
    return document.querySelector("dialog[open], details.menu[open]") !== null ||
      (at !== null && at.matches("main :is(input, textarea, select)") && at.dataset.live === undefined);
  };

  const look = () => {
    due = null;
    if (document.visibilityState !== "visible") return;
    if (isBusy()) { later(2000); return; }
    looked = performance.now();
    htmx.trigger(document.body, "uptake:changed");
  };

  const later = (wait) => { due ??= setTimeout(look, Math.max(wait, looked + APART - performance.now())); };

  // Only while somebody looks: browsers have six connections to a host, and a hidden tab wants none of them.
  let events = null;
  const listen = () => {
    const { stream } = document.body.dataset;
    if (stream === undefined) return;
    if (document.visibilityState !== "visible") { events?.close(); events = null; return; }
    if (events !== null) return;
    const opened = new EventSource(stream);
    opened.onmessage = () => later(PAUSE);
    // Browsers begin anew by themselves where a stream breaks off, and never where they are refused one.
    opened.onerror = () => { if (opened.readyState === EventSource.CLOSED && events === opened) events = null; };
    events = opened;
  };

  document.addEventListener("visibilitychange", () => {
    listen();
    if (document.visibilityState === "visible") later(0);
  });
  setInterval(() => { listen(); later(0); }, AGES);

  // What is typed in a live field of a form is looked for at once, and stands in the address.
  document.addEventListener("input", (event) => {
    if (!event.target.matches("form input[data-live]")) return;
    clearTimeout(typed);
    typed = setTimeout(() => {
      const { form } = event.target;
      const asked = [...new FormData(form)].filter(([, value]) => value !== "");
      const query = new URLSearchParams(asked).toString();
      history.replaceState(null, "", query === "" ? form.action : `${form.action}?${query}`);
      document.querySelector("[hx-trigger^='uptake:changed']")?.setAttribute("hx-get", location.pathname + location.search);
      htmx.trigger(document.body, "uptake:changed");
    }, TYPING);
  });

  // Where a form changes nothing but what is shown, choosing is enough.
  document.addEventListener("change", (event) => {
    if (event.target.matches("form[data-now] select, form[data-now] input[type=checkbox], form[data-now] input[type=date]")) {
      event.target.form.requestSubmit();
    }
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener !== null) document.getElementById(opener.dataset.opens)?.showModal();
    const closer = event.target.closest("[data-closes]");
    if (closer !== null) closer.closest("dialog")?.close();
    const copier = event.target.closest("[data-copies]");
    if (copier !== null) {
      navigator.clipboard?.writeText(document.getElementById(copier.dataset.copies).textContent);
      copier.textContent = "Copied";
    }
  });

  // A button that asks first: what it does cannot be taken back.
  document.addEventListener("submit", (event) => {
    const question = event.submitter?.dataset.asks ?? event.target.dataset.asks;
    if (question !== undefined && !window.confirm(question)) event.preventDefault();
  });

  listen();
})();
