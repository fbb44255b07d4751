// The live part of a page asks for itself again. What comes back without the mark is the sign-in page of a session that
// has ended: go there, rather than showing it inside the page.
document.addEventListener("htmx:beforeSwap", (event) => {
  const target = event.detail.target;
  if (target && target.hasAttribute("data-live") && !event.detail.xhr.getResponseHeader("X-Live")) {
    event.detail.shouldSwap = false;
    window.location.reload();
  }
});

// A poll that can't reach the portal says so, and says when it can again.
document.addEventListener("htmx:sendError", () => document.body.classList.add("lsq-offline"));
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) document.body.classList.remove("lsq-offline");
});

// Copies what stands before the button, or in the element that it names. Where the browser hands no clipboard out (plain
// http), the text is marked, for Ctrl+C.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const what = button.dataset.copy ? document.getElementById(button.dataset.copy) : button.previousElementSibling;
  try {
    await navigator.clipboard.writeText(what.textContent);
    button.textContent = document.getElementById("words").dataset.copied;
  } catch {
    window.getSelection().selectAllChildren(what);
    button.textContent = document.getElementById("words").dataset.copyByKeys;
  }
});

// A second press on the button of a form that is on its way does nothing.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches(".lsq form[method=post]:not([data-again])")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});
