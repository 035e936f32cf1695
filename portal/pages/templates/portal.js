// The pages work without this; with it, scopes can be found by typing, and keys and ids can be copied.
for (const find of document.querySelectorAll("[data-find]")) {
  const scopes = [...document.querySelectorAll("[data-scope]")];
  const count = document.querySelector("[data-count]");
  const chosen = document.querySelector("[data-chosen]");
  find.closest("[hidden]").hidden = false;
  chosen.hidden = false;
  const tell = () => {
    const number = document.querySelectorAll('input[name="scope"]:checked').length;
    count.textContent = `${scopes.filter((one) => !one.hidden).length} of ${scopes.length} shown, ${number} chosen`;
    chosen.textContent = `${number} ${number === 1 ? "scope" : "scopes"} chosen`;
  };
  find.addEventListener("input", () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const one of scopes) one.hidden = !words.every((word) => one.dataset.scope.includes(word));
    for (const group of document.querySelectorAll(".group")) group.hidden = !group.querySelector(".scope:not([hidden])");
    tell();
  });
  // Enter searches, it does not send the form.
  find.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  document.addEventListener("change", tell);
  tell();
}
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("[data-key]").textContent);
    button.textContent = "Copied";
  });
}
