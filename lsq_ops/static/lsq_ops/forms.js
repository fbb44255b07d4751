// A form whose session had ended is led to the sign-in page, and back, empty. What was typed is kept by this tab meanwhile:
// never passwords, files or hidden fields, and only until the next page.
const FORM = ".lsq form.form[method=post]";
const KEPT = `form ${location.pathname}`;
const fields = (form) => [...form.elements].filter((one) => one.name && !["hidden", "password", "file", "submit", "button"].includes(one.type));

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches(FORM) || form.querySelector("input[type=password]")) return;
  const typed = fields(form).map((one) => [one.name, one.value, one.checked ?? null]);
  sessionStorage.setItem(KEPT, JSON.stringify(typed));
});

document.addEventListener("DOMContentLoaded", () => {
  if (document.querySelector(".sign-in")) return; // on the way back
  const form = document.querySelector(FORM);
  const typed = JSON.parse(sessionStorage.getItem(KEPT) || "[]");
  Object.keys(sessionStorage).filter((key) => key.startsWith("form ")).forEach((key) => sessionStorage.removeItem(key));
  if (!form || !typed.length || !document.referrer.includes("/login/")) return;
  for (const [name, value, checked] of typed) {
    for (const one of fields(form).filter((field) => field.name === name)) {
      if (checked !== null && ["checkbox", "radio"].includes(one.type)) {
        if (one.value === value) one.checked = checked;
      } else {
        one.value = value;
      }
    }
  }
  const note = document.createElement("div");
  note.className = "notice";
  note.setAttribute("role", "status");
  note.textContent = document.getElementById("words").dataset.typedIsBack;
  form.before(note);
});
